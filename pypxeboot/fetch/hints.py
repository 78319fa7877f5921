"""What to do about a failed download, by its cause: one source for the boot's own error and the doctor's."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.errors import FetchError, joined_hints
from pypxeboot.net import tcp
from pypxeboot.text import printable, strange_character
from pypxeboot.url import Location

_SERVERS = {"tftp": "TFTP server", "http": "web server", "https": "web server", "ftp": "FTP server"}
_PORTS = {"tftp": "UDP port 69", "http": "TCP port 80", "https": "TCP port 443", "ftp": "TCP port 21"}

_NOT_THERE = (
    "look below the server's root for that name, letter by letter: case counts, and a symbolic link must not "
    "lead out of it"
)
_DIRECTORY = "that is a directory: name a file in it"
_FORBIDDEN = (
    "the server may not read it: permissions of the file and the folders above it, or a rule of access"
)
_NO_WAY = "is there a route from the guest's network (router, option 3), and is the host on?"
_BY_CAUSE = {
    "no-name": "does the DNS of the guest's network know it? --dns ADDR asks another; an address needs none",
    "no-dns": "have DHCP send a name server (option 6), or say --dns ADDR, or use an address for the name",
    "unreachable": _NO_WAY,
    "unreachable-host": _NO_WAY,
    "tls": "if the certificate is right, name the authority that signed it by --tls-ca FILE",
    "tftp-1": _NOT_THERE,
    "tftp-2": _FORBIDDEN,
    "tftp-3": "the TFTP server has no room, or too many transfers at a time (dnsmasq: tftp-max)",
    "cut": "the server ended the connection in the middle: its log says why; was the file replaced there?",
    "redirects": "the web server leads from one URL to the other and back: curl -IL shows how",
    "http-400": "does the server speak TLS on that port? then it is https://; its log says more",
    "http-403": _FORBIDDEN,
    "http-404": _NOT_THERE,
    "http-410": _NOT_THERE,
}
_URL = re.compile(r"/*(https?|tftp|ftp|nfs):/")


def hint_for(error: FetchError, location: Location) -> Optional[str]:
    """Return what to do about ``error``, which the file at ``location`` came to; None: nothing is known."""
    cause, server = error.cause, _SERVERS.get(location.scheme, "server")
    if error.hint is not None:
        return error.hint or _BY_CAUSE.get(cause)
    if cause in _BY_CAUSE:
        of_name = _hint_of_name(location) if cause in ("tftp-1", "http-403", "http-404") else None
        return joined_hints(of_name, _BY_CAUSE[cause])
    if cause.startswith("tftp-") and re.search("permission|denied|access", error.message, re.IGNORECASE):
        return _FORBIDDEN
    if cause.startswith("tftp-") and "is a directory" in error.message.lower():
        return _DIRECTORY
    loopback = tcp.loopback_address(location.host) if cause in ("refused", "timeout") else ""
    if loopback:
        return (
            f"to the DNS {printable(location.host)} is {loopback}, which is whoever asks: does the server "
            "tell what its own /etc/hosts says (dnsmasq: no-hosts), or block that name? an address "
            "needs no DNS"
        )
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
    return "the web server's log says more" if cause.startswith("http-4") else None


def _hint_of_name(location: Location) -> Optional[str]:
    """Return what is odd about the name of a file that is not there, None if nothing is."""
    path = location.path.partition("?")[0]
    if _URL.match(path):
        return "a name that begins so is a URL with two slashes: http://"
    if "\\" in path:
        return "a backslash is a letter like others there: directories are divided by /"
    if re.search("[\"']", path):
        return "quotes are letters of the name there: leave them out"
    if path.endswith("/"):
        return _DIRECTORY
    strange = strange_character(path)
    return f"look at the name: {strange}" if strange else None
