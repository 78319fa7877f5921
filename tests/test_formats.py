"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_handover import BOOT, GUEST, KERNEL, MULTIBOOT, PLANNED, after, saying

from pypxeboot.config import options
from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.guest import Guest
from pypxeboot.output import cloud_hypervisor, firecracker, libvirt, qemu, shell
from pypxeboot.result import Artifacts, DeviceTree
from pypxeboot.text import decode

SCHEMAS = Path(__file__).with_name("schemas")
LOCAL = replace(BOOT, action=Action.LOCALBOOT, kernel=None, ramdisk=None, initrds=(), cmdline="")
ODD = "/disks/a b,c 'd'.img"

Render = Callable[[Artifacts, Guest], bytes]
DIRECT: dict[str, Render] = {
    "qemu": qemu.render,
    "qemu-microvm": lambda artifacts, guest: qemu.render(artifacts, guest, microvm=True),
    "firecracker": firecracker.render,
    "cloud-hypervisor": cloud_hypervisor.render,
    "libvirt": lambda artifacts, guest: libvirt.render(artifacts, guest, None),
}


def check(value: object, name: str) -> None:
    """That ``value`` is what the schema in file ``name`` describes."""
    jsonschema.validate(value, json.loads((SCHEMAS / name).read_text()))


def test_every_format_that_can_be_asked_for_is_here() -> None:
    assert set(options.FORMATS) == {*options.XEN_FORMATS, "json", "shell", *DIRECT}


@pytest.mark.parametrize("form", DIRECT)
def test_without_a_download(form: str) -> None:
    with pytest.raises(HandoverError, match="nothing was downloaded") as caught:
        DIRECT[form](PLANNED, GUEST)
    assert caught.value.hint == "leave -n out"


@pytest.mark.parametrize("form", sorted(set(DIRECT) - {"qemu", "qemu-microvm"}))
def test_multiboot(form: str) -> None:
    with pytest.raises(HandoverError, match="multiboot"):
        DIRECT[form](MULTIBOOT, GUEST)


@pytest.mark.parametrize("form", sorted(set(DIRECT) - {"qemu", "libvirt"}))
def test_machines_that_boot_no_disk(form: str) -> None:
    with pytest.raises(NoBootSource, match="local disk"):
        DIRECT[form](LOCAL, GUEST)


# ---- Firecracker


def fired(artifacts: Artifacts, guest: Guest = GUEST, disk: Optional[str] = None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(firecracker.render(artifacts, guest, disk))
    check(value, "firecracker.json")
    return value


def test_firecracker() -> None:
    value = fired(BOOT)
    assert value["boot-source"] == {
        "kernel_image_path": "/run/d/kernel.1",
        "initrd_path": "/run/d/ramdisk.2",
        "boot_args": "BOOT_IMAGE=k x=1",
    }
    assert value["drives"] == []
    interface = value["network-interfaces"][0]
    assert (interface["guest_mac"], interface["host_dev_name"]) == (GUEST.mac, "tap-abcdef")


def test_firecracker_without_command_line_and_with_a_disk() -> None:
    value = fired(replace(BOOT, ramdisk=None, cmdline=""), disk=ODD)
    assert value["boot-source"] == {"kernel_image_path": "/run/d/kernel.1", "boot_args": ""}
    drive = value["drives"][0]
    assert drive["path_on_host"] == ODD and not drive["is_root_device"] and not drive["is_read_only"]
    assert (
        fired(replace(BOOT, kernel=replace(KERNEL, path="/ü/k")))["boot-source"]["kernel_image_path"]
        == "/ü/k"
    )


@pytest.mark.parametrize("form", ["firecracker", "cloud-hypervisor"])
@pytest.mark.parametrize("cmdline", [b"a\nb", b"a\tb", b"\x1b[2J", b"caf\xe9", "ü".encode(), b"a\0b"])
def test_what_rust_vmm_takes_in_no_command_line(form: str, cmdline: bytes) -> None:
    with pytest.raises(HandoverError, match="printable ASCII"):
        DIRECT[form](saying(cmdline), GUEST)


def test_firecracker_long_command_line() -> None:
    assert len(fired(saying(b"x" * 2047))["boot-source"]["boot_args"]) == 2047
    with pytest.raises(HandoverError, match="2048"):
        firecracker.render(saying(b"x" * 2048), GUEST)


def test_firecracker_path_that_is_no_utf8() -> None:
    with pytest.raises(HandoverError, match="UTF-8"):
        firecracker.render(BOOT, GUEST, decode(b"/d/\xff"))


# ---- Cloud Hypervisor


def listed(text: str) -> dict[str, str]:
    """A list of ``key=value`` as its option_parser splits it."""
    pieces, quoted = [""], False
    for char in text:
        quoted ^= char == '"'
        if char == "," and not quoted:
            pieces.append("")
        elif char != '"':
            pieces[-1] += char
    return dict(piece.split("=", 1) for piece in pieces)


def configured(line: bytes) -> dict[str, Any]:
    """The VmConfig that the command line comes to, as the schema has it."""
    program, *words = shlex.split(line.decode())
    assert program == "cloud-hypervisor"
    given = dict(zip(words[::2], words[1::2]))
    payload = {
        name: given.pop(f"--{name}") for name in ("kernel", "initramfs", "cmdline") if f"--{name}" in given
    }
    cpus = int(listed(given.pop("--cpus"))["boot"])
    memory = listed(given.pop("--memory"))["size"]
    value: dict[str, Any] = {
        "payload": payload,
        "cpus": {"boot_vcpus": cpus, "max_vcpus": cpus},
        "memory": {"size": int(memory.rstrip("M")) << 20},
        "net": [listed(given.pop("--net"))],
        "serial": {"mode": given.pop("--serial").title()},
        "console": {"mode": given.pop("--console").title()},
    }
    if "--platform" in given:
        value["platform"] = listed(given.pop("--platform"))
    if "--disk" in given:
        value["disks"] = [listed(given.pop("--disk"))]
    assert not given
    check(value, "cloud-hypervisor.json")
    return value


def test_cloud_hypervisor() -> None:
    value = configured(cloud_hypervisor.render(BOOT, GUEST, ODD))
    assert value["payload"] == {
        "kernel": "/run/d/kernel.1",
        "initramfs": "/run/d/ramdisk.2",
        "cmdline": "BOOT_IMAGE=k x=1",
    }
    assert value["net"] == [{"tap": "tap-abcdef", "mac": GUEST.mac}]
    assert value["platform"] == {"uuid": GUEST.uuid} and value["disks"] == [{"path": ODD}]
    plain = configured(
        cloud_hypervisor.render(replace(BOOT, ramdisk=None, cmdline=""), replace(GUEST, uuid=None))
    )
    assert plain["payload"] == {"kernel": "/run/d/kernel.1"} and not {"disks", "platform"} & set(plain)


@pytest.mark.parametrize("disk", ['/a"b', "/a[b", " /a"])
def test_cloud_hypervisor_disk_that_it_cannot_be_told(disk: str) -> None:
    with pytest.raises(HandoverError, match="rename"):
        cloud_hypervisor.render(BOOT, GUEST, disk)


# ---- QEMU beyond the PC


def test_qemu_arm64_is_a_processor_of_64_bits() -> None:
    argv = qemu.argv(BOOT, replace(GUEST, arch="arm64"))
    assert argv == qemu.argv(BOOT, replace(GUEST, arch="aarch64"))
    assert after(argv, "-machine").startswith("virt,") and after(argv, "-cpu") == "max"
    with pytest.raises(NoBootSource, match="virt has no firmware"):
        qemu.argv(LOCAL, replace(GUEST, arch="arm64"), "/disk")


def test_qemu_microvm_has_no_pci() -> None:
    argv = qemu.argv(BOOT, GUEST, ODD, microvm=True)
    assert after(argv, "-machine").startswith("microvm,")
    assert not any("pci" in word or "if=virtio" in word for word in argv)
    assert f"file={ODD.replace(',', ',,')},if=none,id=disk0" in argv
    with pytest.raises(HandoverError):
        qemu.argv(BOOT, replace(GUEST, arch="arm64"), microvm=True)


# ---- libvirt


def system(artifacts: Artifacts, guest: Guest = GUEST, guest_type: Optional[str] = None) -> dict[str, Any]:
    element = ElementTree.fromstring(libvirt.render(artifacts, guest, guest_type))
    assert element.tag == "os"
    return {child.tag: child.text or child.attrib for child in element}


def test_libvirt() -> None:
    assert system(BOOT) == {
        "type": "hvm",
        "kernel": "/run/d/kernel.1",
        "initrd": "/run/d/ramdisk.2",
        "cmdline": "BOOT_IMAGE=k x=1",
    }
    assert system(replace(BOOT, ramdisk=None, cmdline="", dtb=DeviceTree("u", "/d/t", 1, "0"))) == {
        "type": "hvm",
        "kernel": "/run/d/kernel.1",
        "dtb": "/d/t",
    }
    assert system(LOCAL) == {"type": "hvm", "boot": {"dev": "hd"}}
    assert b'<os firmware="efi">' in libvirt.render(LOCAL, replace(GUEST, arch="arm64"), None)
    assert b'<type arch="aarch64">' in libvirt.render(BOOT, replace(GUEST, arch="arm64"), None)


def test_libvirt_on_xen() -> None:
    guest = replace(GUEST, hypervisor="xen")
    assert system(BOOT, guest)["type"] == "xenpvh" and system(BOOT, guest, "pv")["type"] == "xen"


@given(st.binary(max_size=60))
def test_libvirt_command_lines_are_read_back_or_refused(cmdline: bytes) -> None:
    try:
        found = system(saying(cmdline)).get("cmdline", "")
    except HandoverError:
        text = cmdline.decode("utf-8", "surrogateescape")
        assert any(char < " " or char >= "\ud800" for char in text)
        return
    assert found == decode(cmdline)


@pytest.mark.parametrize("cmdline", [b"a\rb", b"\x1b[2J", b"caf\xe9", b"a\0b", b"\xef\xbf\xbf"])
def test_libvirt_what_xml_cannot_hold(cmdline: bytes) -> None:
    with pytest.raises(HandoverError, match="XML"):
        libvirt.render(saying(cmdline), GUEST, None)


def test_libvirt_markup_is_text() -> None:
    hostile = "x</cmdline><kernel>/etc/shadow</kernel>&amp; <!-- \"' ]]>"
    assert system(saying(hostile.encode()))["cmdline"] == hostile


# ---- shell


def evaluated(line: bytes, *names: str) -> list[bytes]:
    """The variables as a plain shell has them afterwards."""
    script = line + b"".join(b'printf "%%s\\0" "$%s"\n' % name.encode() for name in names)
    done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split(b"\0")[:-1]


def test_shell() -> None:
    names = "ACTION KERNEL INITRD CMDLINE LABEL MAC UUID ADDRESS DTB".split()
    found = evaluated(shell.render(BOOT, GUEST), *(f"PXE_{name}" for name in names))
    assert [value.decode() for value in found] == [
        "boot",
        "/run/d/kernel.1",
        "/run/d/ramdisk.2",
        "BOOT_IMAGE=k x=1",
        "a",
        GUEST.mac,
        GUEST.uuid,
        "10.77.0.5",
        "",
    ]


@given(st.binary(max_size=40).filter(lambda data: b"\0" not in data))
def test_shell_lines_hold_one_word_each(cmdline: bytes) -> None:
    """What a shell makes of quotes is what :mod:`shlex` makes of them."""
    line = shell.render(saying(cmdline), GUEST).decode("latin-1")
    words = dict(word.split("=", 1) for word in shlex.split(line))
    assert words["PXE_CMDLINE"].encode("latin-1") == cmdline and len(words) == 14


def test_shell_runs_nothing_of_it() -> None:
    hostile = b"a'; touch owned; 'b `touch owned` $(touch owned) \\ \" \n touch owned #~"
    (found,) = evaluated(shell.render(saying(hostile), GUEST), "PXE_CMDLINE")
    assert found == hostile and not Path("owned").exists()
    with pytest.raises(HandoverError, match="NUL"):
        shell.render(saying(b"a\0b"), GUEST)


def test_shell_tells_what_is_not_booted() -> None:
    assert evaluated(shell.render(LOCAL, GUEST), "PXE_ACTION", "PXE_KERNEL") == [b"localboot", b""]
    off = replace(LOCAL, action=Action.POWEROFF, lease=None, label=None, config=None)
    assert evaluated(shell.render(off, GUEST), "PXE_ACTION", "PXE_ADDRESS") == [b"poweroff", b""]
    planned = evaluated(shell.render(PLANNED, GUEST), "PXE_KERNEL", "PXE_KERNEL_URL")
    assert planned == [b"", b"tftp://10.77.0.1/k"]
    with pytest.raises(HandoverError, match="modules"):
        shell.render(MULTIBOOT, GUEST)
