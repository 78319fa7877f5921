"""The boot server as a DHCP message names it, in places that need not agree: which one counts, what is odd.

siaddr counts first (next-server), then option 66, option 150 and the field sname; where nothing names one it
is the DHCP server itself (option 54), as for PXELINUX (core/fs/pxe/dhcp_option.c).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import NamedTuple, Optional, Union

from pypxeboot import text
from pypxeboot.lease import DhcpOption, is_host
from pypxeboot.text import is_dname, printable

_QUOTED = (DhcpOption.TFTP_SERVER_NAME, DhcpOption.BOOT_FILE, DhcpOption.CONFIG_FILE, DhcpOption.PATH_PREFIX)


class NamedServer(NamedTuple):
    """A boot server, and where the message names it."""

    where: str
    server: str

    @property
    def address(self) -> Optional[IPv4Address]:
        """Return its address, None for a name."""
        try:
            return IPv4Address(self.server)
        except ValueError:
            return None


def trimmed(value: bytes) -> bytes:
    """Return ``value`` up to a NUL (RFC 2132 2), without the stray 0xff that overreading servers add."""
    return value.partition(b"\0")[0].rstrip(b"\xff")


def unquoted(value: bytes, what: str, remarks: list[str]) -> bytes:
    """Return ``value`` without quotes around it, which were meant for the server's own configuration."""
    name = trimmed(value)
    if len(name) > 2 and name[:1] in (b'"', b"'") and name[-1:] == name[:1]:
        remarks.append(f"{what} has quotes around it, which are taken away: {_shown(name)}")
        return name[1:-1]
    return value


def unquoted_options(options: Mapping[int, bytes], remarks: list[str]) -> dict[int, bytes]:
    """Return ``options`` with the names of files and servers as they were meant."""
    found = dict(options)
    for code in _QUOTED:
        if code in found:
            found[code] = unquoted(found[code], f"option {int(code)}", remarks)
    return found


def named_servers(
    siaddr: IPv4Address, options: Mapping[int, bytes], sname: bytes, remarks: list[str]
) -> list[NamedServer]:
    """List the boot servers that a message names, that which counts first. What cannot be one is told."""
    found = [NamedServer("siaddr (next-server)", str(siaddr))] if is_host(siaddr) else []
    raw = options.get(DhcpOption.TFTP_SERVER_ADDRESS, b"")
    listed = [IPv4Address(raw[at : at + 4]) for at in range(0, len(raw) - len(raw) % 4, 4)]
    for where, value in (("option 66", options.get(DhcpOption.TFTP_SERVER_NAME, b"")), ("sname", sname)):
        server = _server(value, where, remarks)
        found += [NamedServer(where, server)] if server else []
        if where == "option 66":
            found += [NamedServer("option 150", str(address)) for address in listed[:1] if is_host(address)]
    return found


def _server(value: bytes, where: str, remarks: list[str]) -> str:
    """Return the name or address in ``value``, empty if there is none."""
    raw = value.rstrip(b"\0")
    letters = sum(0x20 < byte < 0x7F for byte in raw)  # three of them are a name with a strange one
    if len(raw) == 4 and letters < 3 and is_host(IPv4Address(raw)):
        address = str(IPv4Address(raw))
        remarks.append(f"{where} holds the four bytes of an address in place of text: taken for {address}")
        return address
    name = text.decode(trimmed(value)).strip()
    if not name:
        return ""
    if not name.strip("0123456789."):  # what is to be an address has to be one
        try:
            if is_host(IPv4Address(name)):
                return name
        except ValueError:
            pass
        remarks.append(f"{where} says {name}, which is no address of a host, and is not used")
        return ""
    if is_dname(name):
        return name
    remarks.append(f"{where} is not a host name and is not used: {_shown(name)}")
    return ""


def _shown(name: Union[bytes, str]) -> str:
    """Return ``name`` as it may stand in a log: without who would log in there, and the password."""
    login, at, place = printable(name).rpartition("@")
    return f"...@{place}" if login and at else place


def disagreement(named: list[NamedServer]) -> tuple[str, ...]:
    """Say what else a message names than the server that counts: ``option 66 says 10.77.0.4``.

    A name may well be that server's, so only addresses are compared, and names with names.
    """
    return tuple(
        f"{one.where} says {one.server}"
        for one in named[1:]
        if one.server.lower() != named[0].server.lower()
        and (one.address is None) is (named[0].address is None)
    )


def own_server(named: list[NamedServer], server_id: Optional[IPv4Address]) -> tuple[str, ...]:
    """Say that the DHCP server itself is another one than all that are named, as it is on many sites."""
    if not named or named[0].address is None or server_id is None:
        return ()
    if str(server_id) in {one.server for one in named}:
        return ()
    return (f"the DHCP server itself (option 54) is {server_id}",)


def names_beside(named: list[NamedServer]) -> tuple[tuple[str, str], ...]:
    """Return the names, each with where it stands, beside an address that counts."""
    if not named or named[0].address is None:
        return ()
    return tuple((one.where, one.server) for one in named[1:] if one.address is None)
