"""lua.c32: do for a script what it asks of the loader.

The functions are those of SYSLINUX 6.04 (com32/lua/src/syslinux.c, dmi.c). A script goes on where what it
wanted to boot does not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Optional

from pypxeboot.dataclass import dataclass, replace
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
from pypxeboot.entry import Action, Choice, Entry
from pypxeboot.errors import ConfigError, Refused
from pypxeboot.picture import KeyPress
from pypxeboot.syslinux.com32.linux import LinuxC32
from pypxeboot.syslinux.com32.module import Com32Api, Com32Listing, Com32Module, Invocation
from pypxeboot.syslinux.com32.unresolved import RamdiskFile, UnresolvedEntry
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
class LuaC32(Com32Module):
    """lua.c32: the script ``name`` with its arguments."""

    name: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Read the script's name and its arguments."""
        words = invocation.words
        return cls(words[0], tuple(words[1:])) if words else invocation.nothing("was given no script")

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Run the script until it has booted something; one that boots nothing returns to the prompt.

        Raises ConfigError for a script that is not there or has an error, Refused where there is no Lua.
        """
        api.count_step()
        source = yield from api.files.read(self.name)
        if source is None:
            raise ConfigError(f"the Lua script {printable(self.name)!r} is not there")
        running: Generator[LuaCall, tuple[ScriptValue, ...], str] = yield RunLua(
            source, self.name, self.arguments, api.config_path, VERSION
        )
        choice = yield from _ScriptRun(api).run(running, self.name)
        if choice is None and api.error is None:
            why = f"the script {printable(self.name)!r} boots nothing"
            api.fail(ConfigError(f"{api.where(self.name)}: {why}"))
        return choice

    def describe(self, listing: Com32Listing) -> Entry:
        """Name the script that would run."""
        return listing.meaning(f"Lua script {self.name}")


class _ScriptRun:
    """One run of a script: its calls are methods, what boots sets ``choice``."""

    def __init__(self, api: Com32Api) -> None:
        self._api = api
        self._printed = 0
        self._slept = 0.0
        self.choice: Optional[Choice] = None

    def run(
        self, running: Generator[LuaCall, tuple[ScriptValue, ...], str], name: str
    ) -> Steps[Optional[Choice]]:
        """Answer the calls of the script ``name`` until it ends, or something boots."""
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
        """Do what a call asks for, and give what it returns to the script. What boots sets ``choice``."""
        method: Callable[..., Steps[object]] = getattr(self, f"_{call.name}")
        value: Any = yield from method(*call.arguments)
        return value if isinstance(value, tuple) else (value,)

    # Each of these is a function that lua/prelude.lua calls.

    def _run_command(self, command: str) -> Steps[None]:
        self.choice = yield from self._api.run(command)

    def _run_default(self) -> Steps[None]:
        self.choice = yield from self._api.run(None)

    def _local_boot(self) -> Steps[None]:
        yield Log("the Lua script boots the disk")
        self.choice = self._api.end(Action.LOCALBOOT)

    def _reboot(self) -> Steps[None]:
        yield Log("the Lua script reboots")
        self.choice = self._api.end(Action.REBOOT)

    def _boot_linux(self, kernel: str, line: str) -> Steps[None]:
        """Boot what linux.c32 would with this command line."""
        module = LinuxC32.parse(Invocation("linux", f"{kernel} {line}", self._api.guest.arch))
        if isinstance(module, LinuxC32):
            entry = replace(module.entry, packed=(), dtb=None)
            self.choice = yield from self._api.boot(entry)

    def _run_kernel_image(self, file: str, line: str, append: float, kind: float) -> Steps[None]:
        """Boot a file by its type; a module by its name: its number has changed over the years."""
        number = int(kind) if 0 <= kind < len(_TYPES) else 0
        word = "" if file.endswith(".c32") or not number else f".{_TYPES[number]} "
        mask = int(append) if 0 <= append < 2**32 else 0
        parts = [word + file, line, *self._api.sysappend(mask)]
        self.choice = yield from self._api.run(" ".join(part for part in parts if part))

    def _boot_it(self, kernel: str, line: str, *parts: str) -> Steps[None]:
        """Boot with the command line "as it is"; ``parts`` are triples of what goes into the ramdisk."""
        initrds: list[str] = []
        packed: list[RamdiskFile] = []
        for kind, name, data in zip(parts[::3], parts[1::3], parts[2::3]):
            if kind == "load":
                initrds.append(name)
            elif kind == "wrap":
                packed.append(RamdiskFile(name, name.rpartition("/")[2]))
            else:
                packed.append(RamdiskFile(None, name, encode(data)))
        self.choice = yield from self._api.boot(UnresolvedEntry(kernel, line, initrds, packed=packed))

    def _sleep(self, seconds: float) -> Steps[None]:
        """Sleep; shorter without a terminal, where nobody sees a count-down."""
        watched = yield FindTerminal()
        amount = min(max(float(seconds), 0.0), 3600.0)
        if watched is None:
            amount = min(amount, SLEEP_LIMIT - self._slept)
            self._slept += amount
        if amount > 0:
            yield Sleep(amount)

    def _get_key(self, seconds: float) -> Steps[int]:
        """Get the number of a key; -1 if none was pressed, and at once without a terminal."""
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
        return (yield from self._api.files.exists(name))

    def _size(self, name: str) -> Steps[int]:
        reply: Fetched = yield Fetch(self._api.files.locate(name), _SIZE_LIMIT)
        return len(reply.data or b"")

    def _source(self, name: str) -> Steps[tuple[ScriptValue, ...]]:
        data = yield from self._api.files.read(name)
        return (None, f"{name} is not there") if data is None else (decode(data), None)

    def _ipappend_strs(self) -> Steps[tuple[ScriptValue, ...]]:
        yield from ()
        return tuple(text or "" for text in self._api.strings)

    def _dmi(self) -> Steps[tuple[ScriptValue, ...]]:
        yield from ()
        smbios: Mapping[str, str] = self._api.guest.smbios
        known = [(*where, smbios[name]) for name, where in _DMI.items() if name in smbios]
        if self._api.guest.uuid:
            known.append(("system", "uuid", self._api.guest.uuid.upper()))
        return tuple(word for triple in known for word in triple)

    def _cpu(self) -> Steps[tuple[ScriptValue, ...]]:
        yield from ()
        return ("vendor", "", "cores", 1, "lm", self._api.guest.arch == "x86_64", "hypervisor", True)
