"""Domains on sites that serve GRUB by ISC dhcpd and tftpd-hpa, as Cobbler and Foreman have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from tests.support.ground import Site, kernels, servers
from tests.support.ground.libvirt import Libvirt, domain_xml, need_python, write_disk
from tests.support.ground.servers import Offer

COBBLER, FOREMAN = "52:54:00:00:00:31", "52:54:00:00:00:32"
KICKSTART = "http://10.77.0.1/unattended/provision?token=11aa22bb"
CONFIGURATIONS = {
    "grub/grub.cfg": """set timeout=10
set default=local
configfile "${prefix}/system/$net_default_mac"
menuentry 'local' --class local --id local {
  if [ "$grub_platform" = "efi" ]; then
    exit 1
  fi
  exit
}
""",
    f"grub/system/{COBBLER}": """set timeout=1
menuentry 'web01' --class gnu-linux --class os {
  echo 'Loading kernel ...'
  clinux=linux
  cinitrd=initrd
  $clinux /images/vmlinuz  text  inst.ks=http://10.77.0.1/cblr/svc/op/autoinstall/system/web01
  echo 'Loading initial ramdisk ...'
  $cinitrd /images/initrd
}
""",
    f"grub2/grub.cfg-01-{FOREMAN.replace(':', '-')}": f"""set default=0
set timeout=1
menuentry 'Kickstart default PXEGrub2' {{
  linux boot/vmlinuz inst.ks={KICKSTART} BOOTIF=00-{FOREMAN.replace(":", "-")} ip=dhcp
  initrd boot/initrd
}}
""",
}
# What Foreman serves a host when its installer has said that it is done.
INSTALLED = """set default=local
set timeout=1
insmod part_gpt
insmod chain
menuentry "Chainload Grub2 EFI from ESP" --id local_chain_hd0 {
  unset root
  search --file --no-floppy --set=root /EFI/BOOT/grubx64.efi
  chainloader ($root)/EFI/BOOT/grubx64.efi
}
menuentry "Boot from the local disk" --id local {
  exit
}
"""


def beyond(site: Site, root: Path) -> None:
    """Each host with the GRUB of its program: that of a BIOS, and the signed one of EFI."""
    hosts = ((COBBLER, "grub/grub.0"), (FOREMAN, "grub2/shimx64.efi"))
    extra = [
        f'host g{number} {{ hardware ethernet {mac}; filename "{name}"; }}'
        for number, (mac, name) in enumerate(hosts)
    ]
    servers.tftpd_hpa(site, root)
    servers.dhcpd(site, Offer(filename="", hosts={}), "\n".join(extra))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, clean_machine: None) -> Iterator[Libvirt]:
    need_python()
    with Site(tmp_path_factory.mktemp("grub")) as built:
        yield Libvirt(built, beyond)


@pytest.fixture
def site(daemon: Libvirt, probe_kernel: Callable[[str], bytes]) -> Iterator[Libvirt]:
    files = {name: text.encode() for name, text in CONFIGURATIONS.items()}
    for folder in ("images", "boot"):
        files |= {f"{folder}/vmlinuz": probe_kernel(folder), f"{folder}/initrd": f"{folder}\n".encode()}
    daemon.serve({**files, "grub/grub.0": b"a program", "grub2/shimx64.efi": b"MZ"})
    yield daemon
    daemon.clean()


@pytest.mark.parametrize(
    ("mac", "folder", "cmdline"),
    [
        (
            COBBLER,
            "images",
            "BOOT_IMAGE=/images/vmlinuz text inst.ks=http://10.77.0.1/cblr/svc/op/autoinstall/system/web01",
        ),
        (
            FOREMAN,
            "boot",
            f"BOOT_IMAGE=boot/vmlinuz inst.ks={KICKSTART} BOOTIF=00-{FOREMAN.replace(':', '-')} ip=dhcp",
        ),
    ],
)
def test_the_installer_of_the_site_starts(site: Libvirt, mac: str, folder: str, cmdline: str) -> None:
    site.define(domain_xml("guest", mac))
    site.pypxeboot("pypxeboot.commands.virt", "start", "guest").ok()
    (said,) = kernels.reports(site.await_serial("guest", "PROBE end", seconds=120))
    assert (said.tag, said.cmdline, said.data) == (folder, cmdline, f"{folder}\n".encode())


def test_a_host_that_is_installed_boots_from_its_disk(site: Libvirt, disk_image: bytes) -> None:
    """As Foreman says it: an entry of EFI that fails here is not the default, and exit is the disk."""
    name = f"grub2/grub.cfg-01-{FOREMAN.replace(':', '-')}"
    site.serve({"grub2/shimx64.efi": b"MZ", name: INSTALLED})
    write_disk(site, "guest", disk_image)
    site.define(domain_xml("guest", FOREMAN, disk=True))
    site.pypxeboot("pypxeboot.commands.virt", "start", "guest").ok()
    site.await_serial("guest", "PROBE disk", seconds=120)
