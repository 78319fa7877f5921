"""The recorded boots of the real PXELINUX, replayed against the pure loader from a dict of files."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Optional, Union

import oracle
import pytest
from oracle import Case
from replay import Replay

from pypxeboot import ldlinux, pxe
from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.menu import Action, Choice


def lease_of(case: Case) -> Lease:
    options = dict(case.options)
    routers: tuple[IPv4Address, ...] = ()
    if case.gateway:
        routers = (IPv4Address(case.gateway),)
        options[3] = routers[0].packed
    return Lease(
        address=IPv4Address(case.address),
        prefix_length=24,
        routers=routers,
        server_id=IPv4Address(case.server),
        next_server=case.next_server,
        bootfile=case.bootfile,
        options=options,
    )


def run(case: Case, label: Optional[str] = None) -> tuple[Union[Choice, PxeBootError], Replay]:
    """What pypxeboot makes of a case."""
    guest = Guest(mac=case.mac, uuid=case.uuid, smbios=case.smbios)
    lease = lease_of(case)
    replay = Replay(lambda location: case.served(location.scheme, location.host, location.path))
    try:
        return replay.drive(ldlinux.boot(pxe.boot_source(lease), guest, lease, label=label)), replay
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


def test_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    menus = [case for case in OTHERS if case.loader == "pxelinux" and not case.keys]
    same = [case for case in menus if matches(case, *run(case))]
    with capsys.disabled():
        print(f"\n{len(SCOPE)} in scope, {len(OTHERS)} others; {len(same)} of {len(menus)} menus as recorded")
    assert len(oracle.cases()) == 373
    assert not [case.name for case in menus if case.expected.booted and case not in same]


def test_differences_are_cases() -> None:
    assert set(oracle.DIFFERENCES) <= {case.name for case in SCOPE}


def test_a_failure_is_fetch_error() -> None:
    case = next(case for case in SCOPE if case.name == "kernel-missing")
    got, _ = run(case)
    assert isinstance(got, FetchError) and "label 'a'" in got.message
