"""Answers a loader's effects from a dict of files: the one test double of the pure half."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Callable, Optional, TypeVar, Union

import oracle

from pypxeboot import ldlinux, pxe
from pypxeboot.effects import Effect, Fetch, Fetched, Load, Loaded, Log
from pypxeboot.errors import NotFound, Refused
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.menu import Choice, Entry
from pypxeboot.url import Location

T = TypeVar("T")

GUEST = Guest(mac="52:54:00:ab:cd:ef", uuid="8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b")
LEASE = Lease(
    address=IPv4Address("10.77.0.173"),
    prefix_length=24,
    routers=(IPv4Address("10.77.0.1"),),
    server_id=IPv4Address("10.77.0.1"),
    next_server="10.77.0.1",
    bootfile="pxelinux.0",
    options={3: IPv4Address("10.77.0.1").packed},
)


@dataclass
class Replay:
    """What a loader asked for and was told. ``get`` gives a file's content, None if there is none."""

    get: Callable[[Location], Optional[bytes]]
    asked: list[str] = field(default_factory=list)
    loaded: dict[Location, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def drive(self, loader: Generator[Effect, Any, T]) -> T:
        """Answer until the loader ends."""
        reply: object = None
        while True:
            try:
                reply = self._answer(loader.send(reply))
            except StopIteration as end:
                result: T = end.value
                return result

    def _answer(self, effect: Effect) -> Union[Fetched, Loaded, None]:
        if isinstance(effect, Load):
            return self._load(effect.entry)
        if isinstance(effect, Log):
            self.log.append(effect.text)
            return None
        assert isinstance(effect, Fetch)
        self.asked.append(str(effect.location))
        data = self.get(effect.location)
        return Fetched(None, "not-found") if data is None else Fetched(data[: effect.limit + 1])

    def _load(self, entry: Entry) -> Loaded:
        """A file of no bytes is not there, as for PXELINUX; a kernel has a tag of oracle.kernel() in it."""
        assert entry.kernel is not None
        for location in (entry.kernel, *entry.initrds, *(module.location for module in entry.modules)):
            data = self.get(location)
            if not data:
                return Loaded(False, f"{location}: not-found", NotFound)
            self.loaded[location] = data
        if oracle.tag_of(self.loaded[entry.kernel]) is None:
            return Loaded(False, f"{entry.kernel} is not a kernel", Refused)
        return Loaded(True)

    def initrd(self, entry: Entry) -> bytes:
        """The initrds joined, "each but the last padded to 4 bytes"."""
        joined = b""
        for location in entry.initrds:
            joined += bytes(-len(joined) % 4) + self.loaded[location]
        return joined


def serving(files: Mapping[str, Union[str, bytes]]) -> Replay:
    """A replay from file names (or whole URLs) to content; ``@kernel`` is one."""

    def get(location: Location) -> Optional[bytes]:
        found = files.get(str(location), files.get(location.path) if location.scheme == "tftp" else None)
        return oracle.content(location.name, found) if isinstance(found, str) else found

    return Replay(get)


def boot(config: str, *, lease: Lease = LEASE, guest: Guest = GUEST, **more: Any) -> Choice:
    """What ``config`` as the default configuration boots; ``k``, ``k2`` are kernels, ``i``, ``i2`` initrds.

    ``files`` adds files to the server.
    """
    files = {"k": "@kernel", "k2": "@kernel", "i": "initrd", "i2": "initrd2", "pxelinux.cfg/default": config}
    replay = serving({**files, **more.pop("files", {})})
    return replay.drive(ldlinux.boot(pxe.boot_source(lease), guest, lease, **more))
