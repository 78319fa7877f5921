"""Recorded boots of GRUB that end otherwise on purpose, and what each boots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Optional, Union

from pypxeboot.bootsource import BootRequest, Kind
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, Choice
from pypxeboot.errors import PxeBootError
from pypxeboot.grub import boot as grub
from pypxeboot.text import encode
from tests.support.recorded import boots
from tests.support.recorded.boots import Case
from tests.support.recorded.replay import GUEST, LEASE, TERMINAL, Press, Replay

_HTTP = "the module for HTTP is there; that build may hang when it has to load it"


ENDS = {"field-halt-entry": "poweroff", "field-reboot-at-top": "reboot"}
"""What the real machine did that booted nothing: its record is that of a machine that has gone."""

DIFFERENCES = {
    "grub-root-bare": _HTTP,
    "own-root-bare-paren": _HTTP,
    "own-root-http-in-entry": _HTTP,
    "own-root-http-linux16": _HTTP,
    "grub-fallback-two": "the recording ends before the third entry boots: errors stand there for 10 s each",
    "site-warewulf": _HTTP,
    "site-warewulf-single": _HTTP,
    "own-linux-twice": "the command line of a kernel in place of another is its own, not what memory holds",
}
"""Cases that end otherwise on purpose, and why."""


def run(case: Case, keys: Optional[Sequence[Press]] = None) -> tuple[Union[Choice, PxeBootError], Replay]:
    """What pypxeboot makes of a case; at a terminal, where keys were pressed."""
    lease = replace(
        LEASE,
        address=IPv4Address(case.address),
        bootfile=case.bootfile,
        options={**LEASE.options, **case.options},
    )
    pressed = case.presses if keys is None else keys
    replay = Replay(
        lambda place: case.served(place.scheme, place.host, place.path),
        terminal=TERMINAL if pressed else None,
        keys=pressed,
        names={name: (address,) for name, address in case.names.items()},
    )
    source = replace(boot_info.boot_source(lease), kind=Kind.GRUB, config_file=None)
    guest = replace(GUEST, mac=case.mac, uuid=case.uuid, smbios=case.smbios)
    try:
        return replay.drive(grub.boot(BootRequest(source, guest, lease))), replay
    except PxeBootError as error:
        return error, replay


def difference(case: Case, got: Union[Choice, PxeBootError], replay: Replay) -> Optional[str]:
    """What is not as the real one had it, None if all is; an error is the same as nothing booted.

    Where the real one boots nothing, an entry that looks for the guest's disk may boot from it.
    """
    expected = case.expected
    if isinstance(got, PxeBootError):
        return f"error {got.message}" if expected.booted or expected.local else None
    entry = got.entry
    if entry.action is not Action.BOOT:
        same = not expected.booted and (entry.action is Action.LOCALBOOT or not expected.local)
        return None if same else entry.action.value
    if not expected.booted:
        return "boots something"
    assert replay.kernel is not None
    pairs = {
        "kernel": (expected.kernel, boots.tag_of(replay.kernel)),
        "cmdline": (encode_of(case), encode(entry.cmdline).rstrip(b" ")),
        "initrd": (b"", b"") if expected.modules else (initrd_of(case), replay.ramdisk),
        "modules": (expected.modules, tuple(module.cmdline for module in entry.modules)),
    }
    wrong = [f"{name}: {got!r} instead of {want!r}" for name, (want, got) in pairs.items() if got != want]
    return "; ".join(wrong) or None


def encode_of(case: Case) -> bytes:
    """The recorded command line, which the recording has byte for byte."""
    return (case.expected.cmdline or "").encode("latin-1").rstrip(b" ")


def initrd_of(case: Case) -> bytes:
    """The recorded initrd: where archives are in it, without what GRUB leaves of its memory behind them."""
    found = case.expected.initrd or b""
    end = found.rfind(b"TRAILER!!!")
    return found[: end + len(b"TRAILER!!!")] if end >= 0 and not found[end + 10 :].strip(b"\0") else found
