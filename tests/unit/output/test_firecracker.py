"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Optional

import pytest

from pypxeboot.errors import HandoverError
from pypxeboot.guest import Guest
from pypxeboot.output import firecracker
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult
from pypxeboot.text import decode
from tests.support.samples.formats import DIRECT, ODD, check
from tests.support.samples.results import BOOT, GUEST, KERNEL, saying

# ---- Firecracker


def fired(result: BootResult, guest: Guest = GUEST, disk: Optional[str] = None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(firecracker.render(result, OutputRequest(guest, disk=disk)))
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
        firecracker.render(saying(b"x" * 2048), OutputRequest(GUEST))


def test_firecracker_path_that_is_no_utf8() -> None:
    with pytest.raises(HandoverError, match="UTF-8"):
        firecracker.render(BOOT, OutputRequest(GUEST, disk=decode(b"/d/\xff")))
