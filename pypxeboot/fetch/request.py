"""What the client of every URL scheme is asked for, and where it puts the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, Protocol, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Form
from pypxeboot.url import Location

Data = Union[bytes, memoryview]


@dataclass(frozen=True)
class FetchRequest:
    """One file to fetch: at most ``limit`` bytes, until ``deadline`` (of :func:`time.monotonic`).

    ``form`` is what HTTP sends along, None for a plain GET. ``agent`` is the User-Agent of the loader that
    asks, empty for pypxeboot's own.
    """

    location: Location
    limit: int
    deadline: float
    form: Optional[Form] = None
    agent: str = ""


class Sink(Protocol):
    """Where one file goes while it is fetched. An exception that a method raises ends the transfer."""

    def expect(self, size: int) -> None:
        """Take note of the size in bytes, before the first of them, where the server says it."""

    def write(self, data: Data) -> object:
        """Take the next piece. Its memory is used again afterwards."""


Scheme = Callable[[FetchRequest, Sink], Optional[Location]]
"""The client of a URL scheme: hands the file to the sink in order, and returns where it came from in the end,
None where that is the location of the request. Raises NotFound, ServerError, FetchError, Refused."""
