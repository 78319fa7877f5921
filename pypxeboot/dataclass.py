"""Dataclasses that are made when the first object of them is: ``dataclass`` in the place of the standard one.

:func:`dataclasses.dataclass` writes and compiles five methods for each class, 0.4 ms of every start, and most
boots use few of the classes that they import. So a class is left as it was written, with an ``__init__`` and
a ``__dataclass_fields__`` that hand it to the standard decorator on first use. Type checkers see that alone.

Their objects are made faster than the standard ones, too: a configuration has ten thousand labels.
"""

from __future__ import annotations

from os import register_at_fork
from threading import RLock
from typing import TYPE_CHECKING, Any, Callable, Optional

# Two threads may make their first object at once; and a process that is forked meanwhile has to find it free.
_lock = RLock()
register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)

_FACTORY = object()  # stands for what a default factory makes

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: Optional[type] = None, **options: Any) -> Any:
        """Make a dataclass of ``cls`` on its first use; the options are those of the standard decorator."""
        return _defer(cls, options) if cls else lambda cls: _defer(cls, options)


class _Fields:
    """The ``__dataclass_fields__`` of a class that is still to be made: whoever asks for them, makes it."""

    def __init__(self, make: Callable[[], None]) -> None:
        self._make = make

    def __get__(self, instance: object, owner: Any) -> Any:
        self._make()
        return owner.__dataclass_fields__


def _defer(cls: Any, options: dict[str, Any]) -> Any:
    made = False

    def make() -> None:
        nonlocal made
        import dataclasses

        with _lock:
            if not made:
                # It leaves the methods below in place, of which another thread may be in need meanwhile.
                dataclasses.dataclass(init=False, **options)(cls)
                cls.__init__ = _initializer(cls, frozen=options.get("frozen", False))
                del cls.__setstate__
                made = True

    def __init__(self: Any, *positional: Any, **named: Any) -> None:
        make()
        cls.__init__(self, *positional, **named)

    def __setstate__(self: Any, state: dict[str, Any]) -> None:  # of one that another process has pickled
        make()
        self.__dict__.update(state)

    cls.__init__, cls.__setstate__ = __init__, __setstate__
    cls.__dataclass_fields__ = _Fields(make)
    return cls


def _initializer(cls: Any, frozen: bool) -> Any:
    """Write the ``__init__`` of a dataclass.

    The standard one of a frozen class calls ``object.__setattr__`` for each field, in thrice the time.
    """
    from dataclasses import MISSING, fields

    values: dict[str, Any] = {"_FACTORY": _FACTORY}
    parameters, body = ["self"], [" d = self.__dict__"]
    for item in fields(cls):
        name, value = item.name, item.name
        if item.default_factory is not MISSING:
            values[f"_make_{name}"] = item.default_factory
            parameters.append(f"{name}=_FACTORY")
            value = f"_make_{name}() if {name} is _FACTORY else {name}"
        elif item.default is not MISSING:
            values[f"_default_{name}"] = item.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(f" d[{name!r}] = {value}" if frozen else f" self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(body), values)
    init = values["__init__"]
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return init
