"""What to do about a failed download, by its cause: one source for the boot's own error and the doctor's."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.errors import FetchError
from pypxeboot.text import printable
from pypxeboot.url import Location

_SERVERS = {"tftp": "TFTP server", "http": "web server", "https": "web server", "ftp": "FTP server"}
_PORTS = {"tftp": "UDP port 69", "http": "TCP port 80", "https": "TCP port 443", "ftp": "TCP port 21"}

_NOT_THERE = "look below the server's root for that name, letter by letter: case counts"
_FORBIDDEN = (
    "the server may not read it: permissions of the file and the folders above it, or a rule of access"
)
_BY_CAUSE = {
    "no-name": "does the DNS of the guest's network know it? --dns ADDR asks another; an address needs none",
    "no-dns": "have DHCP send a name server (option 6), or say --dns ADDR, or use an address for the name",
    "unreachable": "is there a route from the guest's network (router, option 3), and is the host on?",
    "tls": "if the certificate is right, name the authority that signed it by --tls-ca FILE",
    "tftp-1": _NOT_THERE,
    "tftp-2": _FORBIDDEN,
    "tftp-3": "the TFTP server has no room, or too many transfers at a time (dnsmasq: tftp-max)",
    "cut": "the server ended the connection in the middle: its log says why; was the file replaced there?",
    "http-403": _FORBIDDEN,
    "http-404": _NOT_THERE,
    "http-410": _NOT_THERE,
}


def hint_for(error: FetchError, location: Location) -> Optional[str]:
    """Return what to do about ``error``, which the file at ``location`` came to; None: nothing is known."""
    cause, server = error.cause, _SERVERS.get(location.scheme, "server")
    if error.hint is not None or cause in _BY_CAUSE:
        return error.hint or _BY_CAUSE[cause]
    if cause.startswith("tftp-") and re.search("permission|denied|access", error.message, re.IGNORECASE):
        return _FORBIDDEN
    port = _PORTS.get(location.scheme, "its port")
    if location.port is not None:
        port = f"{port.partition(' ')[0]} port {location.port}"
    host = printable(location.host)
    if cause == "refused":
        return f"{host} is on, but does a {server} listen on {port} there?"
    if cause == "timeout" and location.scheme == "tftp":
        return (
            f"is a TFTP server running on {host}? does a firewall drop {port}, or the replies, which come "
            "from other ports? under load, dnsmasq answers no more than tftp-max (50) transfers at a time"
        )
    if cause == "timeout":
        return f"is {host} on, is its {server} overloaded, does a firewall drop {port}?"
    if cause.startswith("http-5"):
        return "the web server failed itself: its error log says why"
    return None
