"""What decides: ``test``, ``[``, and ``regexp`` (commands/test.c, regexp.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from pypxeboot.effects import Steps
from pypxeboot.grub.commands.expressions import BadPattern, search
from pypxeboot.grub.commands.table import Flag, GrubCommands, parse
from pypxeboot.grub.engine import devices
from pypxeboot.grub.engine.machine import Call, Grub
from pypxeboot.grub.engine.memdisk import Memdisk
from pypxeboot.grub.engine.status import CommandError, ErrorNumber, number
from pypxeboot.text import encode, printable

COMMANDS = GrubCommands()

# Parentheses in one another.
_DEPTH = 30


def _number(text: str) -> int:
    """Return a number as test has it: 0 for what is none."""
    return -_unsigned(text[1:]) if text.startswith("-") else _unsigned(text)


def _unsigned(text: str) -> int:
    try:
        return number(text)[0]
    except CommandError as why:
        return 0xFFFFFFFF if why.status is ErrorNumber.OUT_OF_RANGE else 0


def _versions(left: str, right: str) -> tuple[int, int]:
    """Return the numbers at which two names differ ("compare numbers skipping prefixes")."""
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    same -= 1
    while same > 0 and left[same] in "0123456789":
        same -= 1
    return _unsigned(left[same + 1 :]), _unsigned(right[same + 1 :])


_BETWEEN: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: encode(a) < encode(b),
    "<=": lambda a, b: encode(a) <= encode(b),
    ">": lambda a, b: encode(a) > encode(b),
    ">=": lambda a, b: encode(a) >= encode(b),
    "-eq": lambda a, b: _number(a) == _number(b),
    "-ge": lambda a, b: _number(a) >= _number(b),
    "-gt": lambda a, b: _number(a) > _number(b),
    "-le": lambda a, b: _number(a) <= _number(b),
    "-lt": lambda a, b: _number(a) < _number(b),
    "-ne": lambda a, b: _number(a) != _number(b),
    "-pgt": lambda a, b: _versions(a, b)[0] > _versions(a, b)[1],
    "-plt": lambda a, b: _versions(a, b)[0] < _versions(a, b)[1],
}


class _Expression:
    """The arguments of one ``test``, read from left to right: ``-a`` binds, ``-o`` begins anew."""

    def __init__(self, machine: Grub, words: list[str]) -> None:
        self._machine, self._words = machine, words
        self._at = 0

    def value(self, depth: int = 0) -> Steps[bool]:
        if depth > _DEPTH:
            raise CommandError(ErrorNumber.BAD_ARGUMENT, f"more than {_DEPTH} parentheses in one another")
        either, every, inverted = False, True, False
        while self._at < len(self._words):
            self._machine.budget.step()
            word = self._words[self._at]
            found = yield from self._test()
            if found is None:
                self._at += 1
                if word == ")":
                    return either or every
                if word == "(":
                    found = yield from self.value(depth + 1)
                elif word == "!":
                    inverted = not inverted
                    continue
                elif word == "-a":
                    continue
                elif word == "-o":
                    either, every = either or every, True
                    continue
                else:
                    found = bool(word)
            every = every and found is not inverted
            inverted = False
        return either or every

    def _test(self) -> Steps[Optional[bool]]:
        """Evaluate the test of three or two words that stands here; None if there is none."""
        words = self._words[self._at : self._at + 3]
        if len(words) == 3:
            between = _BETWEEN.get(words[1])
            if between is not None:
                self._at += 3
                return between(words[0], words[2])
            if words[1][:3] in ("-nt", "-ot"):  # files of the network have no times
                self._at += 3
                return False
        if len(words) >= 2 and words[0] in ("-d", "-e", "-f", "-s", "-n", "-z"):
            self._at += 2
            return (yield from self._unary(words[0], words[1]))
        return None

    def _unary(self, test: str, word: str) -> Steps[bool]:
        if test == "-n":
            return word != ""
        if test == "-z":
            return word == ""
        try:
            inside = devices.memdisk_path(self._machine, word)
            if inside is not None and self._machine.memdisk is not None:
                return _is_there(self._machine.memdisk, test, inside)
            if test == "-s":
                place, reply = yield from devices.peek(self._machine, word)
                # A page that says "not found" is as long as any other: the real one opens it, too.
                is_page = place.scheme != "tftp" and reply.error == "not-found"
                return bool(reply.data) or is_page
            # The network has no directories: "grub_net_fs_dir" finds nothing but the device itself.
            name = devices.FileName.of(word)
            devices.server_of(self._machine, devices.device_of(self._machine, name))
            is_device = not name.path.strip("/")
            if not is_device and test != "-d":
                self._machine.unlisted = self._machine.unlisted or f"[ {test} {printable(word, 200)} ]"
            return test != "-f" and is_device
        except CommandError:
            return False


def _is_there(disk: Memdisk, test: str, path: str) -> bool:
    data, directory = disk.get(path), disk.is_directory(path)
    known = {"-e": data is not None or directory, "-f": data is not None, "-d": directory, "-s": bool(data)}
    return known[test]


@COMMANDS.command("test [")
def _test(machine: Grub, call: Call) -> Steps[int]:
    words = call.arguments[:-1] if call.arguments[-1:] == ["]"] else call.arguments
    return ErrorNumber.NONE if (yield from _Expression(machine, words).value()) else ErrorNumber.TEST_FAILURE


@COMMANDS.command("regexp")
def _regexp(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    found = parse(call.arguments, (Flag("set", "s", value=True),))
    if len(found.arguments) != 2:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "two arguments expected")
    pattern, text = found.arguments
    try:
        groups = search(pattern, text, machine.budget.step)
    except BadPattern:
        raise CommandError(ErrorNumber.TEST_FAILURE) from None
    if groups is None:
        return ErrorNumber.TEST_FAILURE
    for target in found.values("set"):
        which, colon, name = target.partition(":")
        at, rest = number(which, 10) if colon else (1, "")
        if rest:
            raise CommandError(ErrorNumber.BAD_ARGUMENT, f"invalid variable name format {target}")
        value = groups[at] if at < len(groups) else None
        if value is None:
            machine.environment.unset(name if colon else target)
        else:
            machine.environment.set(name if colon else target, value)
    return ErrorNumber.NONE
