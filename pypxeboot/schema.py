"""Dataclasses as a closed schema: what may cross from the client process to the host side.

:func:`pack` makes plain JSON values of a dataclass, :func:`unpack` the dataclass of JSON values. The types
of its fields are the schema: an unknown key, a missing one, another type, or more than the limits below is
refused.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from enum import Enum
from typing import Any, TypeVar, Union

from pypxeboot.text import encode, printable

T = TypeVar("T")

MAX_TEXT = 65536  # bytes; the longest are command lines, which libxl cuts at 8191
MAX_ITEMS = 65536  # entries of a menu, requests of a boot
MAX_NUMBER = 1 << 53  # what JSON numbers carry without loss


class SchemaError(ValueError):
    """A value that is not of the schema; the text names the place."""


def pack(value: Any) -> Any:
    """Return ``value`` (dataclasses, enums, tuples, numbers, text) as JSON values.

    Raises SchemaError for text, numbers and lists that :func:`unpack` would not take.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: pack(getattr(value, name)) for name in _fields(type(value))}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        if len(value) > MAX_ITEMS:
            raise SchemaError(f"a list of {len(value)} items")
        return [pack(item) for item in value]
    if isinstance(value, str) and not _is_text(value):
        raise SchemaError(f"a text of {len(value)} characters: {printable(value, 40)}")
    if isinstance(value, (int, float)) and not 0 <= value < MAX_NUMBER:
        raise SchemaError("a number out of bounds")
    return value


def unpack(kind: type[T], value: object) -> T:
    """Return the ``kind`` (a dataclass) that ``value`` describes. Raises SchemaError."""
    return typing.cast(T, _unpack(kind, value, kind.__name__))


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields: worked out once, for a menu has 10,000 entries."""
    return typing.get_type_hints(kind)


@functools.cache
def _shape(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """``Optional[str]`` as Union and its types, and the like."""
    return typing.get_origin(kind), typing.get_args(kind)


@functools.cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in dataclasses.fields(kind))


def _unpack(kind: Any, value: object, where: str) -> Any:
    origin, arguments = _shape(kind)
    if origin is Union:
        if value is None and type(None) in arguments:
            return None
        return _unpack(next(item for item in arguments if item is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise SchemaError(f"{where}: no list, or too long")
        return tuple(_unpack(arguments[0], item, f"{where}[]") for item in value)
    if dataclasses.is_dataclass(kind):
        return _unpack_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise SchemaError(f"{where}: none of {kind.__name__}") from None
    return _plain(kind, value, where)


def _unpack_dataclass(kind: Any, value: object, where: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict) or set(value) != set(hints):
        raise SchemaError(f"{where}: not exactly the keys {', '.join(hints)}")
    return kind(**{name: _unpack(hint, value[name], f"{where}.{name}") for name, hint in hints.items()})


def _is_text(value: str) -> bool:
    """Whether ``value`` is text that may cross."""
    try:
        return len(value) <= MAX_TEXT and (value.isascii() or len(encode(value)) <= MAX_TEXT)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        return False


def _plain(kind: Any, value: object, where: str) -> Any:
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if 0 <= value < MAX_NUMBER:  # neither NaN nor infinity is, nor a number too large for a float
            return float(value)
    elif kind is int and type(value) is int:
        if 0 <= value < MAX_NUMBER:
            return value
    elif kind is str and isinstance(value, str):
        if _is_text(value):
            return value
    elif kind is bool and isinstance(value, bool):
        return value
    raise SchemaError(f"{where}: no {kind.__name__} within the limits")
