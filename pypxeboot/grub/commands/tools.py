"""Commands about texts, files and keys that scripts ask whether they succeed (commands/tr.c, keystatus.c).

That matters: a command that GRUB does not know is an error on the screen, and a success to ``if``.
"""

from __future__ import annotations

from pypxeboot.effects import Steps
from pypxeboot.grub.commands.table import Flag, GrubCommands, parse
from pypxeboot.grub.engine import devices
from pypxeboot.grub.engine.machine import Call, Grub
from pypxeboot.grub.engine.status import CommandError, ErrorNumber

COMMANDS = GrubCommands()

_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_TR = (Flag("set", "s", value=True), Flag("upcase", "U"), Flag("downcase", "D"))


@COMMANDS.command("tr")
def _tr(machine: Grub, call: Call) -> Steps[int]:
    """Translate characters of a text, for a variable (``--set``) or to be printed."""
    found = parse(call.arguments, _TR)
    words = found.arguments
    if "upcase" in found.options:
        words = [_LOWER, _UPPER, *words]
    elif "downcase" in found.options:
        words = [_UPPER, _LOWER, *words]
    if len(words) != 3:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "wrong argument count")
    before, after, text = words
    if len(before) != len(after):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "set sizes did not match")
    # The first of equal characters counts, as strchr() finds it.
    changed = text.translate(dict(zip(map(ord, reversed(before)), reversed(after))))
    name = found.get("set")
    if name is None:
        yield from machine.say(changed)
    else:
        machine.environment.set(name, changed)
    return ErrorNumber.NONE


@COMMANDS.command("keystatus")
def _keystatus(machine: Grub, call: Call) -> Steps[int]:
    """Say whether a key is held, Shift for one: none is. Without an option: whether that can be known."""
    yield from ()
    found = parse(call.arguments, (Flag("shift", "s"), Flag("ctrl", "c"), Flag("alt", "a")))
    return ErrorNumber.TEST_FAILURE if found.options else ErrorNumber.NONE


@COMMANDS.command("cmp")
def _cmp(machine: Grub, call: Call) -> Steps[int]:
    """Compare two files, for eyes: it succeeds where both can be read."""
    if len(call.arguments) != 2:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "two arguments expected")
    for name in call.arguments:
        yield from _check_file(machine, name)
    return ErrorNumber.NONE


_HASHES = frozenset(
    "adler32 crc24-rfc2440 crc32 crc32-rfc1510 md4 md5 ripemd160 sha1 sha224 sha256 sha384 sha512 tiger"
    " whirlpool".split()
)
_HASHSUM = (
    Flag("hash", "h", value=True),
    Flag("check", "c", value=True),
    Flag("prefix", "p", value=True),
    Flag("keep-going", "k"),
    Flag("uncompress", "u"),
)


@COMMANDS.command("hashsum md5sum sha1sum sha256sum sha512sum crc")
def _hashsum(machine: Grub, call: Call) -> Steps[int]:
    """Print digests of files, for eyes: it succeeds where they can be read. Lists of them are not checked."""
    found = parse(call.arguments, _HASHSUM)
    if call.name == "hashsum" and "hash" not in found.options:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "hash is not specified")
    if "hash" in found.options and (found.get("hash") or "").lower() not in _HASHES:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "unknown hash")
    if "check" in found.options:
        raise CommandError(ErrorNumber.NOT_IMPLEMENTED, "lists of digests are not checked here")
    for name in found.arguments:
        yield from _check_file(machine, name)
    return ErrorNumber.NONE


def _check_file(machine: Grub, text: str) -> Steps[None]:
    """Find out whether a file can be read. Raises CommandError where it cannot."""
    if devices.built_in(machine, text) is None:
        yield from devices.check(machine, text)


@COMMANDS.command("gettext")
def _gettext(machine: Grub, call: Call) -> Steps[int]:
    """Print a text, which is translated into no language here."""
    if len(call.arguments) != 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "text to translate is required")
    yield from machine.say(call.arguments[0])
    return ErrorNumber.NONE


@COMMANDS.command("time")
def _time(machine: Grub, call: Call) -> Steps[int]:
    """Run another command; how long it takes is not told."""
    words = list(call.arguments)
    while words[:1] == [call.name]:
        words.pop(0)
    if not words:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "command expected")
    name = words.pop(0)
    run = machine.commands.get(name)
    if run is None:
        raise CommandError(ErrorNumber.UNKNOWN_COMMAND, f"can't find command `{name}'")
    return (yield from run(machine, Call(name, words)))


@COMMANDS.command("date lspci lsmmap lsapm hello hexdump")
def _shows(machine: Grub, call: Call) -> Steps[int]:
    """Show something of a machine, to nobody here. These succeed whatever they are given."""
    yield from ()
    return ErrorNumber.NONE
