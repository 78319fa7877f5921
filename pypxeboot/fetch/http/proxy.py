"""A web proxy that the administrator names: what it is asked, and what its answer means (RFC 9110 9.3.6).

No variable of the environment names one: what root's shell goes by is nothing to the guest's network.
"""

from __future__ import annotations

import re

from pypxeboot.errors import FetchError, Refused, UsageError
from pypxeboot.fetch.http import auth, message
from pypxeboot.fetch.http.message import Address

HEAD_LIMIT = 8192  # bytes of the answer to CONNECT; there is nothing in it but why not
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?=[ \r\n])")


def address(url: str) -> Address:
    """Return the proxy at ``url``. Raises UsageError."""
    try:
        found = message.parse(url)
    except Refused as why:
        raise UsageError(why.message) from None
    if found.scheme != "http" or found.target != "/":
        raise UsageError(f"{found}: not of the form http://HOST:PORT")
    return found


def target(wanted: Address) -> str:
    """Return what the request line says to a proxy: the absolute form (RFC 9112 3.2.2)."""
    return wanted.origin + wanted.target


def login(proxy: Address) -> dict[str, str]:
    """Return the field that says who asks, if the proxy's URL does."""
    if proxy.user is None:
        return {}
    return {"Proxy-Authorization": auth.basic(proxy.user, proxy.password or "")}


def connect(wanted: Address, proxy: Address) -> bytes:
    """Return the request for a tunnel to ``wanted``, through which TLS is spoken with it."""
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    place = f"{host}:{wanted.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    lines += [f"{name}: {value}" for name, value in login(proxy).items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def check_tunnel(wanted: Address, proxy: Address, head: bytes) -> None:
    """FetchError unless ``head``, all of the answer to CONNECT, says that the tunnel is there."""
    match = _STATUS.match(head)
    if match is None:
        raise FetchError(f"{wanted}: the proxy {proxy.origin} gives no proper HTTP answer")
    status = int(match[1])
    if not 200 <= status < 300:
        said = message.status_text(status)
        hint = "name user and password in the URL of --http-proxy" if status == 407 else None
        raise FetchError(f"{wanted}: the proxy {proxy.origin} says {said}", hint=hint)
