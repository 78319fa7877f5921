"""URIs as iPXE reads them, and what a relative one means (core/uri.c, core/cwuri.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Optional
from urllib.parse import quote, unquote_to_bytes

from pypxeboot import url
from pypxeboot.errors import ConfigError
from pypxeboot.text import decode, encode
from pypxeboot.url import Location

# A scheme may be empty: no file of a server is called ":x".
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*|):")
_PARAMS = "##params"
# What stands in a path or query as it is. A percent sign does, too: it was written so.
_SAFE = "/:@!$&'()*+,;=~?%"


@dataclass(frozen=True)
class Uri:
    """The parts of a URI, each as it was written.

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
        """The whole URI, with the password as it is."""
        if self.opaque is not None:
            return f"{self.scheme}:{self.opaque}"
        scheme = f"{self.scheme}:" if self.scheme else ""
        authority = "" if self.authority is None else f"//{self.authority}"
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{scheme}{authority}{self.path}{query}{fragment}"

    @property
    def shown(self) -> str:
        """The URI as it is printed: without user and password, query and fragment."""
        authority = None if self.authority is None else self.authority.rpartition("@")[2]
        return str(replace(self, authority=authority, query=None, fragment=None))

    @property
    def redacted(self) -> str:
        """The URI as others may see it: without the password."""
        if self.authority is None:
            return str(self)
        login, at, host = self.authority.rpartition("@")
        user, colon, _ = login.partition(":")
        return str(replace(self, authority=f"{user}:***@{host}")) if at and colon else str(self)

    @property
    def name(self) -> str:
        """What an image from here is called: the last part of the path."""
        return decode(unquote_to_bytes(encode(self.path))).rpartition("/")[2]


def parse(text: str) -> Uri:
    """``text`` as a URI; anything is one."""
    text, mark, params = text.partition(_PARAMS)
    text, sharp, fragment = text.partition("#")
    match = _SCHEME.match(text)
    uri = Uri(fragment=fragment if sharp else None, params=params.lstrip("=") if mark else None)
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


def resolve(base: Optional[Uri], uri: Uri) -> Uri:
    """``uri`` as seen from ``base``, the script that names it: "a query belongs to the relative part"."""
    if uri.scheme or uri.opaque is not None or base is None:
        return uri
    path, query = uri.path, uri.query
    if path:
        path = _joined(base.path or "/", path)
    else:
        path, query = base.path, base.query if query is None else query
    return replace(base, path=path, query=query, fragment=uri.fragment, params=uri.params)


def _joined(base: str, path: str) -> str:
    """``path`` in the place of the last part of ``base``, with leading ``./`` and ``../`` followed."""
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


def directory(uri: Uri) -> Uri:
    """Where ``uri`` lies (``cwduri``)."""
    return Uri(uri.scheme, uri.authority, uri.path.rpartition("/")[0] + "/")


def of(location: Location) -> Uri:
    """The URI of a file that was asked for by its location."""
    host = f"[{location.host}]" if ":" in location.host else location.host
    port = "" if location.port is None else f":{location.port}"
    login = ""
    if location.user is not None:
        password = "" if location.password is None else f":{quote(location.password, safe='')}"
        login = f"{quote(location.user, safe='')}{password}@"
    path, question, query = location.path.partition("?")
    if location.scheme == "tftp":
        path, question = quote(encode(location.path), safe="/:@!$&'()*+,=~"), ""
    return Uri(location.scheme, f"{login}{host}{port}", f"/{path}", query if question else None)


def locate(uri: Uri) -> Location:
    """The file that ``uri`` names. ConfigError if it names none that could be asked for."""
    scheme = uri.scheme.lower()
    if uri.opaque is not None or not scheme:
        raise ConfigError(f"{uri.shown!r} names no file of a server")
    path = quote(encode(uri.path), safe=_SAFE)
    if scheme == "tftp":  # iPXE knows no ";mode=", and a query is none of TFTP's
        path = path.replace(";", "%3B").replace("?", "%3F")
        uri = replace(uri, query=None)
    elif uri.query is not None:
        uri = replace(uri, query=quote(encode(uri.query), safe=_SAFE))
    return url.parse(str(replace(uri, path=path or "/", fragment=None)))
