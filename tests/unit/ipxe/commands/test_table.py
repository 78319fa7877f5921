"""How commands come into the language of scripts."""

from __future__ import annotations

import pytest

from pypxeboot.effects import Steps
from pypxeboot.ipxe import boot
from pypxeboot.ipxe.commands import dialogs, images, language, network, power, tools
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.options import CommandCall, syntax


def succeed(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from ()
    return 0


def test_a_function_is_every_command_it_is_registered_as() -> None:
    table = CommandTable()
    one, any_number = syntax(1, 1), syntax(0, None)
    assert table.command("a b", one)(succeed) is succeed
    table.command("c", any_number)(succeed)
    assert [(name, command.syntax) for name, command in table.items()] == [
        ("a", one),
        ("b", one),
        ("c", any_number),
    ]
    assert {command.run for command in table.values()} == {succeed}


def test_a_name_is_taken_once() -> None:
    table = CommandTable()
    table.command("a", syntax(0, 0))(succeed)
    with pytest.raises(AssertionError, match="the command a is there already"):
        table.command("b a", syntax(0, 0))(succeed)


def test_no_module_takes_the_command_of_another() -> None:
    tables = [module.COMMANDS for module in (dialogs, images, language, network, power, tools)]
    assert sum(map(len, tables)) == len(boot.COMMANDS)
