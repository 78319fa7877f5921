"""Where files are: URLs, and PXELINUX's ``server::path`` and prefixes, parsed into a :class:`Location`."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Optional
from urllib.parse import quote, unquote_to_bytes

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.errors import ConfigError
from pypxeboot.text import decode, encode, is_dname, printable

# FILENAME_MAX of PXELINUX is 256 with the NUL (core/include/fs.h); a prefix and a name joined fit in 511.
NAME_MAX = 255
JOINED_MAX = 511

# Servers are asked with these; fetch refuses every other scheme.
SCHEMES = ("tftp", "http", "https", "ftp")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_NAME_END = re.compile(r"[\x00-\x20\x7f]")
# A name that stands behind a directory as it is, whatever the scheme: ASCII, nothing in it ends or escapes.
_PLAIN = re.compile(r"[!\x22$&-9<-~]{1,80}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# "any other character" than these ends the directory part of a boot file's name (core/fs/pxe/pxe.c).
_LAST_NAME = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-"
_URL_MARKS = frozenset("%#;")  # what follows them, or comes before, is no path
_TFTP_SAFE = "/:@!$&'()*+,=~"
_UNQUOTED = re.compile(r"[A-Za-z0-9/._-]*")
_SIGNATURE = ".sig"


@dataclass(frozen=True)
class Location:
    """Where a file is: a URL in its parts.

    ``path`` is what the protocol asks for, undecoded: for ``tftp`` the file name of the read request (so
    ``/boot/x`` and ``boot/x`` differ), for ``http`` and ``https`` what follows the slash after the host, with
    its query. Text of :func:`pypxeboot.text.decode`.
    """

    scheme: str
    host: str
    path: str
    port: Optional[int] = None
    user: Optional[str] = None
    password: Optional[str] = None

    @property
    def name(self) -> str:
        """The last part of the path, without a query."""
        path = self.path if self.scheme == "tftp" else self.path.partition("?")[0]
        return path.rpartition("/")[2]

    @property
    def signature(self) -> Location:
        """Where the detached signature of the file is: beside it, as NAME.sig."""
        if self.scheme == "tftp":
            return replace(self, path=self.path + _SIGNATURE)
        return replace(self, path=signature_of(self.path))

    def __str__(self) -> str:
        """Return the URL, which can be pasted; never with the password."""
        if self.scheme == "data":  # no file of a server: what a script has in itself
            return f"data:{self.path}"
        user = f"{quote(encode(self.user), safe='')}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        path = self.path
        if self.scheme == "tftp" and _UNQUOTED.fullmatch(path) is None:
            path = quote(encode(path), safe=_TFTP_SAFE)
        return f"{self.scheme}://{user}{host}{port}/{path}"


def signature_of(url: str) -> str:
    """Return the URL of the detached signature of the file at ``url``; a query stays behind its name."""
    path, mark, query = url.partition("?")
    return f"{path}{_SIGNATURE}{mark}{query}"


def resolve(name: str, prefix: str, default_server: Optional[str]) -> Location:
    """Return the location that PXELINUX means by ``name`` where ``prefix`` is its current directory.

    "File names end at the first whitespace": what follows is cut, and so is what does not fit in 255 bytes.
    A URL or ``server::path`` stands for itself; everything else, a leading slash included, goes right behind
    the prefix. ``default_server`` has the files that name no server. Raises ConfigError if nothing can be
    asked for by that name.
    """
    directory = _directory(prefix, default_server)
    if directory is not None and _PLAIN.fullmatch(name):
        scheme, host, path = directory.scheme, directory.host, directory.path + name
        return Location(scheme, host, path, directory.port, directory.user, directory.password)
    if not (name.isascii() and name.isprintable() and " " not in name and len(name) <= NAME_MAX):
        name = decode(encode(_NAME_END.split(name, maxsplit=1)[0])[:NAME_MAX])
    if not name:
        raise ConfigError("a file without a name", hint="is there a comma or blank too many?")
    full = name if is_absolute(name) else prefix + name
    if 4 * len(full) > JOINED_MAX and len(encode(full)) > JOINED_MAX:  # a character has at most four
        raise ConfigError(f"the file name {printable(full)!r} is longer than {JOINED_MAX} bytes")
    return parse(full, default_server)


@lru_cache(maxsize=64)  # the files of ten thousand labels are in a few directories
def _directory(prefix: str, default_server: Optional[str]) -> Optional[Location]:
    """Return the location behind whose path plain names stand, None where they need a closer look."""
    _, _, after = prefix.partition(":")
    of_url = after.startswith("//") and "/" in after[2:] and not _URL_MARKS.intersection(after)
    if len(prefix) > 47 or not (of_url or after.startswith(":")):
        return None
    try:
        return parse(prefix, default_server)
    except ConfigError:
        return None


def is_absolute(name: str) -> bool:
    """Whether the first colon makes ``name`` a URL (``://``) or a ``server::path``."""
    after = name.partition(":")[2]
    return after.startswith(("//", ":"))


def parse(text: str, default_server: Optional[str] = None) -> Location:
    """Parse ``text`` as a URL or ``server::path``, else as a TFTP file name on ``default_server``.

    Raises ConfigError where it cannot be used: an invalid host or port, a control character, no server.
    """
    head, _, after = text.partition(":")
    if after.startswith("//"):
        return _parse_url(head, after[2:], default_server, text)
    host, path = (head, after[1:]) if after.startswith(":") else ("", text)
    return _check(Location("tftp", _host(host, default_server, text), path), text)


def _parse_url(scheme: str, rest: str, default_server: Optional[str], text: str) -> Location:
    if not _SCHEME.fullmatch(scheme):
        raise ConfigError(f"{_quote(text)} is not a URL")
    scheme = scheme.lower()
    authority, _, path = rest.partition("/")  # "the slash after the host is not part of the path"
    path = path.partition("#")[0]
    login, at, host_port = authority.rpartition("@")
    user, colon, password = login.partition(":")
    host, port = _split_port(host_port, text)
    if scheme in SCHEMES:
        host = _host(host, default_server, text)
    if scheme == "tftp":  # ";mode=..." is cut, then %xx decoded (core/fs/pxe/tftp.c)
        path = decode(unquote_to_bytes(encode(path.partition(";")[0])))
    else:
        path = _escape(path)
    location = Location(
        scheme, host, path, port, _unquote(user) if at else None, _unquote(password) if colon else None
    )
    return _check(location, text)


def _split_port(host_port: str, text: str) -> tuple[str, Optional[int]]:
    if host_port.startswith("["):
        host, bracket, rest = host_port[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        if not bracket or colon not in ("", ":"):
            raise ConfigError(f"{_quote(text)} has no valid host")
    else:
        host, colon, port = host_port.partition(":")
    if not port:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ConfigError(f"{_quote(text)} has no valid port")
    return host, int(port)


def _host(host: str, default_server: Optional[str], text: str) -> str:
    """Return ``host``, or the boot server where it is empty ("``::path`` = default server")."""
    if not host:
        if not default_server:
            raise ConfigError(
                f"{_quote(text)} names no server, and DHCP gave none",
                hint="set next-server in DHCP, or give --server",
            )
        host = default_server
    if ":" in host:
        try:
            # "fe80::1%25eth0" (RFC 6874): a zone means something on the host only that wrote it down; here
            # there is but one link.
            return str(IPv6Address(host.partition("%")[0]))
        except ValueError:
            pass
    elif is_dname(host):
        return host
    raise ConfigError(f"{printable(host)!r} cannot be the name of a server")


def _check(location: Location, text: str) -> Location:
    if _CONTROL.search(location.path):
        raise ConfigError(f"{_quote(text)} has a control character in its name")
    return location


def _escape(path: str) -> str:
    """Escape bytes up to the blank and above ``~`` by ``%``, nothing else (core/fs/pxe/urlparse.c)."""
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in encode(path))


def _unquote(text: str) -> str:
    return decode(unquote_to_bytes(encode(text)))


def _quote(text: str) -> str:
    """Return ``text`` for a message: printable, quoted, and without a password."""
    return repr(printable(re.sub(r"(://[^/@]*?):[^/]*@", r"\1@", text)))


def prefix_of(bootfile: str) -> str:
    """Return PXELINUX's current directory: ``bootfile`` without the ``[0-9A-Za-z.-]`` at its end.

    So ``sub/my_pxelinux.0`` gives ``sub/my_``. (core/fs/pxe/pxe.c, get_prefix)
    """
    return bootfile.rstrip(_LAST_NAME)


def as_prefix(text: str) -> str:
    """Return ``text`` with ``::`` ("on the default server") in front, unless it names a server."""
    return text if is_absolute(text) else "::" + text
