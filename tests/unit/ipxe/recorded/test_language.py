"""The language of iPXE scripts: what the real iPXE 2.0 printed, line by line."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.entry import Action
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.url import Location
from tests.support.ground import tools
from tests.support.recorded import replay

RECORDED = tools.DATA / "recorded" / "ipxe-language"
WRAPPER = """#!ipxe
chain http://10.99.7.1:8088/oracle.ipxe || echo CHAIN-FAILED errno ${errno}
echo ORACLE-END
"""
GUEST = Guest(mac="02:aa:bb:cc:dd:ee")
LEASE = Lease(
    address=IPv4Address("10.99.7.187"),
    prefix_length=24,
    next_server="10.99.7.1",
    bootfile="somefile.0",
)
# The line of a help that those recordings lack.
USAGE = "  iseq <value1>"
# What painted a menu on the screen: without a terminal nothing is painted.
PAINTED = ("^[0m", "My menu", "  --- gap ---")


def printed(name: str) -> list[str]:
    """What pypxeboot prints when it runs a recorded script as the real one did."""

    def get(location: Location) -> object:
        if location.scheme == "tftp":
            return WRAPPER.encode()
        path = RECORDED / (f"{name}.ipxe" if location.path == "oracle.ipxe" else location.path)
        return path.read_bytes() if path.is_file() else None

    played = replay.Replay(get)  # type: ignore[arg-type]
    source = replay.BootSource(
        replay.Kind.IPXE, None, "", bootfile=Location("tftp", "10.99.7.1", "wrapper.ipxe")
    )
    choice = played.drive(replay.ipxe.boot(BootRequest(source, GUEST, LEASE)))
    assert choice.entry.action is Action.LOCALBOOT
    return [line for line in played.printed.splitlines() if line.strip() and not line.startswith(USAGE)]


def recorded(name: str) -> list[str]:
    lines = (RECORDED / f"{name}.out").read_text().splitlines()
    return masked([line for line in lines if line.strip() and not line.startswith(PAINTED)])


def masked(lines: list[str]) -> list[str]:
    """``lines`` without the last byte of error numbers: it is the platform's, and that was a Linux build."""
    return [re.sub(r"\b((?:ipxe\.org/|0x)[0-9a-f]{5,6})[0-9a-f]{2}\b", r"\1..", line) for line in lines]


@pytest.mark.parametrize("name", ["oracle1", "oracle2"])
def test_prints_what_the_real_one_printed(name: str) -> None:
    assert masked(printed(name)) == recorded(name)
