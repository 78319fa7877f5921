"""Answers a loader's effects from a dict of files: the one test double of the pure half."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Callable, Optional, TypeVar, Union

from pypxeboot.bootsource import BootRequest, BootSource, Kind
from pypxeboot.dhcp import boot_info
from pypxeboot.effects import (
    Assemble,
    ChangeVlan,
    ComputeDigest,
    Download,
    DropFile,
    Effect,
    Fetch,
    Fetched,
    FindTerminal,
    Form,
    Identified,
    Identify,
    KeepData,
    Leased,
    Load,
    Loaded,
    Log,
    LuaCall,
    Ping,
    Print,
    ReadClock,
    ReadFile,
    Resolve,
    Resolved,
    RunDhcp,
    RunLua,
    ScriptFile,
    SetAddress,
    Show,
    Sleep,
    Unpack,
    Verify,
)
from pypxeboot.entry import Choice, Entry
from pypxeboot.errors import Aborted, NotFound, Refused
from pypxeboot.grub import boot as grub
from pypxeboot.guest import Guest
from pypxeboot.ipxe import boot as ipxe
from pypxeboot.kernel import identify
from pypxeboot.lease import Lease
from pypxeboot.lua import script as lua
from pypxeboot.picture import KeyPress, Picture, Terminal
from pypxeboot.syslinux.loader import boot as ldlinux
from pypxeboot.url import Location
from tests.support.recorded import boots as oracle

T = TypeVar("T")

Press = Union[str, float, Terminal]
"""A key, seconds without one, or another size of the terminal."""

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


TERMINAL = Terminal()


@dataclass
class Replay:
    """What a loader asked for and was told; ``locations`` are those of a script.

    ``get`` gives a file's content, None if there is none.

    A ``terminal`` makes somebody sit there who presses ``keys`` one after the other, and then nothing more:
    to wait without an end is a hang-up then. ``pictures`` were shown to them, and ``waited`` is for how long.
    ``causes`` are why downloads fail, by URL; ``names`` are known to DNS, ``leases`` given one by one, and
    every question about the network is in ``network``.
    """

    get: Callable[[Location], Optional[bytes]]
    asked: list[str] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    loaded: dict[Location, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    terminal: Optional[Terminal] = None
    keys: Sequence[Press] = ()
    pictures: list[Optional[Picture]] = field(default_factory=list)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    leases: list[Lease] = field(default_factory=list)
    network: list[Effect] = field(default_factory=list)
    forms: list[Optional[Form]] = field(default_factory=list)
    redirects: dict[str, Location] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    slept: float = 0.0
    waited: float = 0.0
    files: dict[int, bytes] = field(default_factory=dict)
    kernel: Optional[bytes] = None
    ramdisk: bytes = b""
    modules: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        self._script = list(self.keys)

    def drive(self, loader: Generator[Effect, Any, T]) -> T:
        """Answer until the loader ends."""
        reply: object = None
        while True:
            try:
                reply = self._answer(loader.send(reply))
            except StopIteration as end:
                result: T = end.value
                return result

    def _answer(self, effect: Effect) -> object:
        handler: Callable[[Any], object] = getattr(self, f"_{type(effect).__name__.lower()}")
        return handler(effect)

    def _log(self, effect: Log) -> None:
        self.log.append(effect.text)
        if effect.warning:
            self.warnings.append(effect.text)

    def _fetch(self, effect: Fetch) -> Fetched:
        self.asked.append(str(effect.location))
        data = self.get(effect.location)
        return Fetched(None, "not-found") if data is None else Fetched(data[: effect.limit + 1])

    def _findterminal(self, effect: FindTerminal) -> Optional[Terminal]:
        return self.terminal

    def _show(self, effect: Show) -> KeyPress:
        """The next key; when there is none left, the time passes."""
        assert self.terminal is not None, "shown to nobody"
        self.pictures.append(effect.picture)
        for row in () if effect.picture is None else effect.picture.rows:
            assert all(span.text.isprintable() for span in row.spans), row
        passed, key = 0.0, None
        while self._script and key is None:
            item = self._script.pop(0)
            if isinstance(item, (str, Terminal)):
                self.terminal = item if isinstance(item, Terminal) else self.terminal
                key = item if isinstance(item, str) else "resize"
            elif effect.seconds is not None and passed + item > effect.seconds:
                self._script.insert(0, passed + item - effect.seconds)
                break
            else:
                passed += item
        if key is None and effect.seconds is None:
            raise Aborted("the terminal was closed")
        passed = passed if key is not None else effect.seconds or 0.0
        self.waited += passed
        return KeyPress(key, passed, self.terminal)

    def _print(self, effect: Print) -> None:
        assert all(ch.isprintable() or ch in "\n\b" for ch in effect.text), effect.text
        self.printed += effect.text

    def _runlua(self, effect: RunLua) -> Generator[LuaCall, Any, str]:
        return lua.script(effect)

    def _sleep(self, effect: Sleep) -> None:
        self.slept += effect.seconds

    def _readclock(self, effect: ReadClock) -> int:
        return 1_800_000_000 + int(self.slept)

    def keep(self, data: bytes, location: Optional[Location] = None) -> ScriptFile:
        """A script file of ``data``."""
        handle = max(self.files, default=0) + 1
        self.files[handle] = data
        return ScriptFile(handle, len(data), data[:1024], location)

    def _download(self, effect: Download) -> ScriptFile:
        self.asked.append(str(effect.location))
        self.locations.append(effect.location)
        self.forms.append(effect.form)
        location = self.redirects.get(str(effect.location), effect.location)
        if str(location) in self.causes:
            return ScriptFile(None, error="it failed", cause=self.causes[str(location)])
        data = self.get(location)
        return ScriptFile(None, error="not-found") if data is None else self.keep(data, location)

    def _readfile(self, effect: ReadFile) -> bytes:
        return self.files[effect.handle][effect.offset : effect.offset + effect.count]

    def _dropfile(self, effect: DropFile) -> None:
        del self.files[effect.handle]

    def _computedigest(self, effect: ComputeDigest) -> str:
        return hashlib.new(effect.algorithm, self.files[effect.handle]).hexdigest()

    def _unpack(self, effect: Unpack) -> ScriptFile:
        try:
            return self.keep(zlib.decompress(self.files[effect.handle], wbits=47))
        except zlib.error as why:
            return ScriptFile(None, error=str(why))

    def _verify(self, effect: Verify) -> str:
        """A signature is good if it is the content backwards, and a signer if it is called so in it."""
        good = self.files[effect.signature] == self.files[effect.handle][::-1]
        return "" if good and effect.signer in ("", "good") else "the signature does not fit"

    def _keepdata(self, effect: KeepData) -> ScriptFile:
        return self.keep(effect.data, effect.location)

    def _identify(self, effect: Identify) -> Optional[Identified]:
        data = self.files[effect.handle]
        try:
            info = identify.identify(data, len(data))
        except Refused:
            return None
        return Identified(info.format, info.multiboot)

    def _assemble(self, effect: Assemble) -> Loaded:
        self.kernel = self.files[effect.kernel]
        self.ramdisk = b"".join(
            part if isinstance(part, bytes) else self.files[part] for part in effect.parts
        )
        self.modules = tuple(self.files[handle] for handle in effect.modules)
        return Loaded(True)

    def _setaddress(self, effect: SetAddress) -> str:
        self.network.append(effect)
        return ""

    def _rundhcp(self, effect: RunDhcp) -> Leased:
        self.network.append(effect)
        return Leased(self.leases.pop(0)) if self.leases else Leased(None, "no DHCP server answered")

    def _changevlan(self, effect: ChangeVlan) -> str:
        self.network.append(effect)
        return ""

    def _resolve(self, effect: Resolve) -> Resolved:
        self.network.append(effect)
        found = self.names.get(effect.name, ())
        return Resolved(found, "" if found else "no such name")

    def _ping(self, effect: Ping) -> int:
        self.network.append(effect)
        return effect.count if effect.host in self.names else 0

    def _load(self, effect: Load) -> Loaded:
        """A file of no bytes is not there, as for PXELINUX; a kernel has a tag of oracle.kernel() in it."""
        entry = effect.entry
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


def serving(files: Mapping[str, Union[str, bytes]], **more: Any) -> Replay:
    """A replay from file names (or whole URLs) to content; ``@kernel`` is one. ``more`` is for Replay."""

    def get(location: Location) -> Optional[bytes]:
        found = files.get(str(location), files.get(location.path) if location.scheme == "tftp" else None)
        return oracle.content(location.name, found) if isinstance(found, str) else found

    return Replay(get, **more)


def boot(config: Union[str, bytes], *, lease: Lease = LEASE, guest: Guest = GUEST, **more: Any) -> Choice:
    """What ``config`` as the default configuration boots; ``k``, ``k2`` are kernels, ``i``, ``i2`` initrds.

    ``files`` adds files to the server.
    """
    return attended(config, (), lease=lease, guest=guest, terminal=None, **more)[0]


def attended(
    config: Union[str, bytes],
    keys: Sequence[Press],
    *,
    lease: Lease = LEASE,
    guest: Guest = GUEST,
    terminal: Optional[Terminal] = TERMINAL,
    **more: Any,
) -> tuple[Choice, Replay]:
    """What ``config`` boots when somebody presses ``keys``, and what was seen meanwhile."""
    files = {"k": "@kernel", "k2": "@kernel", "i": "initrd", "i2": "initrd2", "pxelinux.cfg/default": config}
    replay = serving({**files, **more.pop("files", {})}, keys=keys, terminal=terminal)
    return replay.drive(ldlinux.boot(BootRequest(boot_info.boot_source(lease), guest, lease, **more))), replay


def script(
    text: Union[str, bytes],
    *,
    replay: Optional[Replay] = None,
    lease: Lease = LEASE,
    guest: Guest = GUEST,
    **more: Any,
) -> tuple[Choice, Replay]:
    """What the iPXE script ``text`` boots; ``k``, ``k2`` are kernels, ``i``, ``i2`` initrds.

    ``files`` adds files to the server; ``replay`` comes with everything else that is to be different.
    """
    files = {"k": "@kernel", "k2": "@kernel", "i": "initrd", "i2": "initrd2", **more.pop("files", {})}
    served = serving({**files, "boot.ipxe": text})
    replay = replay or served
    replay.get = served.get
    source = BootSource(Kind.IPXE, "10.77.0.1", "::", bootfile=Location("tftp", "10.77.0.1", "boot.ipxe"))
    return replay.drive(ipxe.boot(BootRequest(source, guest, lease, **more))), replay


GRUB = BootSource(Kind.GRUB, "10.77.0.1", "::", bootfile=Location("tftp", "10.77.0.1", "grub/grub.0"))


def grub_config(
    text: Union[str, bytes],
    keys: Sequence[Press] = (),
    *,
    terminal: Optional[Terminal] = None,
    source: BootSource = GRUB,
    lease: Lease = LEASE,
    guest: Guest = GUEST,
    **more: Any,
) -> tuple[Choice, Replay]:
    """What the grub.cfg ``text`` boots; ``/k``, ``/k2`` are kernels, ``/i``, ``/i2`` initrds.

    With ``keys`` or a ``terminal`` somebody is there. ``files`` adds files to the server.
    """
    files = {"/k": "@kernel", "/k2": "@kernel", "/i": "initrd", "/i2": "initrd2", **more.pop("files", {})}
    served = serving({"/grub/grub.cfg": text, **files}, keys=keys)
    served.terminal = terminal or (TERMINAL if keys else None)
    return served.drive(grub.boot(BootRequest(source, guest, lease, **more))), served
