"""Hundreds of lines of conformance scripts, and what the real iPXE 2.0.0 printed for them.

Recorded from Debian's BIOS build (2.0.0+dfsg-5) in QEMU. Lines of more than 80 columns are whole again, and
trailing blanks gone. Where this differs from it on purpose, the scripts do not ask: bytes above 0x7f as
``uristring`` (a sign that was forgotten), and numbers of more than four bytes (that build was a 32-bit one).
"""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.entry import Action
from pypxeboot.url import Location
from tests.support.ground import tools
from tests.support.recorded import replay

RECORDED = tools.DATA / "recorded" / "ipxe-conformance"
NAMES = sorted(path.stem for path in RECORDED.glob("*.ipxe"))
WRAPPER = b"""#!ipxe
chain http://10.77.0.1/oracle.ipxe || echo CHAIN-FAILED errno ${errno}
echo ORACLE-END
"""


def lines(text: str) -> list[str]:
    """The lines of ``text`` that are not empty."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def printed(name: str) -> str:
    def get(location: Location) -> Optional[bytes]:
        if location.scheme == "tftp":
            return WRAPPER
        path = location.path.partition("?")[0].lstrip("/")
        place = RECORDED / f"{name}.ipxe" if path == "oracle.ipxe" else RECORDED / "files" / path
        return place.read_bytes() if place.is_file() else None

    played = replay.Replay(get)
    source = replay.BootSource(
        replay.Kind.IPXE, None, "", bootfile=Location("tftp", "10.77.0.1", "wrapper.ipxe")
    )
    choice = played.drive(replay.ipxe.boot(BootRequest(source, replay.GUEST, replay.LEASE)))
    assert choice.entry.action is Action.LOCALBOOT
    return played.printed


@pytest.mark.parametrize("name", NAMES)
def test_prints_what_the_real_one_printed(name: str) -> None:
    recorded = (RECORDED / f"{name}.out").read_text(encoding="utf-8")
    assert lines(printed(name)) == lines(recorded)


def test_how_many_lines_there_are() -> None:
    assert len(NAMES) == 6
    assert sum(len((RECORDED / f"{name}.out").read_text().splitlines()) for name in NAMES) > 2000
