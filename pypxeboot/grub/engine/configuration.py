"""Reads a file of configuration, and runs it (normal/main.c, ``read_config_file``)."""

from __future__ import annotations

from pypxeboot.effects import Log, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.grub.engine import devices, interpreter
from pypxeboot.grub.engine.machine import Grub
from pypxeboot.grub.engine.status import CommandError
from pypxeboot.text import printable, strange_character
from pypxeboot.url import Location

_PLACES = ("config_file", "config_directory")


def run_file(machine: Grub, name: str) -> Steps[bool]:
    """Run the configuration called ``name``; False if it is not there, of which GRUB says nothing."""
    try:
        place, text = yield from devices.read(machine, name)
    except CommandError as why:
        machine.error = ConfigError(printable(why.words, 300), hint=f"the configuration is {machine.where}")
        if not machine.selection.listing:
            yield Log(f"GRUB: {printable(why.words, 300)}")
        return False
    if machine.built_in and place.scheme != "data":
        machine.config, machine.built_in = place, False
    if not machine.selection.listing:
        yield Log(f"GRUB: configuration {printable(str(place))}")
    yield from run_text(machine, name, text, place)
    return True


def run_text(machine: Grub, name: str, text: str, place: Location) -> Steps[None]:
    """Run ``text``, the content of the configuration called ``name``, which is at ``place``."""
    for line, words in enumerate(text.split("\n"), 1):
        strange = "" if words.lstrip().startswith("#") else strange_character(words)
        if strange:
            yield from machine.warn(f"{printable(name)}, line {line}: {strange}")
    environment = machine.environment
    full = name if name.startswith("(") else f"({environment.get('root') or ''}){name}"
    before = [environment.get(variable) for variable in _PLACES]
    for variable, value in zip(_PLACES, (full, full.rpartition("/")[0])):
        environment.set(variable, value)
        environment.export(variable)
    yield from interpreter.run_source(machine, text, is_file=True, place=place)
    for variable, old in zip(_PLACES, before):
        if old is None:
            environment.unset(variable)
        else:
            environment.set(variable, old)
