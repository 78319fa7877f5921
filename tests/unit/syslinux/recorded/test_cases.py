"""The recorded boots of the real PXELINUX, replayed against the pure loader from a dict of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional, Union

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, Choice
from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.syslinux.loader import boot
from tests.support.recorded import boots as oracle
from tests.support.recorded.boots import Case
from tests.support.recorded.leases import lease_of
from tests.support.recorded.replay import TERMINAL, Press, Replay


def run(
    case: Case, label: Optional[str] = None, keys: Optional[Sequence[Press]] = None
) -> tuple[Union[Choice, PxeBootError], Replay]:
    """What pypxeboot makes of a case; with ``keys`` at a terminal, where these are pressed."""
    guest = Guest(mac=case.mac, uuid=case.uuid, smbios=case.smbios)
    lease = lease_of(case)
    replay = Replay(
        lambda location: case.served(location.scheme, location.host, location.path),
        terminal=None if keys is None else TERMINAL,
        keys=keys or (),
        names={name: (address,) for name, address in case.names.items()},
    )
    try:
        return replay.drive(
            boot.boot(BootRequest(boot_info.boot_source(lease), guest, lease, label=label))
        ), replay
    except PxeBootError as error:
        return error, replay


def matches(case: Case, got: Union[Choice, PxeBootError], replay: Replay) -> bool:
    """Whether ``got`` is what the real loader did: nothing booted is an error here."""
    expected = case.expected
    if isinstance(got, PxeBootError):
        return not expected.booted and not expected.local
    entry = got.entry
    if entry.action is not Action.BOOT:
        action = Action.LOCALBOOT if expected.local else None
        return entry.action is action or (case.name == "type-com32" and entry.action is Action.POWEROFF)
    assert entry.kernel is not None
    initrd = replay.initrd(entry)
    return (
        expected.booted
        and expected.kernel in (None, oracle.tag_of(replay.loaded[entry.kernel]))
        and expected.cmdline == entry.cmdline
        and expected.initrd_size == len(initrd)
        and (expected.initrd is None or expected.initrd == initrd)
        and expected.modules == tuple(module.cmdline for module in entry.modules)
    )


PXELINUX = [case for case in oracle.cases() if case.loader == "pxelinux"]
SCOPE = [case for case in oracle.cases() if case.in_scope]
OTHERS = [case for case in oracle.cases() if not case.in_scope]


@pytest.mark.parametrize("case", SCOPE, ids=lambda case: case.name)
def test_boots_what_the_real_one_booted(case: Case) -> None:
    got, replay = run(case)
    if case.name in oracle.DIFFERENCES:
        assert not matches(case, got, replay), "no longer a difference: " + oracle.DIFFERENCES[case.name]
    else:
        assert matches(case, got, replay), f"{got!r}\nwanted {case.expected}\n{replay.log}"


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.name)
def test_every_other_case_ends_well(case: Case) -> None:
    got, _ = run(case)
    assert isinstance(got, (Choice, PxeBootError))


def attended(case: Case) -> bool:
    """Whether a case is as recorded at a terminal, with the recorded keys a while after each other."""
    keys: list[Press] = [press for key in case.presses for press in (0.5, key)]
    return matches(case, *run(case, keys=keys))


@pytest.mark.parametrize("case", PXELINUX, ids=lambda case: case.name)
def test_at_a_terminal_all_is_as_recorded(case: Case) -> None:
    """Where the real one waits for ever so does this, until the terminal is closed."""
    differs = case.name in {*oracle.DIFFERENCES, *oracle.MENU_DIFFERENCES} - oracle.AT_A_TERMINAL
    assert attended(case) is not differs


def test_a_label_behind_another_configuration() -> None:
    case = next(case for case in PXELINUX if "label" in case.raw)
    assert matches(case, *run(case, label=case.raw["label"]))


def test_how_many_there_are(record_property: Callable[[str, object], None]) -> None:
    keyed = [case for case in PXELINUX if case.keys]
    alone = [case for case in PXELINUX if not case.keys]
    same = [case for case in alone if matches(case, *run(case))]
    at_terminal = [case for case in PXELINUX if attended(case)]
    record_property(
        "told",
        f"recorded boots: {len(at_terminal)} of {len(PXELINUX)} the same at a terminal, {len(keyed)} of them "
        f"keyed; with nobody there {len(same)} of {len(alone)}: no menu or prompt waits for ever then",
    )
    assert len({case.name for case in oracle.cases()}) == 1295 and len(keyed) == 138
    other = {case.name for case in alone if case not in same} - set(oracle.DIFFERENCES)
    assert not [case.name for case in alone if case.name in other and case.expected.booted]
    # All that is booted where the real one would wait is an answer to that wait, and named so.
    for case in alone:
        if case.name in other - set(oracle.MENU_DIFFERENCES):
            got, _ = run(case)
            assert isinstance(got, Choice) and case in at_terminal, case.name


def test_differences_are_cases() -> None:
    assert set(oracle.DIFFERENCES) <= {case.name for case in SCOPE}
    assert set(oracle.MENU_DIFFERENCES) <= {case.name for case in OTHERS}


def test_a_failure_is_fetch_error() -> None:
    case = next(case for case in SCOPE if case.name == "kernel-missing")
    got, _ = run(case)
    assert isinstance(got, FetchError) and "label 'a'" in got.message
