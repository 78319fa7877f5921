"""Parse the part of the SYSLINUX language that U-Boot reads, in its own way (boot/pxe_utils.c).

Only a line feed ends a line: a carriage return stays in the value, and one on a line of its own ends a label,
as does every word that U-Boot does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import Steps
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.config.skipped import SkippedLines
from pypxeboot.text import decode, printable

# MAX_NEST_LEVEL.
INCLUDE_DEPTH = 16

_NUMBER = re.compile(r"-?[0-9]{1,9}")
_FIELDS = {
    "kernel": "kernel",
    "linux": "kernel",
    "fit": "kernel",
    "append": "append",
    "initrd": "initrd",
    "fdt": "fdt",
    "devicetree": "fdt",
    "fdtdir": "fdtdir",
    "devicetreedir": "fdtdir",
    "fdtoverlays": "overlays",
    "devicetree-overlay": "overlays",
}
# A second one of these is not read: its value is taken for a word, and ends the label.
_ONCE = frozenset({"initrd", "fdt", "fdtdir", "overlays"})


@dataclass
class UbootLabel:
    """A LABEL; its name is the whole line."""

    name: str
    title: str = ""
    kernel: Optional[str] = None
    append: str = ""
    initrd: Optional[str] = None
    fdt: Optional[str] = None
    fdtdir: Optional[str] = None
    overlays: Optional[str] = None
    localboot: Optional[int] = None
    ipappend: int = 0


@dataclass
class UbootConfig:
    """A parsed configuration. ``timeout`` is in tenths of a second, 0 is for ever."""

    labels: list[UbootLabel] = field(default_factory=list)
    default: Optional[str] = None
    title: str = ""
    timeout: int = 0
    prompt: bool = False

    def label(self, name: Optional[str]) -> Optional[UbootLabel]:
        """Find the label of that name: of several, the last."""
        return next((label for label in reversed(self.labels) if label.name == name), None)


class _Scanner:
    """A file, word by word or up to the end of a line. None stands for the end of the line or file."""

    def __init__(self, text: str) -> None:
        self._text, self.at = text, 0

    def line(self, at: int) -> tuple[int, str]:
        """Return the number and the text of the line that ``at`` is in."""
        start = self._text.rfind("\n", 0, at) + 1
        return self._text.count("\n", 0, start) + 1, self._text[start:].partition("\n")[0]

    @property
    def over(self) -> bool:
        return self.at >= len(self._text)

    def _skip_blanks(self) -> None:
        while self._text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        if self._text[self.at : self.at + 1] == "#":
            self.skip_line()

    def skip_line(self) -> None:
        end = self._text.find("\n", self.at)
        self.at = len(self._text) if end < 0 else end

    def word(self) -> Optional[str]:
        """Read the next word in lower case, empty where a stray control stands; None at the end of a line."""
        self._skip_blanks()
        if self.over or self._text[self.at] == "\n":
            self.at += 1
            return None
        match = re.compile(r"[^ \t\n\v\f\r]*").match(self._text, self.at)
        assert match is not None
        self.at = match.end()
        return match[0].lower()

    def value(self, word: str) -> str:
        """Read the rest of the line. An empty one is an error that makes U-Boot reject the whole file."""
        self._skip_blanks()
        start = self.at
        self.skip_line()
        if self.at == start:
            raise ConfigError(
                f"{printable(word).upper()} has no value, and U-Boot rejects the whole configuration then"
            )
        return self._text[start : self.at]

    def number(self, word: str) -> int:
        """Read the rest of the line as a decimal number, 0 if it is not one."""
        match = _NUMBER.match(self.value(word))
        return int(match[0]) if match else 0


class UbootParser:
    """Reads a file and what it includes; ``read`` gets a file by name."""

    def __init__(self, read: Callable[[str], Steps[Optional[bytes]]]) -> None:
        self._read = read
        self._depth = 0
        self.config = UbootConfig()
        self.skipped = SkippedLines()

    def file(self, data: bytes, name: str = "configuration") -> Steps[None]:
        """Read one file, which messages call ``name``. Raises ConfigError where U-Boot rejects all of it."""
        scanner, config = _Scanner(decode(data.partition(b"\0")[0])), self.config
        while not scanner.over:
            start = scanner.at
            word = scanner.word()
            if word is None:
                continue
            if word == "menu":
                config.prompt = True
                yield from self._menu(scanner)
            elif word == "label":
                self._label(scanner)
            elif word == "include":
                yield from self._include(scanner)
            elif word == "timeout":
                config.timeout = max(0, scanner.number(word))
            elif word in ("default", "ontimeout"):
                config.default = scanner.value(word)
            elif word == "fallback":  # for a boot that U-Boot was told to be the second try
                scanner.value(word)
            elif word == "prompt":
                self._prompt(scanner)
            else:
                number, line = scanner.line(start)
                self.skipped.judge_uboot(f"{name} line {number}", line, word)
                scanner.skip_line()

    def _prompt(self, scanner: _Scanner) -> None:
        try:
            self.config.prompt = scanner.number("prompt") != 0
        except ConfigError:  # the one word that may lack its value
            scanner.skip_line()

    def _menu(self, scanner: _Scanner) -> Steps[None]:
        word = scanner.word()
        if word is None:
            return
        if word == "title":
            self.config.title = scanner.value(word)
        elif word == "include":
            yield from self._include(scanner)
        scanner.skip_line()

    def _include(self, scanner: _Scanner) -> Steps[None]:
        name = scanner.value("include")
        if self._depth == INCLUDE_DEPTH:
            raise ConfigError(f"boot configuration files include each other more than {INCLUDE_DEPTH} deep")
        data = yield from self._read(name)
        if data is None:
            raise ConfigError(
                f"INCLUDE {printable(name)}: not there, and U-Boot rejects the whole configuration then"
            )
        self._depth += 1
        yield from self.file(data, printable(name))
        self._depth -= 1

    def _label(self, scanner: _Scanner) -> None:
        """Read a label until a word that is none of its own, which is left for the level above."""
        label = UbootLabel(scanner.value("label"))
        self.config.labels.append(label)
        while not scanner.over:
            start = scanner.at
            word = scanner.word()
            if word is None or word == "kaslrseed":
                continue
            if word == "menu":
                self._label_menu(scanner, label)
            elif word == "localboot":
                label.localboot = scanner.number(word)
            elif word == "ipappend":
                label.ipappend = scanner.number(word)
            elif word == "say":
                scanner.value(word)
            elif word in _FIELDS:
                self._set(label, _FIELDS[word], scanner, word)
            else:
                scanner.at = start
                return

    def _set(self, label: UbootLabel, name: str, scanner: _Scanner, word: str) -> None:
        if name in _ONCE and getattr(label, name) is not None:
            return
        setattr(label, name, scanner.value(word))
        if name == "append" and label.initrd is None:
            # One file: a comma is part of its name. At the end of the line U-Boot 2022 computes its length
            # from a null pointer; here the name ends there.
            _, found, rest = label.append.partition("initrd=")
            label.initrd = rest.partition(" ")[0] if found else None

    def _label_menu(self, scanner: _Scanner, label: UbootLabel) -> None:
        word = scanner.word()
        if word is None:
            return
        if word == "default" and self.config.default is None:
            self.config.default = label.name
        elif word == "label":
            try:
                label.title = scanner.value(word)
            except ConfigError:  # not looked at there
                return
        scanner.skip_line()
