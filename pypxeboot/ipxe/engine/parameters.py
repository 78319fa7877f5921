"""The parameters that a script sends with a request (core/params.c)."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import Form
from pypxeboot.ipxe.engine.setting_types import uri_escape
from pypxeboot.ipxe.engine.stack import Quota
from pypxeboot.text import encode

# Lists, and parameters in a list: more than a form of the web has.
_LIMIT = 1000


@dataclass
class Parameters:
    """What is sent with a request: ``params``, ``param`` and ``param --header``.

    ``method`` is empty where none was asked for.
    """

    method: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def form(self) -> Form:
        """The parameters as they are sent: by POST if there are any beside headers (net/tcp/httpcore.c)."""
        headers = list(self.headers)
        body = encode("&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in self.fields))
        if body:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        return Form(self.method or ("POST" if body else "GET"), tuple(headers), body)


@dataclass
class ParameterLists:
    """The lists of parameters by name; ``""`` is the one without a name."""

    quota: Quota
    lists: dict[str, Parameters] = field(default_factory=dict)

    def create(self, name: str, method: str) -> None:
        """Make a list that has nothing in it yet. Raises ConfigError where there are too many."""
        if len(self.lists) >= _LIMIT:
            raise self.quota.error("makes parameters without end")
        self.quota.hold(name)
        self.lists[name] = Parameters(method)

    def remove(self, name: str) -> None:
        """Forget a list, if it is there."""
        self.lists.pop(name, None)

    def find(self, name: str) -> Optional[Parameters]:
        """Return the list called ``name``, None if it is not there."""
        return self.lists.get(name)

    def add(self, parameters: Parameters, name: str, value: str, *, header: bool) -> None:
        """Put a parameter, or a ``header``, behind the others. Raises ConfigError if there are too many."""
        if len(parameters.fields) + len(parameters.headers) >= _LIMIT:
            raise self.quota.error("makes parameters without end")
        self.quota.hold(name, value)
        (parameters.headers if header else parameters.fields).append((name, value))

    def take(self, name: str) -> Optional[Form]:
        """Return what a list sends with a request; it is used up. None if it is not there."""
        found = self.lists.pop(name, None)
        return None if found is None else found.form


def _escaped(text: str) -> str:
    return uri_escape(encode(text))
