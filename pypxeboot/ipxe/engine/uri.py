"""URIs as iPXE reads them, and what a relative one means (core/uri.c, core/cwuri.c)."""

from __future__ import annotations

import re
from typing import Optional
from urllib.parse import quote, unquote, unquote_to_bytes

from pypxeboot import url
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.setting_types import TYPES, BadValue, c_string, uri_decode
from pypxeboot.text import decode, encode
from pypxeboot.url import Location

# A scheme may be empty: no file of a server is called ":x".
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*|):")
_PARAMS = "##params"
_PORT_DIGITS = 20
_SHOWN_DATA = 60  # characters of a data: URI that tell it from others
_TFTP_SAFE = "/:@!$&'()*+,=~%"
# What strtoul() with base 0 reads of a port.
_PORT = re.compile(r"0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*)")


@dataclass(frozen=True)
class Uri:
    """A URI in its parts, each as it was written.

    ``opaque`` is what follows the scheme without a slash (``iscsi:..``); ``params`` names the parameters that
    are sent with the request, ``""`` those without a name.
    """

    scheme: str = ""
    authority: Optional[str] = None
    path: str = ""
    query: Optional[str] = None
    opaque: Optional[str] = None
    fragment: Optional[str] = None
    params: Optional[str] = None

    def __str__(self) -> str:
        """Return the whole URI, with the password as it is."""
        if self.opaque is not None:
            return f"{self.scheme}:{self.opaque}"
        scheme = f"{self.scheme}:" if self.scheme else ""
        authority = "" if self.authority is None else f"//{self.authority}"
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{scheme}{authority}{self.path}{query}{fragment}"

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Return ``text`` as a URI; anything is one."""
        text, mark, params = text.partition(_PARAMS)
        text, sharp, fragment = text.partition("#")
        match = _SCHEME.match(text)
        uri = cls(fragment=fragment if sharp else None, params=params.lstrip("=") if mark else None)
        if match:
            uri, text = replace(uri, scheme=match[1]), text[match.end() :]
            if not text.startswith("/"):
                return replace(uri, opaque=text)
        path, question, query = text.partition("?")
        if question:
            uri = replace(uri, query=query)
        if match and path.startswith("//"):
            authority, slash, rest = path[2:].partition("/")
            return replace(uri, authority=authority, path=slash + rest)
        return replace(uri, path=path)

    @classmethod
    def of(cls, location: Location) -> Uri:
        """Return the URI of a file that was asked for by its location."""
        host = f"[{location.host}]" if ":" in location.host else location.host
        port = "" if location.port is None else f":{location.port}"
        login = ""
        if location.user is not None:
            password = "" if location.password is None else f":{quote(encode(location.password), safe='')}"
            login = f"{quote(encode(location.user), safe='')}{password}@"
        path, question, query = location.path.partition("?")
        if location.scheme == "tftp":
            path, question = quote(encode(location.path), safe="/:@!$&'()*+,=~"), ""
        return cls(location.scheme, f"{login}{host}{port}", f"/{path}", query if question else None)

    @property
    def for_display(self) -> str:
        """The URI as iPXE prints it: without user and password, query and fragment."""
        authority = None if self.authority is None else self._host_and_port
        return str(replace(self, authority=authority, query=None, fragment=None))

    @property
    def without_password(self) -> str:
        """The URI as others may see it: three asterisks are in the place of the password."""
        if self.authority is None:
            return str(self)
        login, at, host = self.authority.partition("@")
        user, colon, _ = login.partition(":")
        return str(replace(self, authority=f"{user}:***@{host}")) if at and colon else str(self)

    @property
    def _host_and_port(self) -> str:
        login, at, rest = (self.authority or "").partition("@")
        return rest if at else login

    @property
    def port(self) -> Optional[int]:
        """The port as iPXE reads it, None where there is none: ``host:`` has port 0, and 080 is no octal."""
        host, colon, port = self._host_and_port.rpartition(":")
        if not colon or port.endswith("]"):
            return None
        match = _PORT.match(port[:_PORT_DIGITS])
        if match is None:
            return 0
        hexadecimal, octal, decimal = match.groups()
        number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
        return number & 0xFFFF

    @property
    def name(self) -> str:
        """What an image from here is called: the last part of the path."""
        return decode(unquote_to_bytes(encode(self.path))).rpartition("/")[2]

    @property
    def directory(self) -> Uri:
        """The directory that the file lies in (``cwduri``)."""
        return Uri(self.scheme, self.authority, self.path.rpartition("/")[0] + "/")

    def resolve(self, base: Optional[Uri]) -> Uri:
        """Make a relative URI absolute, as seen from ``base``, the URI of the script that names it.

        "A query belongs to the relative part."
        """
        if self.scheme or self.opaque is not None or base is None:
            return self
        path, query = self.path, self.query
        if path:
            path = _join(base.path or "/", path)
        else:
            path, query = base.path, base.query if query is None else query
        return replace(base, path=path, query=query, fragment=self.fragment, params=self.params)

    @property
    def data(self) -> Optional[bytes]:
        """What a ``data:`` URI has in itself, None if it is broken (core/datauri.c, RFC 2397).

        "Media types will be ignored"; percent-encoding is undone first, and the bytes end at a NUL.
        """
        kind, comma, encoded = c_string(uri_decode(self.opaque or "")).partition(",")
        if not comma:
            return None
        try:
            return TYPES["base64" if kind.lower().endswith(";base64") else "string"].parse(encoded)
        except BadValue:
            return None

    def locate(self) -> Location:
        """Return the location of the file. Raises ConfigError if there is none that could be asked for."""
        scheme = self.scheme.lower()
        if scheme == "data":
            return Location(scheme, "", (self.opaque or "")[:_SHOWN_DATA])
        if self.opaque is not None or not scheme:
            raise ConfigError(f"{self.for_display!r} names no file of a server")
        path, query, port = self.path or "/", self.query, self.port
        if scheme == "tftp":  # iPXE knows no ";mode=", and a query is none of TFTP's
            path, query = quote(encode(path), safe=_TFTP_SAFE), None
        # What is in path and query goes to a web server as it was written; url.parse() escapes blanks and
        # what is no ASCII.
        login = (self.authority or "").removesuffix(self._host_and_port)
        host = self._host_and_port if port is None else self._host_and_port.rpartition(":")[0]
        authority = f"{login}{unquote(host)}{'' if port is None else f':{port}'}"
        return url.parse(str(Uri(self.scheme, authority, path, query)))


def _join(base: str, path: str) -> str:
    """Put ``path`` in the place of the last part of ``base``, with leading ``./`` and ``../`` followed."""
    if path.startswith("/"):
        return path
    directory = base.rpartition("/")[0]
    while True:
        first, slash, rest = path.partition("/")
        if first == "..":
            directory = directory.rpartition("/")[0]
        elif first != ".":
            break
        path = rest
        if not slash:
            break
    return f"{directory}{'' if directory.endswith('/') else '/'}{path}"
