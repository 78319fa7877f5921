"""What all kinds of link have in common: the veth pair, and the wait for a MAC that is in use.

The client process sits in an anonymous network namespace, and the inner end of the pair, there, has the
guest's MAC. Nobody else holds the namespace, so the kernel removes both ends when the client ends, however
it ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import PxeBootError, Refused, UsageError
from pypxeboot.guest import Guest
from pypxeboot.links import devices, inner
from pypxeboot.links.devices import NetDevice

DEFAULT_BRIDGE = "xenbr0"  # of Xen's own scripts

# Xen's hotplug scripts give their ports this address too: a bridge takes the lowest MAC of its ports for
# its own, and this one is never the lowest.
HOST_END_MAC = "fe:ff:ff:ff:ff:ff"

# A MAC learned on a port that leads out of this host stays in the table for up to 300 s after its guest is
# gone; heard within these seconds means alive. On a port of a local guest the entry goes with the port:
# there, presence alone means alive.
HEARD_SECONDS = 10

_FIRST_PAUSE = 0.005  # s
# Until the kernel has seen a carrier that is there; a busy one takes 1 s (net/core/link_watch.c).
CARRIER_SECONDS = 3.0
POLL = 0.25  # s; neither the kernel nor ovs-vswitchd tells when a port forwards or a MAC is gone
_DEFAULT_MTU = 1500


@dataclass(frozen=True)
class Attached:
    """Where the client is: its interface ``name`` and ``mtu``, by a link of ``mode`` onto ``where``."""

    mode: str
    name: str
    mtu: int
    where: str


@dataclass(frozen=True)
class AttachRequest:
    """The guest to be joined; ``mac_wait`` is how many seconds to wait if its MAC is alive elsewhere."""

    guest: Guest
    mac_wait: float
    log: Callable[[str], None]


@dataclass(frozen=True)
class Switch:
    """A bridge of Open vSwitch, by the name that ports are added to, and a port's ``tag`` and ``trunks``."""

    name: str
    tag: Optional[int] = None
    trunks: tuple[int, ...] = ()


@dataclass(frozen=True)
class FoundLink:
    """The link that a guest would get: its ``kind``, and the name ``where`` of what it leads onto.

    ``device`` is the host's interface of that name, None if there is none;
    ``switch`` is the bridge of Open vSwitch that the name means. ``error`` says why there is no such link.
    """

    kind: type[Link]
    where: str
    device: Optional[NetDevice]
    switch: Optional[Switch] = None
    error: Optional[UsageError] = None


class Link:
    """One link onto the guest's network, of the kind that the subclass is; made by :meth:`join`.

    Raises UsageError, when constructed, where what was found cannot be joined.
    """

    mode: ClassVar[str]  # the word for it in the log
    goes_onto: ClassVar[str] = "a network interface"  # what it needs, in an error's words

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        self.where, self._device, self._request = found.where, found.device, request
        self._outer = f"pxe{os.urandom(4).hex()}"
        self._undo: list[Callable[[], object]] = []

    @classmethod
    def network_name(cls, guest: Guest) -> str:
        """Return the name of the bridge or interface that leads to the guest's network. Raises UsageError."""
        return guest.bridge or guest.interface or DEFAULT_BRIDGE

    @classmethod
    def find(cls, where: str, device: Optional[NetDevice]) -> Optional[FoundLink]:
        """Find what a link of this kind can lead onto at ``where``; None if there is nothing for it.

        ``device`` is the host's interface of that name. Nothing is made. Raises UsageError.
        """
        return None if device is None else FoundLink(cls, where, device)

    def await_guest_gone(self, deadline: float) -> None:
        """Wait until the guest's MAC is nowhere else, where that shows without a port of one's own.

        Raises Refused when it stays alive there.
        """

    def _connect(self, pid: int, deadline: float) -> None:
        """Put the interface ``inner.INNER`` into the namespace of process ``pid``, and connect it."""
        raise NotImplementedError

    def join(self, pid: int, deadline: float) -> Attached:
        """Connect the network namespace of process ``pid``; its interface is up when this returns.

        Raises Refused when the guest's MAC stays alive elsewhere.
        """
        self._connect(pid, deadline)
        inner.set_up(pid)
        self._await_forwarding(deadline)
        return Attached(self.mode, inner.INNER, self.mtu, self.where)

    @property
    def mtu(self) -> int:
        """The largest packet, in bytes, that the network takes."""
        return _DEFAULT_MTU if self._device is None else self._device.mtu

    def leave(self) -> None:
        """Remove the link: the kernel removes a dead namespace late, and the guest is started at once."""
        while self._undo:
            with suppress(PxeBootError):  # it went with its process
                self._undo.pop()()

    def reach(self, address: str, deadline: float) -> None:
        """Prepare the host for the guest's end having ``address``: nothing to do where the link is shared."""

    def _await_forwarding(self, deadline: float) -> None:
        """Wait until frames pass, or the deadline."""

    def _poll(self, is_ready: Callable[[], bool], deadline: float) -> None:
        """Wait until ``is_ready``, looking ever more rarely, or the deadline."""
        pause = _FIRST_PAUSE
        while not is_ready() and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 2, POLL)

    def _await_carrier(self, deadline: float) -> None:
        """Wait until the kernel has seen the pair's carrier: it drops what is sent before without a word."""
        deadline = min(deadline, time.monotonic() + CARRIER_SECONDS)
        self._poll(self._has_carrier, deadline)

    def _has_carrier(self) -> bool:
        port = devices.find(self._outer)
        return port is None or port.operates

    def _make_pair(self, pid: int) -> None:
        """Make the veth pair, its outer end on the host and still down."""
        outer, inside = self._outer, (inner.INNER, self._request.guest.mac)
        self._undo.append(lambda: devices.remove(outer))
        devices.add_pair((outer, HOST_END_MAC), inside, pid, self.mtu)
        # No router solicitations from a port of the bridge. A kernel without IPv6 sends none.
        with suppress(FileNotFoundError):  # or the pair went with its process, and what follows says so
            Path(f"/proc/sys/net/ipv6/conf/{outer}/disable_ipv6").write_text("1")

    def _await_mac(self, find_mac: Callable[[], Optional[str]], deadline: float) -> None:
        """Wait while ``find_mac`` still finds the guest's MAC elsewhere: a rebooting guest is gone soon.

        Raises Refused after ``mac_wait`` seconds.
        """
        end = min(time.monotonic() + self._request.mac_wait, deadline)
        told = False
        while True:
            where = find_mac()
            if where is None:
                return
            if time.monotonic() >= end:
                raise Refused(
                    f"MAC {self._request.guest.mac} is alive on {where}",
                    hint="shut the guest down that has it (--mac-wait SECONDS waits longer for it)",
                )
            if not told:
                self._request.log(f"MAC {self._request.guest.mac} is still alive on {where}: waiting")
                told = True
            time.sleep(POLL)
