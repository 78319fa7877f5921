"""Dataclasses that are made when the first object of them is: ``dataclass`` in the place of the standard one.

:func:`dataclasses.dataclass` writes and compiles five methods for each class, 0.4 ms of every start, and most
boots use few of the classes that they import. So a class is left as it was written, with a ``__new__`` and a
``__dataclass_fields__`` that hand it to the standard decorator on first use. Type checkers see that alone.
"""

from __future__ import annotations

from os import register_at_fork
from threading import RLock
from typing import TYPE_CHECKING, Any, Callable, Optional

# Two threads may make their first object at once; and a process that is forked meanwhile has to find it free.
_lock = RLock()
register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)

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
    base_new = super(cls, cls).__new__

    def make() -> None:
        nonlocal made
        import dataclasses

        with _lock:
            if not made:
                dataclasses.dataclass(**options)(cls)
                made = True

    def __new__(cls: Any, *_: Any, **__: Any) -> Any:
        if not made:
            make()
        return base_new(cls)

    cls.__new__ = __new__
    cls.__dataclass_fields__ = _Fields(make)
    return cls
