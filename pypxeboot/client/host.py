"""The host side as the client process sees it: what it may ask for, and how."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Optional

from pypxeboot.errors import Aborted, PxeBootError, Refused
from pypxeboot.lease import Lease
from pypxeboot.picture import KeyPress, Terminal
from pypxeboot.privsep.channel import Channel, Closed
from pypxeboot.privsep.messages import (
    MAX_LISTED,
    ConfigureInterface,
    Done,
    DropImage,
    Entries,
    FoundTerminal,
    Leave,
    MarkInitrd,
    OpenImage,
    OpenOutput,
    Placed,
    Route,
    SetVlan,
    UseImage,
)
from pypxeboot.schema import SchemaError, unpack

if TYPE_CHECKING:  # the first DISCOVER does without
    from pypxeboot.effects import Print, Show


class HostSide:
    """The host side as the client sees it: the other end of ``channel``.

    ``own_network``: the interfaces here are the guest's alone. ``reach_ipv6`` is called when there is an
    address of IPv4 and a server of IPv6.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.own_network = True
        self._interface = ""
        self._vlans: set[int] = set()
        self._forget_names: Callable[[], None] = lambda: None
        self._lock = threading.Lock()  # downloads may ask for IPv6
        self.reach_ipv6: Callable[[], None] = lambda: None

    def _answer(self, kind: str) -> tuple[object, Optional[int]]:
        try:
            got, value, descriptor = self._channel.receive()
        except (Closed, SchemaError):
            raise Aborted("the host side is gone") from None
        if got != kind:
            raise Aborted(f"the host side answered {got}, not {kind}")
        return value, descriptor

    def _ask(self, request: object, kind: str) -> tuple[object, Optional[int]]:
        with self._lock:
            self._channel.send(request)
            return self._answer(kind)

    def wait_for_place(self) -> tuple[Placed, Optional[int]]:
        """Wait for the interface; with it comes what a udhcpc writes, if one does DHCP."""
        value, descriptor = self._answer("Placed")
        place = unpack(Placed, value)
        self.own_network = place.mode != "host"
        self._interface = place.name
        return place, descriptor

    def _request(self, request: object) -> Optional[int]:
        """Ask for something that must be possible; the descriptor that comes with it."""
        value, descriptor = self._ask(request, "Done")
        error = unpack(Done, value).error
        if error:
            raise PxeBootError(error)
        return descriptor

    def configure(self, lease: Lease, vlan: int = 0) -> None:
        """Have the host side give the interface its address, in place of any other of its family.

        Names are asked of the lease's servers from now on. Raises PxeBootError if it cannot be.
        """
        self.add(lease, vlan)
        from pypxeboot.net import resolver

        interface = f"{self._interface}.{vlan}" if vlan else self._interface
        servers = [resolver.with_zone(str(server), interface) for server in lease.dns]
        search = lease.search or ((lease.domain,) if lease.domain else ())
        own = resolver.Resolver(servers, search, family=lease.address.version)
        self._forget_names()
        first = self.reach_ipv6 if lease.address.version == 4 else lambda: None
        self._forget_names = resolver.install(own, interface, first)

    def add(self, lease: Lease, vlan: int = 0) -> None:
        """Have the host side give the interface an address; names are asked of the same servers as before."""
        if vlan and vlan not in self._vlans:
            raise PxeBootError(f"there is no VLAN {vlan}")
        routes = tuple(
            Route(str(network), None if gateway is None else str(gateway))
            for network, gateway in lease.routes
        )
        self._request(ConfigureInterface(str(lease.address), lease.prefix_length, routes, lease.mtu, vlan))

    def set_vlan(self, tag: int, *, remove: bool) -> None:
        """Make or take away the interface of a VLAN. Raises PxeBootError if it cannot be."""
        if remove is not (tag in self._vlans):
            raise PxeBootError(f"there is {'no' if remove else 'already a'} VLAN {tag}")
        self._request(SetVlan(tag, remove))
        self._vlans ^= {tag}

    def open_output(self, kind: str) -> int:
        """Return a descriptor of a new output file."""
        return self._request_file(OpenOutput(kind))

    def mark_initrd(self) -> None:
        """Note where the ramdisk ends now: an initrd begins or ends there."""
        self._request(MarkInitrd())

    def open_image(self, number: int) -> int:
        """Return a descriptor of a new file without a name, which is ``number`` from now on."""
        return self._request_file(OpenImage(number))

    def drop_image(self, number: int) -> None:
        """Have the host side forget the file ``number``."""
        self._request(DropImage(number))

    def use_image(self, number: int, kind: str, offset: int = 0) -> None:
        """Make the file ``number`` an output of ``kind``, or note where the ramdisk has it (initrd)."""
        self._request(UseImage(number, kind, offset))

    def _request_file(self, request: object) -> int:
        descriptor = self._request(request)
        if descriptor is None:
            raise Aborted("the host side gave no file")
        return descriptor

    def find_terminal(self) -> Optional[Terminal]:
        """Return the terminal, if there is one and somebody may choose."""
        from pypxeboot.effects import FindTerminal

        return unpack(FoundTerminal, self._ask(FindTerminal(), "FoundTerminal")[0]).terminal

    def show(self, effect: Show) -> KeyPress:
        """Have a picture painted, and wait for a key."""
        return unpack(KeyPress, self._ask(effect, "KeyPress")[0])

    def print(self, effect: Print) -> None:
        """Have text written to the terminal."""
        self._request(effect)

    def leave(self) -> None:
        """Have the picture taken away: lines follow."""
        self._request(Leave())

    def list_entries(self, pieces: Iterable[Entries]) -> None:
        """Tell the entries of the list. Raises Refused where they are more than the host side takes."""
        size = 0
        for piece in pieces:
            if size > MAX_LISTED:
                raise Refused(f"a list of more than {MAX_LISTED} bytes cannot be handed over")
            size += self.hand_over(piece)

    def hand_over(self, message: object) -> int:
        """Send what the boot came to, or a part of it, and return its bytes.

        Raises Refused where it is more than the host side takes.
        """
        try:
            with self._lock:
                self._channel.send(message)
                return self._channel.length
        except SchemaError as why:
            raise Refused(f"what the boot came to cannot be handed over: {why}") from None
