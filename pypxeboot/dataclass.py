"""Dataclasses without the standard library's: the same words, and a start that does not pay for them.

:mod:`dataclasses` takes :mod:`inspect` with it, and writes and compiles five methods for each class: that
would be a tenth of a boot, which uses few of the classes that it imports. Here a class has methods that all
classes share, and an ``__init__`` that is compiled when the first object is made. Type checkers see the
standard library's; and to its functions (:func:`dataclasses.asdict`) these classes are dataclasses.

Their objects are made faster than the standard ones, too: a configuration has ten thousand labels.
"""

from __future__ import annotations

from _thread import RLock  # threading takes longer to import than this module
from operator import attrgetter
from os import register_at_fork
from typing import TYPE_CHECKING, Any, Callable, Optional

# Two threads may make their first object at once; and a process that is forked meanwhile has to find it free.
_lock = RLock()
register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)

_MISSING: Any = object()
_FIELDS, _COMPARED = "__pypxeboot_fields__", "__pypxeboot_compared__"


class _Field:
    """What :func:`field` says of a field, and its name."""

    def __init__(self, default: Any, default_factory: Any, repr: bool, compare: bool) -> None:
        self.name = self.type = ""
        self.default, self.factory, self.repr, self.compare = default, default_factory, repr, compare


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:

    def dataclass(cls: Optional[type] = None, **options: bool) -> Any:
        """Make a dataclass of ``cls``; the options (frozen, eq, repr) are those of the standard decorator."""
        return _made(cls, **options) if cls else lambda cls: _made(cls, **options)

    def field(
        *,
        default: Any = _MISSING,
        default_factory: Any = _MISSING,
        repr: bool = True,
        compare: bool = True,
    ) -> Any:
        """Say more of a field than its default."""
        return _Field(default, default_factory, repr, compare)

    def replace(made: Any, /, **changes: Any) -> Any:
        """Return a copy of an object with other values of some fields."""
        values = {one.name: getattr(made, one.name) for one in _fields(type(made))}
        return type(made)(**{**values, **changes})


def is_dataclass(kind: object) -> bool:
    """Whether a class, or an object of it, was made here."""
    return hasattr(kind, _FIELDS)


def field_names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass, in their order."""
    return tuple(one.name for one in _fields(kind))


def complete(kind: Any) -> None:
    """Make now what is otherwise made with the first object: for processes that are forked later."""
    vars(kind).get("__init__", _nothing).__dict__.get("complete", _nothing)()


def _nothing() -> None:
    pass


def _fields(kind: Any) -> tuple[_Field, ...]:
    found: tuple[_Field, ...] = getattr(kind, _FIELDS)
    return found


class _Standard:
    """The ``__dataclass_fields__`` that the standard library's functions look for: made when they do."""

    def __get__(self, instance: object, owner: Any) -> Any:
        import dataclasses

        made = []
        for one in _fields(owner):
            words: dict[str, Any] = {"repr": one.repr, "compare": one.compare}
            words.update({} if one.default is _MISSING else {"default": one.default})
            words.update({} if one.factory is _MISSING else {"default_factory": one.factory})
            made.append((one.name, one.type, dataclasses.field(**words)))
        owner.__dataclass_fields__ = vars(dataclasses.make_dataclass("_", made))["__dataclass_fields__"]
        return owner.__dataclass_fields__


def _made(cls: Any, *, frozen: bool = False, eq: bool = True, repr: bool = True) -> Any:
    own = _own_fields(cls)
    known: dict[str, _Field] = {}
    for base in reversed(cls.__mro__[1:]):
        known.update({one.name: one for one in vars(base).get(_FIELDS, ())})
    known.update(own)
    compared = [one.name for one in known.values() if one.compare]
    setattr(cls, _FIELDS, tuple(known.values()))
    setattr(cls, _COMPARED, attrgetter(*compared) if compared else _no_value)
    cls.__dataclass_fields__ = _Standard()
    methods: dict[str, Any] = {"__repr__": _repr} if repr else {}
    if eq:
        methods["__eq__"] = _equal
        if vars(cls).get("__hash__") is None:  # as where the class has an __eq__ of its own
            cls.__hash__ = _hash if frozen else None
    if frozen:
        methods.update(__setattr__=_set, __delattr__=_delete)
    for name, method in methods.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    cls.__init__ = _first_init(cls, frozen)
    return cls


def _own_fields(cls: Any) -> dict[str, _Field]:
    """Return the fields that a class itself names, whose defaults become attributes of the class."""
    found = {}
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        if annotation.startswith("ClassVar"):
            continue
        default = vars(cls).get(name, _MISSING)
        one = default if isinstance(default, _Field) else _Field(default, _MISSING, repr=True, compare=True)
        one.name, one.type = name, annotation
        found[name] = one
        if one is default and one.default is _MISSING:
            delattr(cls, name)
        elif one.default is not _MISSING:
            setattr(cls, name, one.default)
    return found


def _first_init(cls: Any, frozen: bool) -> Callable[..., None]:
    """Return the ``__init__`` of a class of which there is no object yet: it makes the real one."""

    def make() -> None:
        with _lock:
            if vars(cls)["__init__"] is __init__:
                cls.__init__ = _compiled_init(cls, frozen)

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        make()
        cls.__init__(self, *args, **kwargs)

    __init__.complete = make  # type: ignore[attr-defined]
    return __init__


def _compiled_init(cls: Any, frozen: bool) -> Any:
    names: dict[str, Any] = {"_missing": _MISSING}
    # The standard one of a frozen class calls object.__setattr__ for each field, in thrice the time.
    words, lines = ["self"], ["d = self.__dict__"]
    for number, one in enumerate(_fields(cls)):
        value = one.name
        names[f"_default{number}"] = one.default
        names[f"_factory{number}"] = one.factory
        word = one.name
        if one.factory is not _MISSING:
            word += "=_missing"
            value = f"_factory{number}() if {value} is _missing else {value}"
        elif one.default is not _MISSING:
            word += f"=_default{number}"
        words.append(word)
        lines.append(f"d[{one.name!r}] = {value}" if frozen else f"self.{one.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n ".join(lines)
    exec(f"def __init__({', '.join(words)}):\n {body}", names)
    made = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _repr(self: Any) -> str:
    shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in _fields(type(self)) if one.repr)
    return f"{type(self).__qualname__}({shown})"


def _no_value(_: object) -> None:
    """Return what objects without fields are compared by."""


def _equal(self: Any, other: Any) -> Any:
    values = getattr(type(self), _COMPARED)
    return values(self) == values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(getattr(type(self), _COMPARED)(self))


def _set(self: Any, name: str, value: object) -> None:
    _refuse(self, "assign to", name)
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    _refuse(self, "delete", name)
    object.__delattr__(self, name)


def _refuse(made: Any, what: str, name: str) -> None:
    """Raise FrozenInstanceError, but for what a class below adds."""
    if _FIELDS in vars(type(made)) or name in field_names(type(made)):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot {what} field {name!r}")
