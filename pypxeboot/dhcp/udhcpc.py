"""DHCP through a udhcpc of the administrator's choice, as pypxeboot did it in 2007.

In a namespace of the guest's, whose interface has the guest's MAC, any udhcpc will do; on an interface of
the host's own it must be one that takes a foreign MAC (``-M``).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from pypxeboot.dhcp.message import BOOTREPLY, BadMessage, Message, Type, check_vital
from pypxeboot.lease import DhcpOption
from pypxeboot.text import decode, encode, printable

MAX_OUTPUT = 65536
# Options that udhcpc asks for by number; -O takes names only for those that it knows.
_ASKED = "subnet router dns domain serverid lease tftp bootfile mtu staticroutes 209 210".split()
_ADDRESSES = {
    "subnet": DhcpOption.SUBNET_MASK,
    "router": DhcpOption.ROUTER,
    "dns": DhcpOption.DNS_SERVER,
    "serverid": DhcpOption.SERVER_ID,
}
_TEXTS = {
    "domain": DhcpOption.DOMAIN_NAME,
    "tftp": DhcpOption.TFTP_SERVER_NAME,
    "bootfile": DhcpOption.BOOT_FILE,
    "pxeconffile": DhcpOption.CONFIG_FILE,
    "pxepathprefix": DhcpOption.PATH_PREFIX,
}


def argv(
    program: str, script: str, interface: str, foreign_mac: Optional[str], identity: Mapping[int, bytes]
) -> list[str]:
    """Get the command: one lease, then it ends; ``foreign_mac`` where the interface has not the guest's."""
    # -n -q: one lease or none, then the end; no -R, which would give the address back before the guest is
    # up; -C: no client identifier, so that the guest's own DHCP client is given the same address.
    words = [program, "-f", "-n", "-q", "-C", "-t", "4", "-T", "4", "-i", interface, "-s", script]
    if foreign_mac is not None:
        words += ["-M", foreign_mac]
    for name in _ASKED:
        words += ["-O", name]
    for code, value in identity.items():
        as_class = code == DhcpOption.VENDOR_CLASS
        words += ["-V", decode(value)] if as_class else ["-x", f"0x{code:02x}:{value.hex()}"]
    return words


def message(output: bytes, mac: bytes) -> Message:
    """Return what the script wrote, as the ACK that it stands for. Raises BadMessage."""
    values: dict[str, str] = {}
    for item in output.split(b"\0"):
        name, _sign, value = decode(item).partition("=")
        values[name] = value
    if "ip" not in values:
        raise BadMessage("no server gave an address")
    nowhere = IPv4Address(0)
    try:
        options = {DhcpOption.MESSAGE_TYPE: bytes((Type.ACK,)), **_options(values)}
        check_vital(options)
        return Message(
            op=BOOTREPLY,
            htype=1,
            xid=0,
            flags=0,
            ciaddr=nowhere,
            yiaddr=IPv4Address(values["ip"]),
            siaddr=IPv4Address(values.get("siaddr", "0.0.0.0")),
            giaddr=nowhere,
            chaddr=mac,
            sname=encode(values.get("sname", "")),
            file=encode(values.get("boot_file", "")),
            options=options,
        )
    except (ValueError, OverflowError) as why:
        raise BadMessage(f"its lease cannot be used: {printable(str(why))}") from None


def _options(values: Mapping[str, str]) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    for name, code in _ADDRESSES.items():
        if name in values:
            options[code] = b"".join(IPv4Address(word).packed for word in values[name].split())
    for name, code in _TEXTS.items():
        if name in values:
            options[code] = encode(values[name])
    for code in (DhcpOption.CONFIG_FILE, DhcpOption.PATH_PREFIX):
        value = values.get(f"opt{code:d}")
        if value is not None:
            options[code] = bytes.fromhex(value)
    if "lease" in values:
        options[DhcpOption.LEASE_TIME] = int(values["lease"]).to_bytes(4, "big")
    if "mtu" in values:
        options[DhcpOption.INTERFACE_MTU] = int(values["mtu"]).to_bytes(2, "big")
    if "staticroutes" in values:
        options[DhcpOption.CLASSLESS_ROUTES] = _encode_routes(values["staticroutes"].split())
    return options


def _encode_routes(words: list[str]) -> bytes:
    """``10.0.0.0/8 10.77.0.1 ...`` as option 121 (RFC 3442)."""
    parts = []
    for target, gateway in zip(words[::2], words[1::2]):
        network = IPv4Network(target, strict=False)
        significant = network.network_address.packed[: (network.prefixlen + 7) // 8]
        parts.append(bytes((network.prefixlen,)) + significant + IPv4Address(gateway).packed)
    return b"".join(parts)
