"""The machine that runs scripts: parts that can each be understood alone."""

from __future__ import annotations

import dataclasses

import pytest

from pypxeboot.bootsource import BootRequest, BootSource, Kind
from pypxeboot.ipxe import boot
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.status import LastFailure
from tests.support.recorded.replay import GUEST, LEASE

SOURCE = BootSource(Kind.IPXE, "10.77.0.1", "::")
MACHINE = Machine.of(BootRequest(SOURCE, GUEST, LEASE, label="x", patience=60.0), boot.BUILD)
PARTS = [field.name for field in dataclasses.fields(Machine) if field.name not in ("request", "build")]


def test_the_machine_does_not_change() -> None:
    assert len(dataclasses.fields(Machine)) <= 12
    with pytest.raises(dataclasses.FrozenInstanceError):
        MACHINE.stack = MACHINE.stack  # type: ignore[misc]


@pytest.mark.parametrize("name", [name for name in PARTS if name != "settings"])
def test_a_part_has_few_fields(name: str) -> None:
    assert len(dataclasses.fields(getattr(MACHINE, name))) <= 6


def test_parts_begin_with_what_is_asked_for() -> None:
    assert (MACHINE.selection.label, MACHINE.selection.listing) == ("x", False)
    assert MACHINE.interaction.patience == 60.0
    assert MACHINE.network.lease is MACHINE.network.offered is LEASE
    assert MACHINE.settings.show("next-server") == LEASE.next_server
    assert Machine.of(MACHINE.request, boot.BUILD, listing=True).selection.listing


def test_settings_that_change_are_those_of_the_machine() -> None:
    machine = Machine.of(MACHINE.request, boot.BUILD)
    machine.builtin.errno = 0x2E008008
    assert machine.settings.show("errno") == "0x2e008008"


def test_what_failed_first_is_the_cause() -> None:
    failure = LastFailure()
    failure.note("first")
    failure.note("second")
    failure.locate("a.ipxe, line 2")
    failure.locate("boot.ipxe, line 9")
    assert (failure.words, failure.where) == ("first", "a.ipxe, line 2")
    failure.explain("what counts more")
    assert failure.words == "what counts more"
    failure.clear()
    assert failure == LastFailure()
