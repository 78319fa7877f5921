"""Effects: what the loaders (PXELINUX, iPXE, U-Boot) ask the outside world to do, as plain values.

A loader of firmware reads files, asks the network and waits for keys in the middle of its decisions. Here the
two are apart. A loader is a *generator* without input and output of its own. Where the real one would read
or write something, it **yields** an effect: a frozen dataclass that says what is wanted. Whoever drives the
generator performs the effect and **sends** the reply back in, and the loader goes on from there::

    def boot(location: Location) -> Steps[Choice]:
        reply = yield Fetch(location, limit=65536)      # an effect goes out, a Fetched comes back
        if reply.data is None:
            yield Log(f"{location}: {reply.error}")     # the reply to this one is None
        ...
        return Choice(entry, Reason.DEFAULT, location)  # the loader has ended: this boots

- *Who yields*: the packages ``syslinux``, ``uboot`` and ``ipxe``, and the menus of ``terminal``. A part of a
  loader is a generator as well (:data:`Steps`), and runs by ``value = yield from part(...)``.
- *Who performs*: one driver, ``client/driver.py``, in the process that reads the network. It holds the limits
  and the deadline of the boot; what belongs to the terminal it passes on to the host side.
- *How a test answers*: the tests have a second driver, the class ``Replay``, which answers ``Fetch`` from a
  dict of files and ``Show`` from a list of keys. A whole boot runs in it without a network, a file or a
  clock, so that the recorded boots of the real loaders are compared in milliseconds.

The docstring of each effect names its reply. What a loader can decide about is part of the reply: a file that
is not there is ``Fetched(None, "not-found")``. What no loader can go on from is an exception: where a server
does not answer at all, a limit is exceeded, or the user ends the boot, the driver raises, and the generator
ends with it.

To add an effect: a dataclass here with its reply in its docstring, its name in :data:`Effect`, a handler in
the driver, and one in ``Replay``.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Optional, TypeVar, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.entry import Entry
from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.lease import Lease
from pypxeboot.picture import Picture
from pypxeboot.url import Location


@dataclass(frozen=True)
class Fetch:
    """Get a small file into memory. Reply: :class:`Fetched`.

    A file of more than ``limit`` bytes is refused; with ``head`` its first ``limit`` bytes are the reply.
    """

    location: Location
    limit: int
    head: bool = False


@dataclass(frozen=True)
class Fetched:
    """The reply to :class:`Fetch`: the content of the file, or why there is none.

    ``data`` is None where the file did not come; then ``error`` is ``not-found``, or what the server said.
    ``words`` are what it said where that is more than that there is no such file.
    """

    data: Optional[bytes]
    error: str = ""
    words: str = ""


@dataclass(frozen=True)
class Load:
    """Get all files of an entry (kernel, initrds, modules), ready to be booted. Reply: :class:`Loaded`."""

    entry: Entry


@dataclass(frozen=True)
class Loaded:
    """The reply to :class:`Load` and :class:`Assemble`: whether the entry can be booted.

    It can (``ok``) where all files are there and the kernel is a kernel; else ``error`` says what is missing.
    ``kind`` and ``hint`` make the exception to raise where nothing else boots instead of the entry. An empty
    file counts as missing, as for PXELINUX. ``script``: the file named as the kernel is an iPXE script.
    """

    ok: bool
    error: str = ""
    kind: type[PxeBootError] = FetchError
    hint: Optional[str] = None
    script: bool = False


@dataclass(frozen=True)
class RunIpxeScript:
    """Run the iPXE script at ``location``. Reply: the :class:`~pypxeboot.entry.Choice` that it comes to."""

    location: Location


@dataclass(frozen=True)
class RunIpxe:
    """Do what ``program``, a build of iPXE, would do: ask DHCP as iPXE, and boot what the answer names.

    Reply: the :class:`~pypxeboot.entry.Choice` that it comes to.
    """

    program: Location


@dataclass(frozen=True)
class Log:
    """Write one line to the log. Reply: None. With ``warning`` it also stands in the result of the boot."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class FindTerminal:
    """Ask whether there is a terminal at which somebody may choose.

    Reply: its :class:`~pypxeboot.picture.Terminal`, or None.
    """


@dataclass(frozen=True)
class Show:
    """Paint ``picture`` (None leaves what is there), and wait ``seconds`` for a key; None: without end.

    Reply: :class:`~pypxeboot.picture.KeyPress`. Allowed only after :class:`FindTerminal` found one. The time
    that passes here does not count against the deadline of the boot. Ctrl-C ends the boot; where it is a key
    like others (iPXE), ``interrupt`` is False, and three of them within two seconds end it.
    """

    picture: Optional[Picture]
    seconds: Optional[float] = None
    interrupt: bool = True


@dataclass(frozen=True)
class Print:
    """Write ``text`` to the terminal, below what is there; without a terminal, to the log. Reply: None.

    The control characters allowed in it are line feed and backspace. A line ends with its line feed only.
    """

    text: str


@dataclass(frozen=True)
class Sleep:
    """Let ``seconds`` pass, but not beyond the deadline of the boot. Reply: None."""

    seconds: float


ScriptValue = Union[str, int, float, bool, None]
"""A value that passes between a Lua script and the loader; text is of :func:`pypxeboot.text.decode`."""


@dataclass(frozen=True)
class LuaCall:
    """A function of the loader that a Lua script calls, and its arguments; see :class:`RunLua`."""

    name: str
    arguments: tuple[ScriptValue, ...]


@dataclass(frozen=True)
class RunLua:
    """Begin to run the Lua script ``source``. Reply: a generator, to be driven by who asked.

    It yields a :class:`LuaCall`, is sent the values that the call returns (a tuple), and so on; its result is
    the script's error as text, empty without one. ``arguments`` are those of the script; ``config`` and
    ``version`` are what it can read about the configuration file and the loader.
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
    """What an HTTP request sends: its method, headers (name and value), and body."""

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

    ``handle`` is None when it could not be had; then ``error`` says why, ``hint`` what to do about it, and
    ``cause``, in the words of :class:`FetchError`, what it is.
    """

    handle: Optional[int]
    size: int = 0
    head: bytes = b""
    location: Optional[Location] = None
    error: str = ""
    cause: str = ""
    hint: Optional[str] = None


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
class ComputeDigest:
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
class KeepData:
    """Make a script file of ``data``, which a script has in itself. Reply: :class:`ScriptFile`."""

    data: bytes
    location: Location


@dataclass(frozen=True)
class Identify:
    """Tell what a script file is as a kernel. Reply: :class:`Identified`, or None for no kernel."""

    handle: int


@dataclass(frozen=True)
class Identified:
    """The reply to :class:`Identify`: the format of the kernel, and whether multiboot loaders start it.

    The two go together: an ELF file may have a multiboot header.
    """

    format: str
    multiboot: bool = False


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
class SetAddress:
    """Give the guest's interface another address, by hand. Reply: text, empty or why not.

    ``vlan`` is the tag of the interface, if it is one that :class:`ChangeVlan` made.
    """

    lease: Lease
    vlan: int = 0


@dataclass(frozen=True)
class RunDhcp:
    """Do DHCP once more, within ``seconds`` if given, and configure the interface. Reply: :class:`Leased`.

    ``options`` (number and value) are sent in place of those of the first time; ``vlan`` is the tag of the
    interface, as in :class:`SetAddress`.
    """

    options: tuple[tuple[int, bytes], ...] = ()
    seconds: Optional[float] = None
    vlan: int = 0


@dataclass(frozen=True)
class Leased:
    """The reply to :class:`RunDhcp`: the lease, or None and in ``error`` why there is none."""

    lease: Optional[Lease]
    error: str = ""


@dataclass(frozen=True)
class ChangeVlan:
    """Make (with ``remove``: take away) a VLAN on the guest's interface.

    Reply: text, empty if that was done, else why not.
    """

    tag: int
    remove: bool = False


@dataclass(frozen=True)
class Resolve:
    """Look a host name up in the DNS of the guest's network. Reply: :class:`Resolved`."""

    name: str


@dataclass(frozen=True)
class Resolved:
    """The reply to :class:`Resolve`: IP addresses as text; none of them where there is an ``error``."""

    addresses: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True)
class Ping:
    """Send ``count`` echo requests with ``size`` bytes of data to ``host``, each waiting ``seconds``.

    Reply: how many of them were answered.
    """

    host: str
    count: int
    size: int = 56
    seconds: float = 1.0


@dataclass(frozen=True)
class ReadClock:
    """Read the host's clock. Reply: whole seconds since 1970."""


Effect = Union[
    Fetch,
    Load,
    RunIpxeScript,
    RunIpxe,
    Log,
    FindTerminal,
    Show,
    Print,
    Sleep,
    RunLua,
    Download,
    ReadFile,
    DropFile,
    ComputeDigest,
    Unpack,
    Verify,
    KeepData,
    Identify,
    Assemble,
    SetAddress,
    RunDhcp,
    ChangeVlan,
    Resolve,
    Ping,
    ReadClock,
]
"""Everything that a loader may yield."""

T = TypeVar("T")
Steps = Generator[Effect, Any, T]
"""A loader, or a part of one: a generator that yields effects, and whose result is a value of type ``T``."""
