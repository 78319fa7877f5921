"""What the pure half may ask the outside for.

A loader (PXELINUX, an iPXE script) is a generator: it *yields* one of the effects below and is *sent* the
reply named in its docstring. ``boot.py`` performs them under budgets; tests answer them from a dict of files.
A network that does not answer at all is no reply: the driver raises, and the generator ends with it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Optional, TypeVar, Union

from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.menu import Choice, Entry
from pypxeboot.url import Location


@dataclass(frozen=True)
class Fetch:
    """Get a small file into memory. Reply: :class:`Fetched`.

    With ``head`` the first ``limit`` bytes are enough, and a longer file is no error.
    """

    location: Location
    limit: int
    head: bool = False


@dataclass(frozen=True)
class Fetched:
    """``data`` of the file, or None and the reason (``not-found``, or the server's words) in ``error``."""

    data: Optional[bytes]
    error: str = ""


@dataclass(frozen=True)
class Load:
    """Get the kernel, initrds and modules of an entry, ready to be booted. Reply: :class:`Loaded`."""

    entry: Entry


@dataclass(frozen=True)
class Loaded:
    """Whether all files of the entry are there and the kernel is one; ``error`` says what is not.

    ``kind`` is the exception to raise where nothing else boots instead of the entry. A file of no bytes is
    not there, as for PXELINUX.
    """

    ok: bool
    error: str = ""
    kind: type[PxeBootError] = FetchError


@dataclass(frozen=True)
class Log:
    """Tell the reader of the log one line. Reply: None. ``warning`` also lands in the result."""

    text: str
    warning: bool = False


Effect = Union[Fetch, Load, Log]
Loader = Generator[Effect, Any, Choice]

T = TypeVar("T")
Steps = Generator[Effect, Any, T]
"""A part of a loader: asks by the same effects, and ends with a value."""
