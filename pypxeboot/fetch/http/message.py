"""What HTTP says, without saying it: addresses, the fields of a request, rules for the head of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Optional
from urllib.parse import unquote_to_bytes, urljoin

from pypxeboot import __version__, text
from pypxeboot.dataclass import dataclass, field
from pypxeboot.errors import FetchError, NotFound, Refused, ServerError, TooLarge

REDIRECT_STATUS = (301, 302, 303, 307, 308)

_RETRY_SECONDS = 5.0
_LATER_STATUS = (408, 425, 429)  # 4xx, but the file may well be there
_NOTHING: Mapping[str, str] = MappingProxyType({})
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(https?)://(?:([^/?#]*)@)?(\[[0-9A-Fa-f:.]+(?:%[^/?#\[\]@]*)?\]|[^/?#\[\]@:]+)(?::([0-9]{0,5}))?([/?][^#]*)?(?:#.*)?",
    re.DOTALL | re.IGNORECASE,
)
# What may stand around a value (RFC 9110 5.6.3): less than Python takes for white space.
_BLANKS = " \t"
# Web servers name the compression of a file that is stored compressed (Apache's AddEncoding). Then the
# bytes are what they should be: those of the file asked for.
_STORED_AS = {"gzip": (".gz", ".tgz"), "x-gzip": (".gz", ".tgz"), "xz": (".xz",), "zstd": (".zst",)}


@dataclass(frozen=True)
class HttpTransfer:
    """A finished download: bytes, seconds, where it came from in the end, and the HTTP status (200)."""

    size: int
    seconds: float
    url: str
    status: int
    redirected: bool = False


@dataclass(frozen=True)
class Address:
    """A URL in pieces; ``target`` is what the request line says, ``str()`` is fit to be shown."""

    scheme: str
    host: str
    port: int
    target: str
    user: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port: who is asked."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return text.printable(self.origin + self.target)


def status_text(status: int) -> str:
    """``404 Not Found`` for 404."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def parse(url: str) -> Address:
    """Return the pieces of ``url``; Refused if it is no URL of HTTP.

    The target is escaped as PXELINUX does it (http.c): bytes up to 0x20 and above 0x7e, no others.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise Refused(f"{_text_of(url)}: not a URL of HTTP or HTTPS")
    scheme, login, host, port_text, target = match.groups()
    scheme, host = scheme.lower(), host.strip("[]").partition("%")[0]  # less a zone: see url.py
    port = int(port_text) if port_text else _PORTS[scheme]
    if not 0 < port < 65536 or not (":" in host or text.is_dname(host)):
        raise Refused(f"{_text_of(url)}: no host can have that name")
    target = target or "/"
    target = target if target.startswith("/") else "/" + target
    escaped = "".join(chr(b) if 0x20 < b < 0x7F else f"%{b:02X}" for b in text.encode(target))
    if login is None:
        return Address(scheme, host, port, escaped)
    user, _, password = login.partition(":")
    return Address(scheme, host, port, escaped, _unescape(user), _unescape(password))


def redirect_target(address: Address, status: int, places: list[str]) -> Address:
    """Where an answer with ``Location`` headers sends us. Refused if that is no HTTP, or no longer HTTPS."""
    if len(places) != 1:
        said = f"{address}: {status_text(status)} without one place to go to"
        raise FetchError(said, cause=f"http-{status}")
    # http.client reads headers as Latin-1; back to the bytes, so that they are escaped as ours.
    place = text.decode(places[0].strip(_BLANKS).encode("latin-1", "replace"))
    try:
        target = parse(urljoin(address.origin + address.target, place))
    except (Refused, ValueError):
        hint = "only redirects to http:// and https:// are followed"
        raise Refused(f"{address}: redirects to {_text_of(place)}", hint=hint) from None
    if address.scheme == "https" and target.scheme != "https":
        raise Refused(f"{address}: redirects from HTTPS down to {target}")
    return target


def request_fields(
    headers: Mapping[str, str], cookies: Mapping[str, str] = _NOTHING, *, as_ipxe: bool = False
) -> dict[str, str]:
    """Return the header of the request. Refused if a value could be taken for another line of it.

    That of an iPXE has a User-Agent and ``Connection: keep-alive``, and no more (net/tcp/httpcore.c).
    """
    if as_ipxe:
        return checked({**headers, "Connection": "keep-alive"})
    fields = {"User-Agent": f"pypxeboot/{__version__}", "Accept": "*/*", **headers}
    if cookies:
        # PXELINUX writes NAME=VALUE; without a space, and servers in the field match that.
        fields["Cookie"] = "".join(f"{name}={value};" for name, value in cookies.items())
    return {**checked(fields), "Accept-Encoding": "identity", "Connection": "close"}


def checked(fields: Mapping[str, str]) -> dict[str, str]:
    """Return ``fields``. Refused if a value could be taken for another line of the header."""
    for name, value in fields.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise Refused(f"header {text.printable(name)}: not fit to be sent: {text.printable(value)}")
    return dict(fields)


NO_CONTENT = 204  # which has no body, whatever its head says (RFC 9112 6.3)
_PART = 206  # of a file, for which nobody asked


def retry_after(status: int, values: list[str]) -> Optional[float]:
    """Seconds until a busy server wants to be asked again; None if it does not say that it is busy.

    "Treat any date as indicating a fixed delay" (iPXE, httpcore.c).
    """
    if status != 503 or not values:
        return None
    value = values[0].strip(_BLANKS)
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else _RETRY_SECONDS


def check_status(
    address: Address, status: int, proxy: Optional[Address] = None, *, as_ipxe: bool = False
) -> None:
    """Only 200 is the file. NotFound for 4xx, ServerError for the rest; ``proxy`` brought the answer.

    An iPXE is content with any 2xx (net/tcp/httpcore.c): servers that are only told something say 201 or 204.
    """
    if status == 200 or (as_ipxe and 200 <= status < 300 and status != _PART):
        return
    said, cause = f"{address}: {status_text(status)}", f"http-{status}"
    if proxy is not None:
        said += f" (by way of the proxy {proxy.origin})"
        if status == 407:
            raise NotFound(said, hint="name user and password in the URL of --http-proxy", cause=cause)
        if status in (403, 502, 503, 504):
            hint = (
                "is it the proxy that says so? its log tells; without --http-proxy the server itself is asked"
            )
            raise (NotFound if status == 403 else ServerError)(said, hint=hint, cause=cause)
    if status in (401, 407):
        hint = "the server wants a user and a password: http://user:password@host/..."
        raise NotFound(said, hint=hint, cause=cause)
    if 400 <= status < 500 and status not in _LATER_STATUS:
        raise NotFound(said, cause=cause)
    raise ServerError(said if status >= 400 else f"{said}, and not the file", cause=cause)


def check_encoding(address: Address, codings: list[str]) -> None:
    """FetchError if ``Content-Encoding`` says that the body is not the file as it is stored."""
    name = address.target.partition("?")[0].lower()
    for value in codings:
        coding = value.strip(_BLANKS).lower()
        if coding not in ("", "identity") and not name.endswith(_STORED_AS.get(coding, ())):
            raise FetchError(
                f"{address}: comes encoded as {text.printable(coding, 40)}, which nobody asked for",
                hint="turn off compression on the fly for this file on the server",
            )


def is_chunked(address: Address, codings: list[str], lengths: list[str]) -> bool:
    """Whether ``Transfer-Encoding`` says chunks; FetchError if the end of the body is then in doubt."""
    if not codings:
        return False
    if [value.strip(_BLANKS).lower() for value in codings] != ["chunked"] or lengths:
        raise FetchError(f"{address}: unclear where the body ends (Transfer-Encoding)")
    return True


def content_length(address: Address, lengths: list[str]) -> Optional[int]:
    """Return the number in ``Content-Length``, None without one."""
    if not lengths:
        return None
    # RFC 9110 8.6: digits, nothing else; and two of them are one too many even if they agree.
    digits = lengths[0].strip(_BLANKS)
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,18}", digits):
        raise FetchError(
            f"{address}: Content-Length is not a number: {text.printable(', '.join(lengths), 60)}"
        )
    return int(digits)


def chunk_size(address: Address, line: bytes) -> int:
    """Return the size in the line before a chunk (RFC 9112 7.1)."""
    digits = line.partition(b";")[0].strip(b" \t")
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", digits):
        raise FetchError(f"{address}: broken chunks: {text.printable(digits, 40)!r} is not a size")
    return int(digits, 16)


def size_error(address: Address, limit: int, size: Optional[int] = None) -> TooLarge:
    """Return the error of a body beyond ``limit`` bytes; of ``size`` where that is known."""
    has = "" if size is None else f"{text.size_text(size)}, "
    return TooLarge(f"{address}: {has}more than the limit of {text.size_text(limit)}")


def _text_of(url: str) -> str:
    """``url`` fit to be shown, without user and password."""
    return text.printable(re.sub(r"//[^/]*@", "//", url))


def _unescape(part: str) -> str:
    return text.decode(unquote_to_bytes(text.encode(part)))
