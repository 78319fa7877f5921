"""Dataclasses as a closed schema: what may cross from the client process to the host side.

:func:`pack` makes plain JSON values of a dataclass, :func:`unpack` the dataclass of JSON values. The types
of its fields are the schema: an unknown key, a missing one, another type, or more than the limits below is
refused.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from itertools import chain
from operator import attrgetter
from typing import Any, Callable, Optional, TypeVar, Union

from pypxeboot.dataclass import field_names, is_dataclass
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
    kind: Any = type(value)
    return _packer(kind)(value)


@functools.cache
def _packer(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a JSON value of a value of the type ``kind``: the counterpart of :func:`_reader`."""
    if is_dataclass(kind):
        return functools.partial(_packed_fields, field_names(kind))
    if issubclass(kind, Enum):
        return attrgetter("_value_")  # in a fifth of the time of the property
    if issubclass(kind, (tuple, list)):
        return _packed_list
    if issubclass(kind, str):
        return _packed_text
    return _packed_number if issubclass(kind, (int, float)) and kind is not bool else _itself


def _itself(value: Any) -> Any:
    return value


def _packed_fields(names: Sequence[str], value: Any) -> dict[str, Any]:
    return {name: pack(getattr(value, name)) for name in names}


def _packed_number(value: Any) -> Any:
    if not 0 <= value < MAX_NUMBER:
        raise SchemaError("a number out of bounds")
    return value


def _packed_list(value: Sequence[Any]) -> list[Any]:
    if len(value) > MAX_ITEMS:
        raise SchemaError(f"a list of {len(value)} items")
    kinds = {*map(type, value)}
    if len(kinds) != 1:
        return [pack(item) for item in value]
    kind = kinds.pop()
    if kind is str and _may_cross(value):
        return list(value)
    if kind is tuple and _are_lists(tuple, value):
        return [*map(list, value)]
    packed = _packer(kind)
    return list(value) if packed is _itself else [*map(packed, value)]


def _packed_text(value: str) -> str:
    if not _is_text(value):
        raise SchemaError(f"a text of {len(value)} characters: {printable(value, 40)}")
    return value


def _are_texts(values: Sequence[Any]) -> bool:
    """Whether ``values`` are some texts that may cross, all of them of ASCII."""
    return {*map(type, values)} == {str} and _may_cross(values)


def _may_cross(texts: Sequence[str]) -> bool:
    """Whether some texts may cross, all of them of ASCII: in one go, as most lists are such."""
    joined = "".join(texts)
    return joined.isascii() and (len(joined) <= MAX_TEXT or max(map(len, texts)) <= MAX_TEXT)


def _are_lists(kind: type, values: Sequence[Any]) -> bool:
    """Whether ``values`` are some lists of that kind, of such texts: as many as one list may have."""
    if {*map(type, values)} != {kind}:
        return False
    joined = [*chain.from_iterable(values)]
    return not joined or len(joined) <= MAX_ITEMS and _are_texts(joined)


def _is_text(value: str) -> bool:
    """Whether ``value`` is text that may cross."""
    try:
        return len(value) <= MAX_TEXT and (value.isascii() or len(encode(value)) <= MAX_TEXT)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        return False


def unpack(kind: type[T], value: object) -> T:
    """Return the ``kind`` (a dataclass) that ``value`` describes. Raises SchemaError."""
    try:
        return typing.cast(T, _reader(typing.cast(Any, kind))(value))
    except SchemaError as why:
        raise SchemaError(f"{kind.__name__}{why}") from None


def prepare(kind: Any) -> None:
    """Work out what :func:`unpack` needs to know of a dataclass, before the first value comes."""
    with suppress(KeyError):  # of a type that nothing of the kind crosses with
        _reader(kind)


@functools.cache
def _reader(kind: Any) -> Callable[[object], Any]:
    """Return what makes a value of the type ``kind`` of a JSON value: made once, a menu has 10,000 entries.

    It raises SchemaError with the place inside of the value, which its callers complete.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:
        inner = _reader(next(item for item in arguments if item is not type(None)))
        if type(None) not in arguments:
            return inner
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        read = functools.partial(_tuple, _reader(arguments[0]))
        at_once = _AT_ONCE.get(arguments[0])
        return read if at_once is None else functools.partial(at_once, read)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        readers = {name: _reader(hints[name]) for name in field_names(kind)}
        return functools.partial(_object, kind, readers)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return functools.partial(_member, kind, {member.value: member for member in kind})
    return _PLAIN[kind]


def _at_once(
    are_such: Callable[[list[Any]], bool], read: Callable[[object], Any], value: object
) -> tuple[Any, ...]:
    if type(value) is list and len(value) <= MAX_ITEMS and are_such(value):
        return tuple(value)
    return typing.cast(tuple[Any, ...], read(value))


def _are_texts_or_none(values: list[Any]) -> bool:
    texts = [item for item in values if item is not None]
    return not texts or _are_texts(texts)


def _are_truths(values: list[Any]) -> bool:
    return {*map(type, values)} == {bool}


def _lists_of_texts(read: Callable[[object], Any], value: object) -> tuple[Any, ...]:
    if type(value) is list and len(value) <= MAX_ITEMS and _are_lists(list, value):
        return tuple([tuple(item) for item in value])
    return typing.cast(tuple[Any, ...], read(value))


def _tuple(read: Callable[[object], Any], value: object) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise SchemaError(": no list, or too long")
    try:
        return tuple([read(item) for item in value]) if value else ()
    except SchemaError as why:
        raise SchemaError(f"[]{why}") from None


def _object(kind: Any, readers: dict[str, Callable[[object], Any]], value: object) -> Any:
    if not isinstance(value, dict) or value.keys() != readers.keys():
        raise SchemaError(f": not exactly the keys {', '.join(readers)}")
    found, name = [], ""
    try:
        for name, read in readers.items():
            found.append(read(value[name]))
    except SchemaError as why:
        raise SchemaError(f".{name}{why}") from None
    return kind(*found)


def _member(kind: type[Enum], members: dict[Any, Enum], value: object) -> Enum:
    try:
        return members[value]
    except (KeyError, TypeError):  # TypeError: a list, or an object
        raise SchemaError(f": none of {kind.__name__}") from None


def _text(value: object) -> str:
    if type(value) is str and (value.isascii() and len(value) <= MAX_TEXT or _is_text(value)):
        return value
    raise SchemaError(": no str within the limits")


def _whole(value: object) -> int:
    if type(value) is int and 0 <= value < MAX_NUMBER:
        return value
    raise SchemaError(": no int within the limits")


def _fraction(value: object) -> float:
    # Neither NaN nor infinity is within, nor a number too large for a float.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MAX_NUMBER:
        return float(value)
    raise SchemaError(": no float within the limits")


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise SchemaError(": no bool within the limits")


_AT_ONCE: dict[Any, Callable[[Callable[[object], Any], object], tuple[Any, ...]]] = {
    str: functools.partial(_at_once, _are_texts),
    Optional[str]: functools.partial(_at_once, _are_texts_or_none),
    bool: functools.partial(_at_once, _are_truths),
    tuple[str, ...]: _lists_of_texts,
}
"""What makes a tuple of a list as most are; it leaves the others to what is its first argument."""

_PLAIN: dict[Any, Callable[[object], Any]] = {str: _text, int: _whole, float: _fraction, bool: _truth}
