"""What the pure half may ask the outside for.

A loader (PXELINUX, an iPXE script) is a generator: it *yields* one of the effects below and is *sent* the
reply named in its docstring. ``client/driver.py`` performs them under budgets; tests answer them from a dict
of files.
A network that does not answer at all is no reply: the driver raises, and the generator ends with it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Optional, TypeVar, Union

from pypxeboot.entry import Choice, Entry
from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.lease import Lease
from pypxeboot.picture import Picture
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

    ``kind`` and ``hint`` are of the exception to raise where nothing else boots instead of the entry. A file
    of no bytes is not there, as for PXELINUX. ``script``: the kernel is none because it is an iPXE script.
    """

    ok: bool
    error: str = ""
    kind: type[PxeBootError] = FetchError
    hint: Optional[str] = None
    script: bool = False


@dataclass(frozen=True)
class RunScript:
    """Run the iPXE script at ``location``. Reply: its :class:`~pypxeboot.entry.Choice`."""

    location: Location


@dataclass(frozen=True)
class RunIpxe:
    """Do what ``program``, an iPXE, would do: ask DHCP, and boot what that says. Reply: its Choice."""

    program: Location


@dataclass(frozen=True)
class Log:
    """Tell the reader of the log one line. Reply: None. ``warning`` also lands in the result."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Look:
    """Is there a terminal, and somebody who may choose? Reply: Terminal of ``picture.py``, or None."""


@dataclass(frozen=True)
class Show:
    """Paint ``picture`` (None leaves what is there), and wait for a key, ``seconds`` or for ever.

    Reply: :class:`~pypxeboot.picture.Pressed`. Only after a :class:`Look` that found a terminal. The time
    that passes here does not count against the deadline of the boot. Ctrl-C ends the boot; where it has a
    meaning (iPXE) ``interrupt`` is False, and it is a key.
    """

    picture: Optional[Picture]
    seconds: Optional[float] = None
    interrupt: bool = True


@dataclass(frozen=True)
class Print:
    """Write ``text`` to the terminal, below what is there; without one, to the log. Reply: None.

    Of controls it may hold line feeds and backspaces. A line is over only with its line feed.
    """

    text: str


@dataclass(frozen=True)
class Sleep:
    """Let ``seconds`` pass, the deadline permitting. Reply: None."""

    seconds: float


ScriptValue = Union[str, int, float, bool, None]
"""What goes into a script's language and comes out of it; text of :func:`pypxeboot.text.decode`."""


@dataclass(frozen=True)
class Call:
    """A function of the loader that a Lua script calls."""

    name: str
    arguments: tuple[ScriptValue, ...]


@dataclass(frozen=True)
class Interpret:
    """Run the Lua script ``source``. Reply: a generator that yields a :class:`Call`, is sent the values of it
    as a tuple, and so on, and ends with what went wrong, empty if nothing did.

    ``config`` and ``version`` are what it is told of configuration and loader.
    """

    source: bytes
    name: str
    arguments: tuple[str, ...] = ()
    config: str = ""
    version: str = ""


# What iPXE scripts ask for beyond that. A *script file* is one of any size that a script has downloaded: its
# bytes stay outside the pure half, which knows it by a handle, a number, until it drops the file.


@dataclass(frozen=True)
class Form:
    """What is sent with an HTTP request: a method, headers, and the body."""

    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Download:
    """Get a file of any size, in ``seconds`` if given. Reply: :class:`ScriptFile`."""

    location: Location
    form: Optional[Form] = None
    seconds: Optional[float] = None


@dataclass(frozen=True)
class ScriptFile:
    """A downloaded file: its handle, size and first bytes (1 KiB), and where it came from after redirects.

    ``handle`` is None when it could not be had; then ``error`` says why, and ``cause``, in the words of
    :class:`FetchError`.
    """

    handle: Optional[int]
    size: int = 0
    head: bytes = b""
    location: Optional[Location] = None
    error: str = ""
    cause: str = ""


@dataclass(frozen=True)
class ReadFile:
    """Read a script file. Reply: at most ``count`` bytes from ``offset``."""

    handle: int
    offset: int
    count: int


@dataclass(frozen=True)
class DropFile:
    """Give up a script file, which is no longer needed. Reply: None."""

    handle: int


@dataclass(frozen=True)
class Digest:
    """Compute a digest of a script file by ``algorithm`` (of :mod:`hashlib`). Reply: it, in hexadecimal.

    It is empty where this host does not have that algorithm.
    """

    handle: int
    algorithm: str


@dataclass(frozen=True)
class Unpack:
    """Decompress a script file, gzip or zlib, into another one. Reply: :class:`ScriptFile`."""

    handle: int


@dataclass(frozen=True)
class Verify:
    """Check the detached CMS signature of a script file, by ``signer`` if given.

    Reply: text that is empty if it is good, else says what is wrong.
    """

    handle: int
    signature: int
    signer: str = ""


@dataclass(frozen=True)
class Identify:
    """Tell what a script file is. Reply: the ``format`` of its KernelInfo, or None if it is no kernel."""

    handle: int


@dataclass(frozen=True)
class Assemble:
    """Make the files of an entry of script files: the kernel, and one ramdisk of ``parts`` in order.

    A part is the handle of a script file, or bytes in between (padding, cpio headers). ``entry`` names
    where they came from. Reply: :class:`Loaded`.
    """

    entry: Entry
    kernel: int
    parts: tuple[Union[int, bytes], ...]
    modules: tuple[int, ...] = ()


@dataclass(frozen=True)
class Configure:
    """Give the guest's interface another address, by hand. Reply: text, empty or why not.

    ``vlan`` is the tag of the interface, if it is one that :class:`Vlan` made.
    """

    lease: Lease
    vlan: int = 0


@dataclass(frozen=True)
class Redhcp:
    """DHCP once more, with ``options`` in place of those sent before, within ``seconds``.

    The interface is configured then; ``vlan`` as of :class:`Configure`. Reply: :class:`Leased`.
    """

    options: tuple[tuple[int, bytes], ...] = ()
    seconds: Optional[float] = None
    vlan: int = 0


@dataclass(frozen=True)
class Leased:
    """The lease, or None and why not."""

    lease: Optional[Lease]
    error: str = ""


@dataclass(frozen=True)
class Vlan:
    """Make (or with ``remove`` take away) a VLAN on the guest's interface. Reply: text, empty or why not."""

    tag: int
    remove: bool = False


@dataclass(frozen=True)
class Lookup:
    """Resolve a host name in the guest's network. Reply: :class:`Found`."""

    name: str


@dataclass(frozen=True)
class Found:
    """Addresses in text, none with an ``error``."""

    addresses: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True)
class Ping:
    """Echo requests to ``host``, one a second. Reply: how many of ``count`` were answered."""

    host: str
    count: int
    size: int = 56
    seconds: float = 1.0


@dataclass(frozen=True)
class Now:
    """Reply: seconds since 1970."""


Effect = Union[
    Fetch,
    Load,
    RunScript,
    RunIpxe,
    Log,
    Look,
    Show,
    Print,
    Sleep,
    Interpret,
    Download,
    ReadFile,
    DropFile,
    Digest,
    Unpack,
    Verify,
    Identify,
    Assemble,
    Configure,
    Redhcp,
    Vlan,
    Lookup,
    Ping,
    Now,
]
Loader = Generator[Effect, Any, Choice]

T = TypeVar("T")
Steps = Generator[Effect, Any, T]
"""A part of a loader: asks by the same effects, and ends with a value."""
