"""The result in the forms of the toolstacks, to the byte; numbers are of the table of bad inputs."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace

import pytest

from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError
from pypxeboot.output import qemu
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import (
    DeviceTree,
    ModuleFile,
    Ramdisk,
)
from tests.support.samples.results import BOOT, GUEST, KERNEL, MULTIBOOT, PLANNED, after, saying, words


def test_qemu() -> None:
    argv = words(BOOT)
    assert argv[0] == "qemu-system-x86_64"
    assert (after(argv, "-kernel"), after(argv, "-initrd")) == ("/run/d/kernel.1", "/run/d/ramdisk.2")
    assert after(argv, "-append") == "BOOT_IMAGE=k x=1"
    assert after(argv, "-uuid") == GUEST.uuid
    assert "mac=52:54:00:ab:cd:ef" in after(argv, "-device") and "br=br0" in after(argv, "-netdev")
    assert not any("," in word and word.startswith("/") for word in argv)
    plain = words(replace(BOOT, ramdisk=None, cmdline=""), replace(GUEST, uuid=None, bridge=None))
    assert not {"-initrd", "-append", "-uuid"} & set(plain) and after(plain, "-netdev").startswith("user")


def test_qemu_disk_with_a_comma() -> None:
    argv = words(BOOT, disk="/disks/a,b 'c'.img")
    assert after(argv, "-drive").startswith("file=/disks/a,,b 'c'.img,")
    local = replace(BOOT, action=Action.LOCALBOOT, kernel=None, ramdisk=None, initrds=(), cmdline="")
    assert "-kernel" not in words(local, disk="/d") and "-drive" in words(local, disk="/d")


def test_qemu_files_with_commas_and_blanks() -> None:
    odd = replace(BOOT, kernel=replace(KERNEL, path="/a,b c/$(id)/kernel"), ramdisk=Ramdisk("/a,b/r", 1, "1"))
    argv = words(odd)
    assert after(argv, "-kernel") == "/a,b c/$(id)/kernel" and after(argv, "-initrd") == "/a,b/r"


def test_qemu_line_is_safe_in_a_shell() -> None:
    hostile = saying(b"a; touch owned `id` $(id) 'x' \"y\" \\ * ~ # !")
    line = qemu.render(hostile, OutputRequest(GUEST))
    done = subprocess.run(
        ["sh", "-c", b"set -- " + line.rstrip() + b'; printf "%s\\n" "$@"'], capture_output=True
    )
    assert done.stdout.splitlines() == [word.encode() for word in shlex.split(line.decode())]
    assert not done.stderr


def test_qemu_modules() -> None:
    assert after(words(MULTIBOOT), "-initrd") == "/d/m,,1 console=hvc0,,1,/d/m2"
    # GRUB's have no name in front, and lose none.
    grub = replace(MULTIBOOT, loader="grub")
    assert after(words(grub), "-initrd") == "/d/m,,1 vmlinuz console=hvc0,,1,/d/m2 initrd"
    with pytest.raises(HandoverError):
        qemu.render(replace(MULTIBOOT, modules=(ModuleFile("u", "/d/m", 3, "m a\0b"),)), OutputRequest(GUEST))


def test_qemu_device_tree() -> None:
    argv = words(replace(BOOT, dtb=DeviceTree("u", "/d/t", 1, "0")), replace(GUEST, arch="arm64"))
    assert after(argv, "-dtb") == "/d/t"
    assert "-dtb" not in words(replace(BOOT, dtb=DeviceTree("u")))


def test_qemu_without_a_download_or_a_machine() -> None:
    with pytest.raises(HandoverError):
        qemu.render(PLANNED, OutputRequest(GUEST))
    with pytest.raises(HandoverError):
        qemu.render(BOOT, OutputRequest(replace(GUEST, arch="vax")))
    for arch, program in (("i386", "qemu-system-i386"), ("arm64", "qemu-system-aarch64")):
        assert words(BOOT, replace(GUEST, arch=arch))[0] == program
