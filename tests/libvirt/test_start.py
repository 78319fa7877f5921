"""``pypxeboot-virt start`` on a real libvirtd: what boots, what is left, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, Run, kernels, tools
from tests.support.ground.kernels import Said
from tests.support.ground.libvirt import NETWORK, NETWORK_SERVER, Libvirt, domain_xml, need_python, write_disk
from tests.support.ground.simple import INITRDS, JOINED
from tests.support.lost_scenarios import HANDOVER
from tests.support.samples.signatures import Authority

MAC = "52:54:00:00:00:01"
UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
CONFIG = """\
DEFAULT a
LABEL a
 KERNEL vmlinuz
 APPEND x=1 y="<&>"
 INITRD i1,i2
 SYSAPPEND 0x3ffff
LABEL bare
 KERNEL vmlinuz
LABEL disk
 LOCALBOOT 0
LABEL gone
 KERNEL nosuch
"""
FILES = "lib/boot/pypxeboot"
OPT_IN = "<p:boot xmlns:p='urn:pypxeboot:domain:1' {}/>"


@pytest.fixture
def served(libvirt: Libvirt, probe_kernel: Callable[[str], bytes], disk_image: bytes) -> Libvirt:
    """Both networks boot the probe kernel, and the disk says so, too."""
    need_python()
    libvirt.serve({"pxelinux.cfg/default": CONFIG, "vmlinuz": probe_kernel("by libvirt"), **INITRDS})
    write_disk(libvirt, "guest", disk_image)
    return libvirt


def start(libvirt: Libvirt, *args: str) -> Run:
    return libvirt.pypxeboot("pypxeboot.commands.virt", "start", *args)


def said(libvirt: Libvirt, name: str = "guest") -> Said:
    (one,) = kernels.reports(libvirt.await_serial(name, "PROBE end"))
    return one


def files(libvirt: Libvirt) -> list[str]:
    """What is where kernels and initrds of domains are: their kinds."""
    return sorted(path.name.partition(".")[0] for path in (libvirt.root / FILES).glob("*/*"))


def nothing_runs(libvirt: Libvirt) -> bool:
    libvirt.site.assert_nothing_left()
    return not libvirt.names() and not list((libvirt.root / FILES).glob("*"))


@pytest.mark.parametrize("network", [None, NETWORK])
def test_start(served: Libvirt, network: str) -> None:
    before = served.define(domain_xml("guest", MAC, network=network, disk=True, uuid=UUID))
    run = start(served, "guest").ok()
    assert not run.stdout and "domain guest is started" in run.stderr
    found = said(served)
    assert (found.tag, found.size, found.data) == ("by libvirt", len(JOINED), JOINED)
    words = found.cmdline.split()
    assert words[:4] == ["BOOT_IMAGE=vmlinuz", "x=1", 'y="<&>"', "initrd=i1,i2"]
    server = NETWORK_SERVER if network else "10.77.0.1"
    assert words[4].startswith(f"ip={server.rpartition('.')[0]}.") and f":{server}:" in words[4]
    assert f"BOOTIF=01-{MAC.replace(':', '-')}" in words
    assert "SYSUUID=2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b" in words
    assert served.stored("guest") == before
    live = served.live("guest")
    assert "<kernel>" in live and "<on_reboot>restart" in live
    assert "PXE: " in served.virsh("desc", "guest") and "boot a tftp://" in served.virsh("desc", "guest")
    assert files(served) == ["kernel", "ramdisk"]
    assert served.site.learned(MAC) <= {"vnet0", "vnet1", "vnet2", "vnet3"}


def test_a_macvtap(served: Libvirt) -> None:
    """Beside the host's NIC: here the bridge's own."""
    xml = domain_xml("guest", MAC).replace("type='bridge'", "type='direct'")
    served.define(xml.replace(f'bridge="{BRIDGE}"', f"dev='{BRIDGE}' mode='bridge'"))
    run = start(served, "-v", "--link", "macvlan", "guest")
    assert "(macvlan)" in run.stderr
    assert said(served).tag == "by libvirt"


def test_smbios_is_what_the_guest_sees(served: Libvirt) -> None:
    info = (
        "<sysinfo type='smbios'><system><entry name='manufacturer'>ACME, Inc.</entry>"
        "<entry name='serial'>S-1</entry></system></sysinfo>"
    )
    served.define(domain_xml("guest", MAC, os="<smbios mode='sysinfo'/>", more=info))
    start(served, "guest").ok()
    words = said(served).cmdline.split()
    served.virsh("dump", "--live", "--memory-only", "guest", "/var/lib/libvirt/images/memory")
    memory = (served.root / "lib/images/memory").read_bytes()
    for name, value in {
        "SYSVENDOR": b"ACME, Inc.",
        "SYSPRODUCT": b"Standard PC (Q35 + ICH9, 2009)",
        "SYSSERIAL": b"S-1",
    }.items():
        assert value + b"\0" in memory
        assert f"{name}={value.decode().replace(' ', '_')}" in words
    (version,) = [word for word in words if word.startswith("SYSVERSION=")]
    assert version.partition("=")[2].encode() + b"\0" in memory


def test_local_disk(served: Libvirt) -> None:
    before = served.define(domain_xml("guest", MAC, disk=True, boot="network"))
    start(served, "--label", "disk", "guest").ok()
    served.await_serial("guest", "PROBE disk")
    assert served.stored("guest") == before and "<boot dev='network'/>" in before
    assert "<boot dev='hd'/>" in served.live("guest") and "localboot" in served.virsh("desc", "guest")
    assert not list((served.root / FILES).glob("*"))


def test_a_reset_boots_the_same_again(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC))
    start(served, "--append", "again=1", "guest").ok()
    first = said(served)
    served.virsh("reset", "guest")
    second = kernels.reports(served.await_serial("guest", "PROBE end", times=2))[1]
    assert second == first and first.cmdline.endswith(" again=1")


def test_files_go_when_the_domain_is_gone(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC))
    served.define(domain_xml("other", "52:54:00:00:00:02"))
    start(served, "guest").ok()
    served.virsh("destroy", "guest")
    start(served, "--label", "bare", "other").ok()
    assert files(served) == ["kernel"]
    run = start(served, "other")
    assert run.rc == 7 and "is running" in run.stderr and files(served) == ["kernel"]


def test_json(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC, uuid=UUID))
    result = start(served, "--json", "guest").ok().result
    assert (result["action"], result["label"], result["guest"]["uuid"]) == ("boot", "a", UUID)
    assert f"<kernel>{result['kernel']['path']}</kernel>" in served.live("guest")


def test_print_xml(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC))
    run = start(served, "--print-xml", "guest").ok()
    assert not served.names()
    path = served.site.fresh("printed.xml")
    path.write_bytes(run.stdout)
    served.virsh("create", str(path))
    assert said(served).tag == "by libvirt"


def test_what_the_domain_says_of_its_boot(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC, metadata=OPT_IN.format("label='bare' arch='i386'")))
    result = start(served, "--json", "guest").ok().result
    assert (result["label"], result["guest"]["arch"]) == ("bare", "i386")
    names = [request["url"].rpartition("/")[2] for request in result["requests"]]
    assert "default.i386" in names
    served.virsh("destroy", "guest")
    assert start(served, "--json", "--label", "a", "guest").ok().result["label"] == "a"


@pytest.mark.parametrize("order", ["network", "network disk"])
def test_the_disk_is_next_in_the_order(served: Libvirt, order: str) -> None:
    metadata = OPT_IN.format(f"label='gone' order='{order}'")
    served.define(domain_xml("guest", MAC, disk=True, metadata=metadata))
    run = start(served, "guest")
    if order == "network":
        assert run.rc == 6 and nothing_runs(served)
    else:
        assert "the disk is next" in run.ok().stderr
        served.await_serial("guest", "PROBE disk")


def test_names(served: Libvirt) -> None:
    """Names that libvirt allows, and the UUID in place of one."""
    name = "a <b> & 'c' %s ü"
    xml = domain_xml("NAME", MAC, uuid=UUID).replace(">NAME<", ">a &lt;b> &amp; 'c' %s ü<")
    path = served.site.fresh("odd.xml")
    path.write_text(xml)
    served.virsh("define", str(path))
    start(served, name).ok()
    served.virsh("destroy", name)
    start(served, "-c", "qemu:///system", UUID).ok()
    served.virsh("destroy", name)
    served.virsh("undefine", name)


FAILURES = {
    "no such domain": (["nosuch"], 2, "no domain nosuch"),
    "no such label": (["--label", "zz", "guest"], 5, "zz"),
    "no such kernel": (["--label", "gone", "guest"], 6, "nosuch"),
    "no such bridge": (["--bridge", "nobr0", "guest"], 2, "no network interface nobr0"),
    "no disk": (["--label", "disk", "guest"], 4, "the domain has none"),
    "another host": (["-c", "test+tcp://192.0.2.1/default", "guest"], 2, "192.0.2.1"),
    "no QEMU": (["-c", "test:///default", "guest"], 2, "no QEMU domains"),
    "two domains": (["guest", "guest"], 2, "one domain"),
    "output": (["--output", "/tmp/x", "guest"], 2, "--output is for pypxeboot itself"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures(served: Libvirt, case: str) -> None:
    args, code, words = FAILURES[case]
    before = served.define(domain_xml("guest", MAC))
    run = start(served, *args)
    errors = [line for line in run.stderr.splitlines() if line.startswith("pypxeboot: error: ")]
    assert run.rc == code and len(errors) == 1 and words in errors[0], run
    assert "Traceback" not in run.stderr and not run.stdout
    assert nothing_runs(served) and served.stored("guest") == before


def test_a_ramdisk_that_does_not_fit_into_the_domain(served: Libvirt) -> None:
    """The domain has 32 MiB; nothing of it is downloaded, as the server says how large it is."""
    with (served.tftp / "i1").open("ab") as file:
        file.truncate(33 << 20)
    served.define(domain_xml("guest", MAC))
    run = start(served, "guest")
    error, hint = run.stderr.splitlines()[-2:]
    assert run.rc == 7 and "i1: larger than the limit of 32.0 MiB" in error, run
    assert (
        "the guest has 32.0 MiB of memory" in hint and "<memory> of libvirt" in hint and nothing_runs(served)
    )


def test_a_domain_that_libvirt_cannot_start(served: Libvirt) -> None:
    """Its own words are told, and nothing is left."""
    served.define(domain_xml("guest", MAC, disk=True))
    (served.root / "lib/images/guest.img").unlink()
    run = start(served, "guest")
    assert run.rc == 9 and "guest.img" in run.stderr and nothing_runs(served)


def test_a_saved_state_is_not_thrown_away(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC))
    start(served, "guest").ok()
    said(served)
    served.virsh("managedsave", "guest")
    run = start(served, "guest")
    assert run.rc == 7 and "saved state" in run.stderr and files(served) == ["kernel", "ramdisk"]
    served.virsh("start", "guest")
    assert served.state("guest") == "running"


def test_a_network_that_is_not_active(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC, network="asleep"))
    path = served.site.fresh("net.xml")
    path.write_text("<network><name>asleep</name><bridge name='virbr8'/></network>")
    served.virsh("net-define", str(path))
    run = start(served, "guest")
    served.virsh("net-undefine", "asleep")
    assert run.rc == 9 and "network asleep is not active" in run.stderr and "net-start" in run.stderr


def test_without_libvirt_python(served: Libvirt, tmp_path: Path) -> None:
    (tmp_path / "libvirt.py").write_text("raise ImportError")
    run = served.site.pypxeboot(
        "start", "guest", program=("-c", "from pypxeboot.commands.virt import run; run()"),
        env={"PYTHONPATH": f"{tmp_path}:{tools.ROOT}"},
    )  # fmt: skip
    assert run.rc == 9 and "libvirt-python is not installed" in run.stderr


def test_two_starts_at_once(served: Libvirt) -> None:
    served.define(domain_xml("guest", MAC))
    servers = [served.spawn("pypxeboot.commands.virt", "start", "guest", log="start.log") for _ in range(2)]
    codes = sorted(server.process.wait(60) for server in servers)
    assert codes == [0, 7], [server.text() for server in servers]
    assert said(served).tag == "by libvirt" and files(served) == ["kernel", "ramdisk"]


def test_verified_boot(served: Libvirt, authority: Authority) -> None:
    """What is signed starts, with the words of the host; what is not starts nothing."""
    served.define(domain_xml("guest", MAC))
    policy = ("--verify=required", f"--trust={authority.directory}/root.pem", "--append", "mine=1")
    for name in ("vmlinuz", "i1", "i2"):
        data = (served.tftp / name).read_bytes()
        (served.tftp / f"{name}.sig").write_bytes(authority.sign_file(data))
    (served.tftp / "i2").write_bytes(b"of a stranger")
    run = start(served, "--json", *policy, "guest")
    assert run.rc == 7 and run.result["error"]["kind"] == "Refused", str(run)
    assert "/i2 is not vouched for: the signature is not that of this file" in run.stderr
    assert nothing_runs(served)
    (served.tftp / "i2").write_bytes(INITRDS["i2"])
    start(served, *policy, "guest").ok()
    found = said(served)
    assert (found.tag, found.cmdline, found.data) == ("by libvirt", "mine=1", JOINED)


@pytest.mark.parametrize("scenario", ["kernel_with_a_path", "kernel_that_was_not_opened", "no_kernel"])
def test_a_lost_client_starts_nothing(served: Libvirt, scenario: str) -> None:
    """The files of a domain, and the domain, are the host side's own."""
    victim = served.site.directory / "shadow"
    victim.write_bytes(b"secret")
    victim.chmod(0o600)
    served.define(domain_xml("guest", MAC, uuid=UUID))
    code = f"from tests.support.lost_client import install; install({scenario!r}); "
    code += "from pypxeboot.commands.virt import run; run()"
    run = served.site.pypxeboot(
        "start", "guest", before=served._inside, program=("-c", code), env={"VICTIM": str(victim)}
    )
    assert run.rc == 1 and "broke its contract" in run.stderr and HANDOVER[scenario][1] in run.stderr, str(
        run
    )
    assert nothing_runs(served) and victim.stat().st_mode & 0o777 == 0o600


def test_start_from_a_site_that_serves_grub(served: Libvirt, probe_kernel: Callable[[str], bytes]) -> None:
    """A file for the host, as Foreman writes it."""
    config = (
        "set default=0\nset timeout=1\nmenuentry 'Kickstart default PXEGrub2' {\n"
        "  linux /boot/vmlinuz inst.ks=http://foreman/unattended/provision\n  initrd /boot/i1 /boot/i2\n}\n"
    )
    name = f"grub2/grub.cfg-01-{MAC.replace(':', '-')}"
    initrds = {f"boot/{name}": data for name, data in INITRDS.items()}
    served.serve({name: config, "boot/vmlinuz": probe_kernel("by grub"), **initrds})
    served.define(domain_xml("guest", MAC, uuid=UUID))
    run = start(served, "guest", "--bootfile", "grub2/grubx64.efi").ok()
    assert "domain guest is started" in run.stderr
    found = said(served)
    assert (found.tag, found.data) == ("by grub", JOINED)
    assert found.cmdline == "BOOT_IMAGE=/boot/vmlinuz inst.ks=http://foreman/unattended/provision"
