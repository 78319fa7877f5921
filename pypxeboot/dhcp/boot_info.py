"""The boot file and its server in a lease."""

from __future__ import annotations

from typing import Optional

from pypxeboot.bootsource import CONFIG_DIRECTORY, BootSource, Kind, kind_of_name
from pypxeboot.dhcp.message import suboptions
from pypxeboot.dhcp.pxe_options import BOOT_ITEM
from pypxeboot.errors import NoBootSource, Refused
from pypxeboot.lease import DhcpOption, Lease
from pypxeboot.text import decode, printable
from pypxeboot.url import NAME_MAX, as_prefix, parse, prefix_of, resolve

_OTHERWISE = (
    "or give --bootfile or --config; where DHCP names one for other kinds of clients alone (option 93, user "
    "class), --profile efi, http or ipxe asks as one of those"
)
NO_BOOT_FILE = {
    4: f"set a boot file in DHCP (pxelinux.0 will do), {_OTHERWISE}",
    6: f"set a boot file URL (option 59) in DHCPv6, {_OTHERWISE}",
}
"""What to do where DHCP, by the version of IP, says nothing about what to boot."""


def boot_source(
    lease: Lease,
    *,
    server: Optional[str] = None,
    bootfile: Optional[str] = None,
    config: Optional[str] = None,
    path_prefix: Optional[str] = None,
) -> BootSource:
    """Find what ``lease`` says about booting.

    The other arguments override next-server and options 67, 209, 210. Raises NoBootSource if there is
    nothing, Refused or ConfigError if what is there cannot be used.
    """
    vendor = suboptions(lease.options.get(DhcpOption.VENDOR_OPTIONS, b""))
    # "The PXE client boots from the local disk": boot item of type 0 (PXE 2.1, table 2-1)
    if vendor.get(BOOT_ITEM, b"")[:2] == b"\0\0" and not (bootfile or config):
        return BootSource(Kind.LOCAL, None, "")
    server = server or _server(lease)
    name = _check_printable(bootfile if bootfile is not None else lease.bootfile, "boot file name")
    kind = kind_of_name(name) if name and config is None else Kind.PXELINUX
    config = _value(config, DhcpOption.CONFIG_FILE, lease, vendor)
    given_prefix = _value(path_prefix, DhcpOption.PATH_PREFIX, lease, vendor)
    if not name and config is None and given_prefix is None:
        raise NoBootSource(
            "the DHCP server names no boot file",
            hint=NO_BOOT_FILE[lease.address.version],
        )
    if config is not None and kind in (Kind.UNKNOWN, Kind.KERNEL):
        kind = Kind.PXELINUX  # nothing else reads option 209; to other loaders it means nothing
    prefix = as_prefix(prefix_of(name) if given_prefix is None else given_prefix)[:NAME_MAX]
    if server is None and kind is Kind.PXELINUX:
        resolve(config or CONFIG_DIRECTORY, prefix, None)  # no name could be asked for: said once
    return BootSource(
        kind=kind,
        server=server,
        prefix=prefix,
        config_file=config,
        bootfile=parse(name, server) if name else None,
    )


def _server(lease: Lease) -> Optional[str]:
    """Return siaddr if it is there, else the DHCP server itself (core/fs/pxe/dhcp_option.c)."""
    return lease.next_server or (str(lease.server_id) if lease.server_id else None)


def _value(given: Optional[str], code: int, lease: Lease, vendor: dict[int, bytes]) -> Optional[str]:
    # The options of RFC 5071 may stand inside option 43, too.
    raw: Optional[bytes] = lease.options.get(code, vendor.get(code))
    if given is None and raw is not None:
        # Servers count a trailing NUL in, and some an end mark.
        given = decode(raw.partition(b"\0")[0].rstrip(b"\xff"))
    return None if given is None else _check_printable(given, f"option {code}")[:NAME_MAX]


def _check_printable(text: str, what: str) -> str:
    if not text.isprintable():
        raise Refused(
            f"the {what} {printable(text)!r} has characters that a name cannot have",
            hint="fix the DHCP server's configuration",
        )
    return text
