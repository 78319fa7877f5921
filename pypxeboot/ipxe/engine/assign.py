"""``set`` and its relatives: a setting changed, and what goes wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from pypxeboot.effects import Steps
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.setting_types import BadValue, NotSupported, Unformattable
from pypxeboot.ipxe.engine.settings import Full, Name, NoSuchBlock, NoSuchType, NotStorable, Value, parse_name
from pypxeboot.ipxe.engine.status import Status


def change_setting(machine: Machine, text: str, change: Callable[[Name], None]) -> Steps[int]:
    """Have the setting called ``text`` changed; says what goes wrong."""
    name = Name(None, text, text, None)
    try:
        name = parse_name(text)
        change(name)
    except NoSuchType:
        return (yield from machine.refuse(f'"{text}": invalid setting', Status.NOT_STORABLE))
    except NoSuchBlock:
        return (yield from machine.refuse(f'"{text}": invalid setting', Status.NO_SUCH_BLOCK))
    except (BadValue, NotStorable) as why:
        return (yield from machine.fail(f'Could not store "{name.text}"', why.status))
    except (NotSupported, Unformattable):
        return (yield from machine.fail(f'Could not store "{name.text}"', Status.NOT_STORABLE))
    except Full:
        raise machine.quota.error("stores settings without end") from None
    return Status.OK


def store(machine: Machine, text: str, value: Optional[str]) -> Steps[int]:
    """Give the setting called ``text`` a value, None to delete it; says what goes wrong."""
    return (yield from change_setting(machine, text, lambda name: machine.settings.store(name, value)))


def keep(machine: Machine, text: str, value: Value) -> Steps[int]:
    """As :func:`store`, for a value that is bytes already."""
    return (
        yield from change_setting(
            machine, text, lambda name: machine.settings.put(name, Value(value.raw, name.type or value.type))
        )
    )
