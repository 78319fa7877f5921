"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.output import qemu
from tests.support.samples.formats import LOCAL, ODD
from tests.support.samples.results import BOOT, GUEST, after

# ---- QEMU beyond the PC


def test_qemu_arm64_is_a_processor_of_64_bits() -> None:
    argv = qemu.argv(BOOT, replace(GUEST, arch="arm64"))
    assert argv == qemu.argv(BOOT, replace(GUEST, arch="aarch64"))
    assert after(argv, "-machine").startswith("virt,") and after(argv, "-cpu") == "max"
    with pytest.raises(NoBootSource, match="virt has no firmware"):
        qemu.argv(LOCAL, replace(GUEST, arch="arm64"), "/disk")


def test_qemu_microvm_has_no_pci() -> None:
    argv = qemu.argv(BOOT, GUEST, ODD, microvm=True)
    assert after(argv, "-machine").startswith("microvm,")
    assert not any("pci" in word or "if=virtio" in word for word in argv)
    assert f"file={ODD.replace(',', ',,')},if=none,id=disk0" in argv
    with pytest.raises(HandoverError):
        qemu.argv(BOOT, replace(GUEST, arch="arm64"), microvm=True)
