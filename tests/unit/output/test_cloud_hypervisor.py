"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from pypxeboot.errors import HandoverError
from pypxeboot.output import cloud_hypervisor
from pypxeboot.output.request import OutputRequest
from tests.support.samples.formats import ODD, check
from tests.support.samples.results import BOOT, GUEST

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
    value = configured(cloud_hypervisor.render(BOOT, OutputRequest(GUEST, disk=ODD)))
    assert value["payload"] == {
        "kernel": "/run/d/kernel.1",
        "initramfs": "/run/d/ramdisk.2",
        "cmdline": "BOOT_IMAGE=k x=1",
    }
    assert value["net"] == [{"tap": "tap-abcdef", "mac": GUEST.mac}]
    assert value["platform"] == {"uuid": GUEST.uuid} and value["disks"] == [{"path": ODD}]
    plain = configured(
        cloud_hypervisor.render(
            replace(BOOT, ramdisk=None, cmdline=""), OutputRequest(replace(GUEST, uuid=None))
        )
    )
    assert plain["payload"] == {"kernel": "/run/d/kernel.1"} and not {"disks", "platform"} & set(plain)


@pytest.mark.parametrize("disk", ['/a"b', "/a[b", " /a"])
def test_cloud_hypervisor_disk_that_it_cannot_be_told(disk: str) -> None:
    with pytest.raises(HandoverError, match="rename"):
        cloud_hypervisor.render(BOOT, OutputRequest(GUEST, disk=disk))
