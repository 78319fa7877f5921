"""docs/troubleshooting.md: each failure is made on real servers, and the page has what is said of it.

    WRITE_TROUBLESHOOTING=1 python -m pytest tests/site/commands/test_troubleshooting.py

writes the sections anew; without it they are compared, but for what differs from run to run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.failures import FAILURES, clean_up, title
from tests.support.ground import BRIDGE, MAC, Run, Site, tools

PAGE = tools.ROOT / "docs/troubleshooting.md"
SECONDS = "8"
HEAD = """\
# What it looks like when it does not boot

Each section is a boot that fails on purpose, on real servers: what is wrong, the last lines of the log, and
the last line of `pypxeboot doctor`. The tests make this page, and fail where it is not what is said.

"""


def guest(args: tuple[str, ...]) -> list[str]:
    """The arguments that name the guest, and its bridge where ``args`` name no other."""
    return ["--mac", MAC, *([] if "--bridge" in args else ["--bridge", BRIDGE]), *args]


def section(name: str, site: Site) -> str:
    """Make the failure, and return what is to be told of it."""
    args = tuple(FAILURES[name](site))
    try:
        out = ("--output-directory", str(site.out), "--output-format", "json")
        boot = site.pypxeboot(*out, *guest(args), "--timeout", SECONDS, timeout=120)
        doctor = site.pypxeboot("doctor", *guest(args), "--timeout", "30", timeout=120)
    finally:
        clean_up(site)
    log = [line for line in boot.stderr.splitlines() if line.strip()][-5:]
    verdict = doctor.stdout.decode().splitlines()[-1]
    assert boot.rc in range(10) and doctor.rc in range(10), f"{boot}\n{doctor}"
    assert "Traceback" not in boot.stderr + doctor.stderr
    check(boot, doctor)
    codes = f"exit {boot.rc}; doctor: exit {doctor.rc}"
    told = "\n".join(f"    {line}".rstrip() for line in [*log, "", f"doctor: {verdict}"])
    what = (FAILURES[name].__doc__ or "").strip()
    return f"## {title(name)}\n\n{what} ({codes})\n\n{told}\n".replace(str(site.directory), "/srv")


def check(boot: Run, doctor: Run) -> None:
    """What holds for all of them: a boot that fails has one error, a hint, and a doctor who says so."""
    if boot.rc:
        assert boot.stderr.count("pypxeboot: error: ") == 1 and "pypxeboot: hint: " in boot.stderr, str(boot)
        assert doctor.stdout.decode().splitlines()[-1].startswith("it fails at ") or not doctor.rc, str(
            doctor
        )


def sections() -> dict[str, str]:
    """The sections of the page, by heading."""
    text = PAGE.read_text() if PAGE.exists() else HEAD
    parts = re.split(r"^(?=## )", text, flags=re.M)
    return {part.splitlines()[0][3:]: part.rstrip() + "\n" for part in parts[1:]}


def steady(text: str) -> str:
    """``text`` without what differs from run to run."""
    text = re.sub(r"asked (once|[0-9]+ times)|[0-9]+ DISCOVERs?|a DISCOVER", "asked N times", text)
    text = re.sub(r"[0-9]+(\.[0-9]+)? (s|B|KiB|MiB|GiB)\b", "N", text)
    return re.sub(r"10\.77\.0\.1[0-9]{2}|\.[0-9a-f]{8}\b", "X", " ".join(text.split()))


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_said_of_a_failure(site: Site, name: str) -> None:
    made, known = section(name, site), sections()
    if os.environ.get("WRITE_TROUBLESHOOTING"):
        known[title(name)] = made
        order = [title(one) for one in FAILURES]
        kept = [known[one] for one in sorted(known, key=lambda one: order.index(one) if one in order else 99)]
        PAGE.write_text(HEAD + "\n".join(kept))
        return
    assert title(name) in known, f"docs/troubleshooting.md has no section {title(name)!r}"
    assert steady(made) == steady(known[title(name)])


def test_the_page_has_all_of_them_and_no_others() -> None:
    assert list(sections()) == [title(name) for name in FAILURES] and len(FAILURES) >= 30
    assert Path(PAGE).read_text().startswith(HEAD)
