"""Scripts after those of well-known deployment systems (``trees/ipxe``), each run to the boot it leads to."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Optional

import oracle
import pytest
import replay
from replay import Replay

from pypxeboot.entry import Action, Choice, Reason
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe import boot
from pypxeboot.lease import Lease
from pypxeboot.loader import BootRequest
from pypxeboot.url import Location

TREES = Path(__file__).resolve().parent / "trees" / "ipxe"
LEASE = Lease(
    address=IPv4Address("10.77.0.173"),
    prefix_length=24,
    server_id=IPv4Address("10.77.0.1"),
    next_server="10.77.0.1",
    bootfile="boot.ipxe",
    options={43: bytes((116, 8)) + b"10.0.0.7" + b"\xff"},
)
MAC, HYPHENS = "52:54:00:ab:cd:ef", "52-54-00-ab-cd-ef"
UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
PATH = "prod/streams/stable/builds/41.20250101.3.0/x86_64/fedora-coreos-41.20250101.3.0"


@dataclass(frozen=True)
class Expected:
    """What a family's script boots: the kernel's path, its command line, and the ramdisk."""

    start: str
    kernel: Optional[str] = None
    cmdline: str = ""
    ramdisk: str = ""
    asked: tuple[str, ...] = ()
    reason: Reason = Reason.SCRIPT
    label: Optional[str] = None
    said: tuple[str, ...] = field(default=())


SITE = "http://10.77.0.1"
FAMILIES = {
    "maas": Expected(
        "ipxe.cfg",
        "images/boot-kernel",
        "nomodeset ro root=squash:http://10.77.0.1:5248/images/squashfs ip=::::maas-enlist:BOOTIF"
        f" BOOTIF=01-{HYPHENS}",
        "maas initrd\n",
        asked=(f"{SITE}:5248/ipxe.cfg-{MAC}",),
    ),
    "ironic": Expected(
        "boot.ipxe",
        "node/deploy_kernel",
        f"selinux=0 troubleshoot=0 text BOOTIF={MAC} initrd=deploy_ramdisk",
        "ironic python agent\n",
    ),
    "matchbox": Expected(
        "boot.ipxe",
        "assets/vmlinuz",
        f"initrd=initrd.img root=live:/assets/root.squashfs ignition.config.url={SITE}/ignition?uuid={UUID}"
        f"&mac={HYPHENS} console=tty0",
        "fcos initrd\n",
        asked=(f"{SITE}/ipxe?uuid={UUID}&mac={HYPHENS}&domain=&hostname=&serial=&arch=x86_64",),
    ),
    "tinkerbell": Expected(
        "auto.ipxe",
        "osie/vmlinuz-x86_64",
        "ip=dhcp modules=loop,squashfs,sd-mod,usb-storage syslog_host=10.0.0.7 "
        f"grpc_authority=tink.example:42113 worker_id={MAC} initrd=initramfs-x86_64",
        "hook initramfs\n",
    ),
    "foreman": Expected(
        "boot.ipxe",
        "boot/fdi-image/vmlinuz0",
        f"initrd=initrd0.img rootflags=loop root=live:/fdi.iso rd.neednet=1 BOOTIF=00-{HYPHENS} "
        "proxy.type=foreman",
        "discovery\n",
        reason=Reason.TIMEOUT,
        said=("Foreman of unknown on 10.77.0.173",),
    ),
    "cobbler": Expected("default.ipxe", reason=Reason.TIMEOUT),
    "talos": Expected(
        "boot.ipxe",
        "image/vmlinuz",
        "talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge pti=on",
        "talos initramfs\n",
        asked=(f"{SITE}/ipxe?uuid={UUID}&mac={HYPHENS}&serial=&arch=x86_64",),
    ),
    "flatcar": Expected(
        "flatcar.ipxe",
        "stable/flatcar_production_pxe.vmlinuz",
        "initrd=flatcar_production_pxe_image.cpio.gz flatcar.first_boot=1 "
        "ignition.config.url=https://10.77.0.1/pxe-config.ign",
        "flatcar image\n",
    ),
    "fcos": Expected(
        "fcos.ipxe",
        f"{PATH}-live-kernel.x86_64",
        f"initrd=main coreos.live.rootfs_url={SITE}/{PATH}-live-rootfs.x86_64.img "
        "coreos.inst.install_dev=/dev/vda coreos.inst.ignition_url=https://10.77.0.1/config.ign",
        "coreos initramfs\n",
    ),
    "netbootxyz": Expected(
        "netboot.xyz.ipxe",
        "debian/dists/trixie/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux",
        "initrd=initrd.gz --- quiet",
        "debian installer\n",
        asked=(f"{SITE}/upstream/ipxe/netboot.xyz.kpxe", f"{SITE}/2.x/linux.ipxe"),
        reason=Reason.TIMEOUT,
    ),
    "mirror": Expected(
        "boot.gpxe",
        "centos/isolinux/vmlinuz",
        "BOOT_IMAGE=vmlinuz initrd=initrd.img rd.live.check",
        "centos\n",
        asked=(f"{SITE}/centos/isolinux/isolinux.cfg",),
        reason=Reason.TIMEOUT,
    ),
}


def run(family: str, start: str, **more: object) -> tuple[Choice, Replay]:
    """Run a family's first script from its web server."""
    root = TREES / family

    def get(location: Location) -> Optional[bytes]:
        path = root / location.path.partition("?")[0]
        if location.host != "10.77.0.1" or not path.is_file():
            return None
        text = path.read_text()
        return oracle.content(path.name, text.rstrip("\n") if text.startswith("@") else text)

    played = Replay(get)
    source = replay.BootSource(
        replay.Kind.IPXE, "10.77.0.1", "::", bootfile=Location("http", "10.77.0.1", start)
    )
    return played.drive(boot.boot(BootRequest(source, replay.GUEST, LEASE, **more))), played  # type: ignore[arg-type]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_boots_what_it_should(family: str) -> None:
    expected = FAMILIES[family]
    choice, played = run(family, expected.start)
    if expected.kernel is None:
        assert choice.entry.action is Action.LOCALBOOT
        return
    assert choice.entry.action is Action.BOOT, played.log
    assert choice.entry.kernel is not None
    assert choice.entry.kernel.path == expected.kernel
    assert choice.entry.cmdline == expected.cmdline
    ramdisk = played.ramdisk or played.initrd(choice.entry)
    assert ramdisk == expected.ramdisk.encode()
    assert choice.reason is expected.reason
    assert set(expected.asked) <= set(played.asked)
    assert all(text in played.printed + "\n".join(played.log) for text in expected.said)


def test_every_tree_is_run() -> None:
    assert {path.name for path in TREES.iterdir()} == set(FAMILIES)


def test_phone_home_is_a_form() -> None:
    _, played = run("tinkerbell", "auto.ipxe")
    forms = [form for form in played.forms if form is not None]
    assert [form.body for form in forms] == [
        b"body=Device%20connected%20to%20DHCP%20system&type=provisioning.104.01"
    ]


@pytest.mark.parametrize("label", ["install", "distro-x86_64", "2"])
def test_an_item_can_be_asked_for(label: str) -> None:
    choice, _ = run("cobbler", "default.ipxe", label=label)
    assert choice.entry.cmdline.startswith("initrd=initrd.img inst.ks=")
    assert (choice.entry.label, choice.reason) == ("install", Reason.LABEL)


@pytest.mark.parametrize("label", ["nosuch", "0", "3", "Fedora 1"])
def test_an_item_that_is_not_there(label: str) -> None:
    with pytest.raises(ConfigError):
        run("cobbler", "default.ipxe", label=label)


def test_an_item_of_a_menu_below_can_be_asked_for() -> None:
    choice, _ = run("netbootxyz", "netboot.xyz.ipxe", label="local")
    assert choice.entry.action is Action.LOCALBOOT
