"""lua.c32: what a script asks of the loader, and what becomes of it.

The functions are those of SYSLINUX 6.04 (com32/lua/src/syslinux.c, dmi.c). A script goes on where what it
wanted to boot does not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from pypxeboot.effects import (
    Fetch,
    Fetched,
    FindTerminal,
    Log,
    LuaCall,
    Print,
    RunLua,
    ScriptValue,
    Show,
    Sleep,
    Steps,
)
from pypxeboot.entry import Action, Choice
from pypxeboot.errors import ConfigError, Refused
from pypxeboot.guest import Guest
from pypxeboot.picture import KeyPress
from pypxeboot.syslinux.config.files import Files
from pypxeboot.syslinux.loader import modules, sysappend
from pypxeboot.syslinux.loader.unresolved import Parts, Wrapped
from pypxeboot.text import decode, encode, printable

VERSION = "PXELINUX 6.04"
# Functions that a script may call, bytes that it may print, seconds that it may sleep without a terminal.
CALL_LIMIT = 10_000
PRINT_LIMIT = 64 * 1024
SLEEP_LIMIT = 10.0
# A file whose size is asked for is read: this much of it at most.
_SIZE_LIMIT = 64 << 20

_DMI = {
    "SYSVENDOR": ("system", "manufacturer"),
    "SYSPRODUCT": ("system", "product_name"),
    "SYSVERSION": ("system", "version"),
    "SYSSERIAL": ("system", "serial"),
    "SYSSKU": ("system", "sku_number"),
    "SYSFAMILY": ("system", "family"),
    "MBVENDOR": ("base_board", "manufacturer"),
    "MBPRODUCT": ("base_board", "product_name"),
    "MBVERSION": ("base_board", "version"),
    "MBSERIAL": ("base_board", "serial"),
    "MBASSET": ("base_board", "asset_tag"),
    "BIOSVENDOR": ("bios", "vendor"),
    "BIOSVERSION": ("bios", "version"),
}
# By number, in the order of IMAGE_TYPE.
_TYPES = ("kernel", "linux", "boot", "bss", "pxe", "fdimage", "com32", "config", "localboot")
_KEYS = {"backspace": 8, "tab": 9, "enter": 13, "escape": 27, "delete": 127}
_KEYS.update(
    zip(
        [*(f"f{n}" for n in range(1, 13)), *"up down left right page-up page-down home end insert".split()],
        range(256, 512),
    )
)


@dataclass(frozen=True)
class Site:
    """What a script runs in: the loader's files, and how it has something run or booted.

    ``run`` takes a command line, or None for the default; what cannot be booted gives None.
    """

    files: Files
    guest: Guest
    config: str
    strings: Sequence[Optional[str]]
    run: Callable[[Optional[str]], Steps[Optional[Choice]]]
    boot: Callable[[Parts], Steps[Optional[Choice]]]
    end: Callable[[Action], Choice]


def run(site: Site, script: modules.Lua) -> Steps[Optional[Choice]]:
    """Run a script until it has booted something; None if it ends without.

    Raises ConfigError for a script that is not there or has an error, Refused where there is no Lua.
    """
    source = yield from site.files.read(script.name)
    if source is None:
        raise ConfigError(f"the Lua script {printable(script.name)!r} is not there")
    running: Generator[LuaCall, tuple[ScriptValue, ...], str] = yield RunLua(
        source, script.name, script.arguments, site.config, VERSION
    )
    return (yield from _Run(site).until_booted(running, script.name))


class _Run:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._printed = 0
        self._slept = 0.0
        self._line = ""
        self.choice: Optional[Choice] = None

    def until_booted(
        self, running: Generator[LuaCall, tuple[ScriptValue, ...], str], name: str
    ) -> Steps[Optional[Choice]]:
        answer: Any = None
        for _ in range(CALL_LIMIT):
            try:
                call = running.send(answer)
            except StopIteration as end:
                if end.value:
                    why = printable(end.value.partition("\n")[0])
                    raise ConfigError(f"the Lua script {printable(name)!r} failed: {why}") from None
                return None
            answer = yield from self._answer(call)
            if self.choice is not None:
                return self.choice
        raise Refused(f"the Lua script {printable(name)!r} calls more than {CALL_LIMIT} functions")

    def _answer(self, call: LuaCall) -> Steps[tuple[ScriptValue, ...]]:
        """What the function returns to the script. What boots sets ``choice``."""
        method: Callable[..., Steps[object]] = getattr(self, f"_{call.name}")
        value: Any = yield from method(*call.arguments)
        return value if isinstance(value, tuple) else (value,)

    # Each of these is a function that lua/prelude.lua calls.

    def _run_command(self, command: str) -> Steps[None]:
        self.choice = yield from self._site.run(command)

    def _run_default(self) -> Steps[None]:
        self.choice = yield from self._site.run(None)

    def _local_boot(self) -> Steps[None]:
        yield Log("the Lua script boots the disk")
        self.choice = self._site.end(Action.LOCALBOOT)

    def _reboot(self) -> Steps[None]:
        yield Log("the Lua script reboots")
        self.choice = self._site.end(Action.REBOOT)

    def _boot_linux(self, kernel: str, line: str) -> Steps[None]:
        """As linux.c32 does."""
        plan = modules.interpret("linux", f"{kernel} {line}", self._site.guest.arch)
        if isinstance(plan, modules.Linux):
            self.choice = yield from self._site.boot(Parts(plan.kernel, plan.cmdline, plan.initrds))

    def _run_kernel_image(self, file: str, line: str, append: float, kind: float) -> Steps[None]:
        """By type; a module is one by its name, whose number has changed over the years."""
        number = int(kind) if 0 <= kind < len(_TYPES) else 0
        word = "" if file.endswith(".c32") or not number else f".{_TYPES[number]} "
        mask = int(append) if 0 <= append < 2**32 else 0
        parts = [word + file, line, *sysappend.selected(mask, self._site.strings)]
        self.choice = yield from self._site.run(" ".join(part for part in parts if part))

    def _boot_it(self, kernel: str, line: str, *parts: str) -> Steps[None]:
        """The command line "as it is"; ``parts`` are triples of what goes into the ramdisk."""
        initrds: list[str] = []
        wrapped: list[Wrapped] = []
        for kind, name, data in zip(parts[::3], parts[1::3], parts[2::3]):
            if kind == "load":
                initrds.append(name)
            elif kind == "wrap":
                wrapped.append(Wrapped(name, name.rpartition("/")[2]))
            else:
                wrapped.append(Wrapped(None, name, encode(data)))
        self.choice = yield from self._site.boot(Parts(kernel, line, initrds, wrapped=wrapped))

    def _sleep(self, seconds: Optional[float]) -> Steps[None]:
        """Nobody sees a count-down without a terminal: there it is cut short."""
        watched = yield FindTerminal()
        amount = min(max(float(seconds or 0), 0.0), 3600.0)
        if watched is None:
            amount = min(amount, SLEEP_LIMIT - self._slept)
            self._slept += amount
        if amount > 0:
            yield Sleep(amount)

    def _get_key(self, seconds: float) -> Steps[int]:
        """The key's number; -1 if none was pressed, and without a terminal nobody waits for one."""
        watched = yield FindTerminal()
        if watched is None:
            return -1
        pressed: KeyPress = yield Show(None, float(seconds) if seconds > 0 else None)
        if pressed.key is None:
            return -1
        if len(pressed.key) == 1:
            return ord(pressed.key)
        letter = pressed.key[5:] if pressed.key.startswith("ctrl-") else ""
        return ord(letter) % 32 if letter else _KEYS.get(pressed.key, -1)

    def _print(self, text: str) -> Steps[None]:
        lines = [printable(line, 1000) for line in text.expandtabs().replace("\r", "\n").split("\n")]
        text = "\n".join(lines)[: max(PRINT_LIMIT - self._printed, 0)]
        self._printed += len(text)
        if text:
            yield Print(text)

    def _exists(self, name: str) -> Steps[bool]:
        return (yield from self._site.files.exists(name))

    def _size(self, name: str) -> Steps[int]:
        reply: Fetched = yield Fetch(self._site.files.locate(name), _SIZE_LIMIT)
        return len(reply.data or b"")

    def _source(self, name: str) -> Steps[tuple[ScriptValue, ...]]:
        data = yield from self._site.files.read(name)
        return (None, f"{name} is not there") if data is None else (decode(data), None)

    def _ipappend_strs(self) -> Steps[tuple[ScriptValue, ...]]:
        yield from ()
        return tuple(text or "" for text in self._site.strings)

    def _dmi(self) -> Steps[tuple[ScriptValue, ...]]:
        yield from ()
        smbios: Mapping[str, str] = self._site.guest.smbios
        known = [(*where, smbios[name]) for name, where in _DMI.items() if name in smbios]
        if self._site.guest.uuid:
            known.append(("system", "uuid", self._site.guest.uuid.upper()))
        return tuple(word for triple in known for word in triple)

    def _cpu(self) -> Steps[tuple[ScriptValue, ...]]:
        yield from ()
        return ("vendor", "", "cores", 1, "lm", self._site.guest.arch == "x86_64", "hypervisor", True)
