"""The recorded boots of the real iPXE, replayed against the pure interpreter from a dict of files."""

from __future__ import annotations

from typing import Union

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.effects import Form
from pypxeboot.entry import Action, Choice, Reason
from pypxeboot.errors import NoBootSource, PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.ipxe import boot
from tests.support.recorded import boots as oracle
from tests.support.recorded import ipxe_cases
from tests.support.recorded.boots import Case
from tests.support.recorded.ipxe_cases import DIFFERENCES, ramdisk
from tests.support.recorded.leases import lease_of
from tests.support.recorded.replay import Replay

CASES = [case for case in oracle.cases() if case.loader == "ipxe"]


def run(case: Case) -> tuple[Union[Choice, PxeBootError], Replay]:
    """What pypxeboot makes of a case, once it has been recognised as an iPXE."""
    lease = lease_of(case)
    bootfile = "boot.ipxe" if case.name == "user-class-dispatch" else None
    replay = Replay(lambda location: case.served(location.scheme, location.host, location.path))
    source = boot_info.boot_source(lease, bootfile=bootfile)
    try:
        return replay.drive(
            boot.boot(BootRequest(source, Guest(mac=case.mac, uuid=case.uuid), lease))
        ), replay
    except PxeBootError as error:
        return error, replay


def named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_boots_what_the_real_one_booted(case: Case) -> None:
    if case.name in DIFFERENCES:
        return
    got, replay = run(case)
    assert isinstance(got, Choice)
    if case.expected.local:
        assert got.entry.action is Action.LOCALBOOT
        return
    kernel = replay.loaded.get(got.entry.kernel) if got.entry.kernel else None
    assert oracle.tag_of(replay.kernel or kernel or b"") == case.expected.kernel
    assert got.entry.cmdline == case.expected.cmdline
    assert replay.ramdisk == ramdisk(case)
    assert tuple(module.cmdline for module in got.entry.modules) == case.expected.modules
    assert len(replay.modules) == len(case.expected.modules)


def asked(case: Case, replay: Replay) -> list[ipxe_cases.Request]:
    """What was asked for, in the form of the recordings."""
    found: list[ipxe_cases.Request] = []
    for location, form in zip(replay.locations, [*replay.forms, *([None] * len(replay.locations))]):
        form = form or Form("GET")
        headers = tuple(field for field in form.headers if field[0] != "Content-Type")
        http = location.scheme == "http"
        place = (location.scheme, case.address_of(location.host), f"{'/' if http else ''}{location.path}")
        found.append((*place, form.method if http else "", headers, form.body.decode()))
    return ipxe_cases.until_pxelinux(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_asks_for_what_the_real_one_asked_for(case: Case) -> None:
    _, replay = run(case)
    same = asked(case, replay) == ipxe_cases.requests(case)
    assert same or case.name in ipxe_cases.REQUEST_DIFFERENCES, asked(case, replay)


def test_how_many_there_are() -> None:
    assert len(CASES) == 156
    assert set(ipxe_cases.REQUEST_DIFFERENCES) <= {case.name for case in CASES}


def test_a_menu_that_waits_for_ever_takes_what_enter_would() -> None:
    got, replay = run(named("menu-choose-no-timeout"))
    assert isinstance(got, Choice)
    assert (oracle.tag_of(replay.kernel or b""), got.reason) == ("kb", Reason.WAITS_FOREVER)
    assert any("waits for ever" in line for line in replay.log)


def test_text_is_no_script() -> None:
    got, _ = run(named("no-shebang"))
    assert isinstance(got, NoBootSource)


def test_parameters_are_sent() -> None:
    got, replay = run(named("http-params"))
    assert isinstance(got, Choice)
    assert got.entry.cmdline == "p=1"
    form = next(form for form in replay.forms if form is not None)
    assert (form.method, form.body) == ("POST", b"mac=52%3A54%3A00%3Aab%3Acd%3Aef&x=a%20b%26c")


def test_a_failing_script_leaves_the_disk_and_says_why() -> None:
    got, replay = run(named("failed-line-stops-script"))
    assert isinstance(got, Choice)
    assert (got.entry.action, got.reason) == (Action.LOCALBOOT, Reason.SCRIPT_FAILED)
    assert any("Result too large" in line for line in replay.log)
