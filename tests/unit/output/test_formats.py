"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

import pytest

from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.guest import MONITORS
from pypxeboot.output.formats import FORMATS
from tests.support.samples.formats import DIRECT, LOCAL
from tests.support.samples.results import GUEST, MULTIBOOT, PLANNED


def test_every_format_that_can_be_asked_for_is_here() -> None:
    for name, row in FORMATS.items():
        assert row.name == name
        assert row.monitor is None or row.monitor in MONITORS
    assert {name for name, row in FORMATS.items() if row.for_xen} == {"simple0", "simple", "sxp"}


@pytest.mark.parametrize("form", DIRECT)
def test_without_a_download(form: str) -> None:
    with pytest.raises(HandoverError, match="nothing was downloaded") as caught:
        DIRECT[form](PLANNED, GUEST)
    assert caught.value.hint == "leave -n out"


@pytest.mark.parametrize("form", sorted(set(DIRECT) - {"qemu", "qemu-microvm"}))
def test_multiboot(form: str) -> None:
    with pytest.raises(HandoverError, match="multiboot"):
        DIRECT[form](MULTIBOOT, GUEST)


@pytest.mark.parametrize("form", sorted(set(DIRECT) - {"qemu", "qemu-readconfig", "libvirt"}))
def test_machines_that_boot_no_disk(form: str) -> None:
    with pytest.raises(NoBootSource, match="local disk"):
        DIRECT[form](LOCAL, GUEST)
