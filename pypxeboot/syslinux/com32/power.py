"""Modules that leave the loader for good: chain.c32 (a disk), reboot.c32, poweroff.c32."""

from __future__ import annotations

from typing import ClassVar, Optional

from pypxeboot.effects import Steps
from pypxeboot.entry import Action, Choice, Entry
from pypxeboot.syslinux.com32.module import Com32Api, Com32Listing, Com32Module, Invocation


class ChainC32(Com32Module):
    """chain.c32: the boot loader of a disk."""

    action: ClassVar[Action] = Action.LOCALBOOT

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Take nothing of the arguments: which disk and partition is left to what boots the disk."""
        return cls()

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """End the boot with the action."""
        yield from ()
        return api.end(self.action)

    def describe(self, listing: Com32Listing) -> Entry:
        """Give the action, which is all there is to say."""
        return listing.action(self.action)


class RebootC32(ChainC32):
    """reboot.c32: the guest begins anew."""

    action = Action.REBOOT


class PoweroffC32(ChainC32):
    """poweroff.c32: the guest ends."""

    action = Action.POWEROFF
