"""The commands that read other files: configurations, variables, texts (commands/configfile.c, loadenv.c)."""

from __future__ import annotations

from pypxeboot.effects import Log, Steps
from pypxeboot.grub.commands.table import Flag, GrubCommands, Parsed, parse
from pypxeboot.grub.engine import configuration, devices
from pypxeboot.grub.engine.machine import Call, Grub, Listed
from pypxeboot.grub.engine.status import CommandError, ErrorNumber
from pypxeboot.text import printable

COMMANDS = GrubCommands()

_ENV_SIGNATURE = "# GRUB Environment Block\n"
_ENV_LIMIT = 64 << 10
_CAT_LIMIT = 64 << 10


def _one_file(call: Call) -> str:
    if len(call.arguments) != 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "filename expected")
    return call.arguments[0]


@COMMANDS.command("configfile extract_entries_configfile")
def _configfile(machine: Grub, call: Call) -> Steps[int]:
    """Run another configuration with variables and a menu of its own. It never fails, but may come back."""
    name = _one_file(call)
    if machine.selection.describing:
        raise Listed(f"reads {printable(name)}")
    machine.open_context()
    machine.budget.enter()
    yield from configuration.run_file(machine, name)
    if machine.menus[-1]:
        yield from machine.show_menu(machine, machine.menus[-1], True, False)
    machine.budget.leave()
    machine.close_context()
    return ErrorNumber.NONE


@COMMANDS.command("source . extract_entries_source")
def _source(machine: Grub, call: Call) -> Steps[int]:
    """Run another configuration as a part of this one. It never fails."""
    machine.budget.enter()
    yield from configuration.run_file(machine, _one_file(call))
    machine.budget.leave()
    return ErrorNumber.NONE


@COMMANDS.command("normal")
def _normal(machine: Grub, call: Call) -> Steps[int]:
    """Begin anew with a configuration: the one that is found, or the one that is named."""
    machine.budget.enter()
    yield from machine.enter_normal(machine, call.arguments[0] if call.arguments else None)
    machine.budget.leave()
    return ErrorNumber.NONE


@COMMANDS.command("cat")
def _cat(machine: Grub, call: Call) -> Steps[int]:
    found = parse(call.arguments, (Flag("dos"),))
    if len(found.arguments) != 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "filename expected")
    _, text = yield from devices.read(machine, found.arguments[0], _CAT_LIMIT)
    yield from machine.say(text.replace("\r", ""), "")
    return ErrorNumber.NONE


@COMMANDS.command("ls")
def _ls(machine: Grub, call: Call) -> Steps[int]:
    """List the devices; the network has no directories to list. It succeeds whatever it lists."""
    if not call.arguments:
        yield from machine.say("(tftp) (http)")
        return ErrorNumber.NONE
    try:
        name = devices.FileName.of(call.arguments[-1])
        devices.server_of(machine, devices.device_of(machine, name))
        yield from machine.say("")
    except CommandError as why:
        yield from machine.fail(call.name, why.words)
    return ErrorNumber.NONE


_OF_BLOCK = (Flag("file", "f", value=True), Flag("skip-sig", "s"))


def _environment_block(machine: Grub, found: Parsed) -> Steps[str]:
    """Read the file of ``grub-editenv`` that ``--file`` names, or the usual one."""
    name = found.get("file") or f"{machine.environment.get('prefix') or ''}/grubenv"
    _, text = yield from devices.read(machine, name, _ENV_LIMIT)
    return text


@COMMANDS.command("load_env")
def _load_env(machine: Grub, call: Call) -> Steps[int]:
    """Set variables from a file of ``grub-editenv``: all, or those that are named."""
    found = parse(call.arguments, _OF_BLOCK)
    text = yield from _environment_block(machine, found)
    if not text.startswith(_ENV_SIGNATURE):
        raise CommandError(ErrorNumber.BAD_FILE_TYPE, "invalid environment block")
    for line in _env_lines(text[len(_ENV_SIGNATURE) :]):
        variable, sign, value = line.partition("=")
        if sign and not line.startswith("#") and (not found.arguments or variable in found.arguments):
            machine.environment.set(variable, value)
    return ErrorNumber.NONE


def _env_lines(text: str) -> list[str]:
    """Split an environment block: a backslash takes the meaning of the character behind it."""
    lines, line, pieces = [], "", iter(text)
    for char in pieces:
        if char == "\n":
            lines.append(line)
            line = ""
        else:
            line += next(pieces, "") if char == "\\" else char
    return lines


@COMMANDS.command("save_env")
def _save_env(machine: Grub, call: Call) -> Steps[int]:
    found = parse(call.arguments, _OF_BLOCK)
    if not found.arguments:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "no variable is specified")
    yield Log("GRUB: save_env writes to a disk, and there is none: nothing is saved")
    yield from _environment_block(machine, found)
    raise CommandError(ErrorNumber.BAD_DEVICE, "disk device required")


@COMMANDS.command("list_env")
def _list_env(machine: Grub, call: Call) -> Steps[int]:
    found = parse(call.arguments, _OF_BLOCK)
    text = yield from _environment_block(machine, found)
    for line in _env_lines(text):
        if "=" in line and not line.startswith("#"):
            yield from machine.say(line)
    return ErrorNumber.NONE
