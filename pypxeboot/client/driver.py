"""Performs what loaders ask for: every effect of ``effects.py`` has its answer here or next door."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Optional, TypeVar, Union

from pypxeboot import effects
from pypxeboot.client.entry_files import Downloads, ScriptInstead
from pypxeboot.client.network import GuestNet
from pypxeboot.client.script_files import ScriptFiles
from pypxeboot.client.terminal import HostTerminal, TerminalEffects
from pypxeboot.client.time_spent import TimeSpent
from pypxeboot.effects import Effect, Fetch, Fetched, Load, Loaded, Log, RunIpxe, RunIpxeScript, Steps
from pypxeboot.entry import Choice
from pypxeboot.errors import (
    ConfigError,
    FetchError,
    InternalError,
    NotFound,
    PxeBootError,
    Refused,
    ServerError,
)
from pypxeboot.lua import script
from pypxeboot.plan import Plan
from pypxeboot.privsep.channel import Closed
from pypxeboot.url import Location

T = TypeVar("T")
Start = Union[RunIpxeScript, RunIpxe]

log = logging.getLogger(__name__)

_FAILED: dict[type, Callable[[InternalError], object]] = {
    Fetch: lambda why: Fetched(None, why.message),
    Load: lambda why: Loaded(False, why.message, InternalError, why.hint),
    effects.Assemble: lambda why: Loaded(False, why.message, InternalError, why.hint),
    effects.Download: lambda why: effects.ScriptFile(None, error=why.message),
    effects.Unpack: lambda why: effects.ScriptFile(None, error=why.message),
    effects.ComputeDigest: lambda _why: "",
    effects.Verify: lambda why: why.message,
    effects.KeepData: lambda why: effects.ScriptFile(None, error=why.message),
    effects.Identify: lambda _why: None,
    effects.SetAddress: lambda why: why.message,
    effects.RunDhcp: lambda why: effects.Leased(None, why.message),
    effects.ChangeVlan: lambda why: why.message,
    effects.Resolve: lambda why: effects.Resolved((), why.message),
    effects.Ping: lambda _why: 0,
}
"""The replies to effects that failed."""

_WAITS: dict[type, str] = {
    effects.Sleep: "a sleep of the script",
    effects.Ping: "the script's ping of {0.host}",
    effects.Resolve: "looking up {0.name} in the DNS",
    effects.Download: "",
    Fetch: "",
}
"""What a loader may wait for, in words; downloads are counted by their servers."""

_NESTING = 8  # loaders that started each other: a script, a PXELINUX it chains, a script in that one's menu


class Driver:
    """Drives loaders. ``start`` is how one of them starts another; ``spent`` counts what they wait for."""

    def __init__(
        self,
        plan: Plan,
        terminal: HostTerminal,
        downloads: Downloads,
        files: ScriptFiles,
        network: GuestNet,
        start: Callable[[Start], Choice],
    ) -> None:
        self.plan, self.downloads, self._files, self._start = plan, downloads, files, start
        self.warnings: list[str] = []
        downloads.warn = self.warn
        self.spent = TimeSpent()
        self._silent: dict[tuple[str, str, Optional[int]], FetchError] = {}
        self._depth = 0
        self._terminal = TerminalEffects(plan, terminal, downloads.fetcher.deadline, self.warn)
        handlers: dict[type, Callable[[Any], object]] = {
            Fetch: self.fetch,
            Load: self.load,
            RunIpxeScript: self._run,
            RunIpxe: self._run,
            Log: self._log,
            effects.RunLua: script.script,
            **self._terminal.handlers,
            effects.ReadClock: lambda _effect: int(time.time()),
            effects.Download: files.download,
            effects.ReadFile: files.read,
            effects.DropFile: files.drop,
            effects.ComputeDigest: files.digest,
            effects.Unpack: files.unpack,
            effects.Verify: self._verify,
            effects.KeepData: files.keep,
            effects.Identify: files.identify,
            effects.Assemble: files.assemble,
            effects.SetAddress: network.configure,
            effects.RunDhcp: network.redhcp,
            effects.ChangeVlan: network.vlan,
            effects.Resolve: network.lookup,
            effects.Ping: network.ping,
        }
        self._handlers = {kind: self._guarded(kind, handler) for kind, handler in handlers.items()}

    def _guarded(self, kind: type, handler: Callable[[Any], object]) -> Callable[[Any], object]:
        """Return ``handler``, which fails as its effect can fail where something happens that nobody foresaw.

        So a file that a parser stumbles over is one that cannot be used, and the loader goes on from there.
        """
        failed = _FAILED.get(kind)
        if failed is None:
            return handler

        def guarded(effect: Any) -> object:
            try:
                return handler(effect)
            except (PxeBootError, Closed):
                raise
            except Exception as why:
                log.debug("where it failed", exc_info=True)
                error = InternalError.of(why)
                self.warn(error.message)
                return failed(error)

        return guarded

    def run(self, steps: Steps[T]) -> T:
        """Do what a loader asks for, until it has come to its result."""
        reply: object = None
        while True:
            try:
                effect: Effect = steps.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            self._terminal.before(effect)
            began = time.monotonic()
            reply = self._handlers[type(effect)](effect)
            if type(effect) in _WAITS:
                self._count_wait(effect, time.monotonic() - began)

    def _count_wait(self, effect: Any, seconds: float) -> None:
        """Count what ``effect`` took. Raises FetchError where the time of the boot is over with it.

        What is left of a script would fail then, and look as if it led to the local disk.
        """
        what = _WAITS[type(effect)]
        if what:
            self.spent.add(what.format(effect), seconds)
        if time.monotonic() >= self.downloads.fetcher.deadline.at:
            raise FetchError("not done in time", cause="timeout")

    def fetch(self, effect: Fetch) -> Fetched:
        """Return a small file. Raises FetchError where a server does not answer for the second time."""
        location = effect.location
        server = (location.scheme, location.host, location.port)
        if server in self._silent:
            raise self._silent[server]
        try:
            return Fetched(self.downloads.fetcher.small(effect.location, effect.limit, head=effect.head))
        except NotFound as why:
            plain = why.cause in ("", "tftp-1", "http-404", "http-410")
            return Fetched(None, "not-found", "" if plain else why.message.replace(f"{location}: ", "", 1))
        except Refused as why:
            if not effect.head:
                raise
            return Fetched(None, why.message.replace(f"{location}: ", "", 1))  # it was only looked into
        except FetchError as why:
            # To PXELINUX a file that does not come is not there.
            self.note(location, why)
            said = why.message.replace(f"{location}: ", "", 1)
            return Fetched(None, said, said)

    def note(self, location: Location, why: FetchError) -> None:
        """Take note of a server that does not answer: none is waited for twice."""
        if not isinstance(why, (NotFound, ServerError)):
            self._silent[location.scheme, location.host, location.port] = why

    def load(self, effect: Load) -> Loaded:
        """Return the files of an entry."""
        if not self.plan.download:
            return Loaded(True)
        try:
            self.downloads.load(effect.entry)
        except ScriptInstead as why:
            return Loaded(False, why.message, Refused, script=True)
        except (FetchError, Refused) as why:
            return Loaded(False, why.message, type(why), why.hint)
        return Loaded(True)

    def _run(self, effect: Start) -> Choice:
        if self._depth == _NESTING:
            raise ConfigError("scripts and configurations lead to each other for ever")
        self._depth += 1
        try:
            return self._start(effect)
        finally:
            self._depth -= 1

    def _verify(self, effect: effects.Verify) -> str:
        from datetime import datetime, timezone

        from pypxeboot.signing import signature

        try:
            signed = self._files.read(effects.ReadFile(effect.signature, 0, signature.LIMIT + 1))
            pieces = self._files.pieces(effect.handle)
            return signature.check(signed, pieces, self.plan.trust, effect.signer, datetime.now(timezone.utc))
        except FetchError as why:  # of what --not-really had left out so far
            return why.message

    def _log(self, effect: Log) -> None:
        if effect.warning:
            self.warn(effect.text)
        else:
            log.info("%s", effect.text)

    def warn(self, text: str) -> None:
        """Log a line that also stands in the result: once, if -v has shown it as a failed request."""
        if text != self.downloads.fetcher.told or not log.isEnabledFor(logging.INFO):
            log.warning("%s", text)
        self.warnings.append(text)
