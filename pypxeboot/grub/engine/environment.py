"""The variables of GRUB: contexts in one another, and what is exported from one to the next (kern/env.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from pypxeboot.dataclass import dataclass, field


@dataclass
class _Context:
    values: dict[str, str] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)


class Environment:
    """All variables that there are now.

    ``fixed`` are exported, and cannot be changed (the properties of network cards); ``given`` are exported.
    """

    def __init__(self, given: Mapping[str, str], fixed: Mapping[str, str]) -> None:
        self._fixed = dict(fixed)
        self._contexts = [_Context(dict(given), set(given))]

    def copy(self) -> Environment:
        """Return variables that can be changed without a change of these."""
        twin = Environment({}, self._fixed)
        twin._contexts = [_Context(dict(one.values), set(one.exported)) for one in self._contexts]
        return twin

    def get(self, name: str) -> Optional[str]:
        """Return the value of a variable, None if it is not set."""
        return self._fixed.get(name, self._contexts[-1].values.get(name))

    def set(self, name: str, value: str) -> None:
        """Set a variable; ``root`` loses the parentheses of a device, ``net_default_server`` has a twin."""
        values = self._contexts[-1].values
        if name == "root" and value[:1] == "(" and value[-1:] == ")":
            value = value[1:-1]
        if name in _SERVER:
            values.update(dict.fromkeys(_SERVER, value))
        elif name not in self._fixed:
            values[name] = value

    def fix(self, values: Mapping[str, str]) -> None:
        """Set variables that cannot be changed from now on; those that could not before stay as they are."""
        self._fixed = {**values, **self._fixed}

    def unset(self, name: str) -> None:
        """Forget a variable, if it is set."""
        self._contexts[-1].values.pop(name, None)

    def export(self, name: str) -> None:
        """Have contexts that are opened later know a variable; one that is not set is empty then."""
        context = self._contexts[-1]
        context.exported.add(name)
        context.values.setdefault(name, "")

    def open(self) -> None:
        """Begin a context: it has the variables that are exported, and what it sets is forgotten with it."""
        context = self._contexts[-1]
        names = context.exported & context.values.keys()
        self._contexts.append(_Context({name: context.values[name] for name in names}, names))

    def close(self) -> None:
        """End the context that was opened last."""
        self._contexts.pop()

    def names(self) -> list[str]:
        """List the variables that are set, sorted."""
        return sorted({*self._fixed, *self._contexts[-1].values})


_SERVER = ("net_default_server", "pxe_default_server")
