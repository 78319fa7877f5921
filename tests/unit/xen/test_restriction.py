"""What libxl and the hypervisor allow: the time of a restricted bootloader, PV guests of 32 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.config import planner
from pypxeboot.config.options import parse
from pypxeboot.xen import capabilities, restriction
from tests.support.ground import MAC


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (None, 110), ("60", 50), ("20", 15), ("4", 3), (" 60s", 50), ("+60", 50), ("999999999999", 999999989),
        ("0", None), ("-1", None), ("", None), ("x", None), ("1", 1),
    ],
)  # fmt: skip
def test_time_of_a_restricted_bootloader(
    monkeypatch: pytest.MonkeyPatch, text: Optional[str], bound: Optional[float]
) -> None:
    monkeypatch.setattr(restriction, "_age", lambda: 0.0)
    left = restriction.time_left({} if text is None else {"LIBXL_BOOTLOADER_TIMEOUT": text})
    assert left == bound
    monkeypatch.setattr(restriction, "_age", lambda: 7.5)
    later = restriction.time_left({} if text is None else {"LIBXL_BOOTLOADER_TIMEOUT": text})
    assert later == (None if bound is None else max(bound - 7.5, 1.0))


def test_age_of_this_process() -> None:
    assert 0 < restriction._age() < 86400


@pytest.mark.parametrize(
    ("given", "left", "seconds", "says"),
    [
        ("90", None, 90, "--timeout"),
        ("90", 200.0, 90, "--timeout"),
        ("90", 80.5, 80.5, "LIBXL_BOOTLOADER_TIMEOUT"),
    ],
)
def test_who_has_to_give_it_longer(given: str, left: Optional[float], seconds: float, says: str) -> None:
    settings = parse(["--mac", MAC, "--timeout", given])
    limits = planner.plan(settings.changed({}, {"time_left": left})).limits
    assert limits.timeout == seconds and says in limits.longer


@pytest.mark.parametrize(
    ("text", "pv32"),
    [
        ("xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_64 \n", True),
        ("xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 \n", False),
        ("\n", True),
        (None, True),
    ],
)
def test_pv_of_32_bits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: Optional[str], pv32: bool
) -> None:
    path = tmp_path / "capabilities"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(capabilities, "_CAPABILITIES", path)
    assert capabilities.runs_pv32() is pv32


@pytest.mark.parametrize(
    ("kind", "shim", "pv32", "must"),
    [
        ("pv", False, True, ("xen-pv", "xen-pv32")),
        ("pv", False, False, ("xen-pv",)),
        ("pvh", False, True, ("xen-pvh",)),
        ("pvh", True, False, ("xen-pv", "xen-pv32")),
        ("pvh", None, False, ("xen-pv", "xen-pvh")),
        (None, False, True, ("xen-pv", "xen-pv32", "xen-pvh")),
    ],
)
def test_what_a_kernel_has_to_boot_as(
    kind: Optional[str], shim: Optional[bool], pv32: bool, must: tuple[str, ...]
) -> None:
    settings = parse(["--mac", MAC, "--hypervisor", "xen"])
    found = planner.plan(settings.changed({}, {"guest_type": kind, "pvshim": shim, "pv32": pv32}))
    assert found.must_boot == must
