"""The recorded boots of the real loaders, replayed through the command line against real servers.

What a case was recorded from is served by dnsmasq (and nginx), pypxeboot boots it on the bridge, and what it
hands over has to be what the real loader booted: kernel, ramdisk, command line. Two sites a set of addresses
work at the same time; the tests look at what came of it."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Optional

import pytest

from pypxeboot import url
from pypxeboot.text import decode
from tests.support.recorded import boots as oracle
from tests.support.recorded import grub_cases, ipxe_cases
from tests.support.recorded.boots import Case
from tests.support.recorded.replayer import Outcome, Replayer

WORKERS = 2


class Outcomes:
    """What comes of each case: all are under way before the first is asked for."""

    def __init__(self, start: Callable[[Case], Future[Outcome]], cases: Iterable[Case]) -> None:
        self._start = start
        self._running = {case.name: start(case) for case in cases}

    def of(self, case: Case) -> Outcome:
        """The outcome of a case; of another boot when it is asked for again, as by a test's second try."""
        running = self._running.pop(case.name, None) or self._start(case)
        return running.result()


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clean_machine: None
) -> Iterator[Outcomes]:
    """The outcomes of the cases that the tests of this run ask for."""
    asked = [item for item in request.session.items if item.path == request.path]
    params = [getattr(item, "callspec", None) for item in asked]
    wanted = {spec.params["case"].name: spec.params["case"] for spec in params if spec}
    idle: queue.Queue[Replayer] = queue.Queue()

    def work(case: Case) -> Outcome:
        replayer = idle.get()
        try:
            return replayer.replay(case)
        finally:
            idle.put(replayer)

    with ExitStack() as stack:
        for number in range(WORKERS):
            idle.put(Replayer(tmp_path_factory.mktemp(f"oracle-{number}"), stack))
        pool = ThreadPoolExecutor(WORKERS)
        try:
            yield Outcomes(lambda case: pool.submit(work, case), wanted.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def difference(case: Case, outcome: Outcome) -> Optional[str]:
    """What is not as the real loader had it, None if all is; an error is the same as nothing booted."""
    expected, run = case.expected, outcome.run
    if run.rc != 0:
        return f"error {run.rc}" if expected.booted or expected.local else None
    result: dict[str, Any] = run.result
    if result["action"] != "boot":
        same = expected.local and result["action"] == "localboot"
        return (
            None if same or (case.name, result["action"]) == ("type-com32", "poweroff") else result["action"]
        )
    if not expected.booted:
        return "boots something"
    pairs = {
        "kernel": (expected.kernel or oracle.tag_of(outcome.kernel), oracle.tag_of(outcome.kernel)),
        "cmdline": ((expected.cmdline or "").rstrip(" "), result["cmdline"].rstrip(" ")),
        "ramdisk size": (expected.initrd_size, len(outcome.ramdisk)),
        "ramdisk": (expected.initrd if expected.initrd is not None else outcome.ramdisk, outcome.ramdisk),
        "modules": (list(expected.modules), [module["cmdline"] for module in result["modules"]]),
    }
    if expected.modules or result["modules"]:  # the ramdisk of a recorded multiboot case is its modules
        pairs = {name: pair for name, pair in pairs.items() if not name.startswith("ramdisk")}
    wrong = [
        f"{name}: {got!r} instead of {wanted!r}" for name, (wanted, got) in pairs.items() if got != wanted
    ]
    return "; ".join(wrong) or None


def ends_well(outcome: Outcome) -> None:
    """A result, or an error that says what it is; nothing else on the screen, and nothing left."""
    run = outcome.run
    assert 0 <= run.rc <= 9 and run.rc != 1, str(run)
    if run.rc:
        error = run.result["error"]
        assert error["code"] == run.rc and error["message"] and error["kind"], str(run)
    assert all(line.startswith("pypxeboot: ") and line.isprintable() for line in run.stderr.splitlines()), (
        str(run)
    )
    assert not outcome.left, outcome.left


# Those of details are replayed without servers, all of them; here every fifth, or this would take all day.
CASES = [case for number, case in enumerate(oracle.cases()) if not case.more or number % 5 == 0]
PXELINUX = [case for case in CASES if case.loader == "pxelinux"]
EXACT = [case for case in PXELINUX if case.in_scope]
MENUS = [case for case in PXELINUX if not case.in_scope and not case.keys]
KEYS = [case for case in PXELINUX if case.keys]
IPXE = [case for case in CASES if case.loader == "ipxe"]
GRUB = [case for case in CASES if case.loader == "grub"]

counts: Counter[str] = Counter()


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_boots_what_the_real_one_booted(case: Case, outcomes: Outcomes) -> None:
    outcome = outcomes.of(case)
    ends_well(outcome)
    found = difference(case, outcome)
    if case.name in oracle.DIFFERENCES:
        assert found, f"no longer a difference: {oracle.DIFFERENCES[case.name]}"
        counts["different on purpose"] += 1
    else:
        assert found is None, f"{found}\n{outcome.run}"
        counts["exact"] += 1


@pytest.mark.parametrize("case", MENUS, ids=lambda case: case.name)
def test_boots_what_the_real_menu_booted(case: Case, outcomes: Outcomes) -> None:
    """Where the real menu waited for ever, this one may boot what Enter would have."""
    outcome = outcomes.of(case)
    ends_well(outcome)
    found = difference(case, outcome)
    if case.expected.booted or case.expected.local:
        assert found is None, f"{found}\n{outcome.run}"
    counts["menus as the real one" if found is None else "menus that would have waited"] += 1


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case.name)
def test_cases_with_keys_end_well(case: Case, outcomes: Outcomes) -> None:
    outcome = outcomes.of(case)
    ends_well(outcome)
    if "label" in case.raw:  # what the keys chose is chosen by its name
        assert difference(case, outcome) is None, outcome.run
    counts["with keys, none pressed here"] += 1


@pytest.mark.parametrize("case", IPXE, ids=lambda case: case.name)
def test_scripts_boot_what_the_real_ipxe_booted(case: Case, outcomes: Outcomes) -> None:
    outcome = outcomes.of(case)
    ends_well(outcome)
    initrd = ipxe_cases.ramdisk(case) or None
    expected = replace(case.expected, initrd=initrd, initrd_size=len(initrd or b""))
    found = difference(replace(case, expected=expected), outcome)
    if case.name in ipxe_cases.DIFFERENCES:
        assert found or case.name == "no-shebang", f"no longer a difference: {case.name}"
        counts["iPXE scripts different on purpose"] += 1
    else:
        assert found is None, f"{found}\n{outcome.run}"
        counts["iPXE scripts exact"] += 1
    if case.name not in ipxe_cases.REQUEST_DIFFERENCES:
        assert asked(case, outcome) == [request[:3] for request in ipxe_cases.requests(case)], outcome.run
        counts["of them with the same requests"] += 1


def asked(case: Case, outcome: Outcome) -> list[tuple[str, ...]]:
    """Scheme, server and path of what was asked for, until a PXELINUX takes over."""
    found: list[ipxe_cases.Request] = []
    for request in outcome.run.result["requests"]:
        place = url.parse(request["url"])
        path = f"{'/' if place.scheme == 'http' else ''}{place.path}"
        found.append((place.scheme, case.address_of(place.host), path, "", (), ""))
    return [request[:3] for request in ipxe_cases.until_pxelinux(found)]


@pytest.mark.parametrize("case", GRUB, ids=lambda case: case.name)
def test_grub_boots_what_the_real_one_booted(case: Case, outcomes: Outcomes) -> None:
    """Where the real one boots nothing, an entry that looks for the guest's disk boots from it here."""
    outcome = outcomes.of(case)
    ends_well(outcome)
    if case.keys:
        counts["GRUB with keys, none pressed here"] += 1
        return
    initrd = grub_cases.initrd_of(case)
    words = decode(grub_cases.encode_of(case))
    expected = replace(case.expected, initrd=initrd, initrd_size=len(initrd), cmdline=words)
    found = difference(replace(case, expected=expected), outcome)
    if case.name in grub_cases.DIFFERENCES:
        assert found, f"no longer a difference: {grub_cases.DIFFERENCES[case.name]}"
    elif case.expected.booted or case.expected.local or case.name in grub_cases.ENDS:
        assert found == grub_cases.ENDS.get(case.name), f"{found}\n{outcome.run}"
    else:
        assert found in (None, "localboot"), f"{found}\n{outcome.run}"
    counts["GRUB"] += 1


def test_how_many_there_were(record_property: Callable[[str, object], None]) -> None:
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    record_property("told", f"recorded boots through the command line: {told}")
    assert (
        len(EXACT) + len(MENUS) + len(KEYS) + len(IPXE) + len(GRUB)
        == len(CASES)
        == len({case.name for case in CASES})
    )
