"""Network interfaces of this host, or of a process's network namespace: looked at, made, changed, removed.

Sources: linux/if_link.h, if_bridge.h, veth.h, neighbour.h; ``ip`` and ``bridge`` have the same words for it.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from struct import Struct
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.links import netlink
from pypxeboot.links.netlink import KernelRefused, Netlink, attribute, attributes, number, text

_LINK = Struct("=BxHiII")  # struct ifinfomsg: family, type of hardware, index, flags, which of them change
_NEIGHBOUR = Struct("=BxxxiHBB")  # struct ndmsg: family, interface, state, flags, type
_AGES = Struct("=IIII")  # struct nda_cacheinfo: confirmed, used, updated, references
_VLAN = Struct("=HH")  # struct bridge_vlan_info: flags, number
_U16 = Struct("=H")
_HUNDREDTHS = 100  # of a second: USER_HZ, on every architecture that has guests

# IFLA_...
_ADDRESS, _NAME, _MTU, _LOWER, _MASTER, _OPERSTATE, _INFO = 1, 3, 4, 5, 10, 16, 18
_PROCESS, _ALIAS, _FAMILY_SPECIFIC = 19, 20, 26
_INFO_KIND, _INFO_DATA, _INFO_PORT_KIND, _INFO_PORT_DATA = 1, 2, 4, 5
_FORWARD_DELAY, _STP_STATE, _VLAN_FILTERING, _DEFAULT_PVID = 1, 5, 7, 39  # IFLA_BR_...
_PORT_STATE = 1  # IFLA_BRPORT_STATE
_PEER = 1  # VETH_INFO_PEER
_MACVLAN_MODE, _BRIDGE_MODE = 1, 4
_VLAN_ID = 1
_BRIDGE_VLAN_INFO, _PVID, _UNTAGGED = 2, 2, 4
_LLADDR, _CACHE, _KNOWN_BY = 2, 3, 9  # NDA_LLADDR, NDA_CACHEINFO, NDA_MASTER

_UP, _LOWER_UP = 1, 1 << 16  # IFF_...
_OPERATES, _FORWARDS = 6, 3  # IF_OPER_UP, BR_STATE_FORWARDING
_AF_BRIDGE = 7
_ETHERNET = 1  # ARPHRD_ETHER


@dataclass(frozen=True)
class NetDevice:
    """A network interface; ``kind`` is "bridge", "veth", ..., "" for a NIC, ``alias`` what somebody noted.

    ``operates``: it has a carrier, and is up; ``port_forwards``: None where it is no port of a bridge. The
    last four are a bridge's own; ``forward_delay`` is in seconds.
    """

    index: int
    name: str
    kind: str = ""
    mtu: int = 1500
    is_ethernet: bool = True
    is_up: bool = True
    has_carrier: bool = True
    operates: bool = True
    master: int = 0
    alias: str = ""
    port_forwards: Optional[bool] = None
    runs_stp: bool = False
    forward_delay: float = 15.0
    filters_vlans: bool = False
    default_vlan: int = 1


def find(name: str, pid: Optional[int] = None) -> Optional[NetDevice]:
    """Return the interface of that name, of process ``pid`` if that is given; None if there is none.

    Raises PxeBootError.
    """
    return _find(name, _link() + text(_NAME, name), pid)


def find_by_index(index: int) -> Optional[NetDevice]:
    """Return the interface of that number; None if there is none. Raises PxeBootError."""
    return _find(f"interface {index}", _link(index), None)


def index_of(name: str, pid: Optional[int] = None) -> int:
    """Return the number of an interface, of process ``pid`` if that is given. Raises PxeBootError."""
    device = find(name, pid)
    if device is None:
        raise KernelRefused(f"cannot look at {name}", errno.ENODEV)
    return device.index


def bridges() -> list[str]:
    """List the names of the bridges of the host. Raises PxeBootError."""
    of_kind = attribute(_INFO, text(_INFO_KIND, "bridge"))
    with Netlink() as kernel:
        told = kernel.list("cannot list bridges", netlink.GET_LINK, _link() + of_kind)
    return sorted(device.name for device in map(_parse, told) if device.kind == "bridge")


def ports(bridge: NetDevice) -> list[NetDevice]:
    """List the ports of a bridge. Raises PxeBootError."""
    with Netlink() as kernel:
        what = f"cannot list the ports of {bridge.name}"
        told = kernel.list(what, netlink.GET_LINK, _link() + number(_MASTER, bridge.index))
    return [device for device in map(_parse, told) if device.master == bridge.index]


def learned(bridge: NetDevice, mac: str) -> Iterator[tuple[int, float]]:
    """Yield the ports where a bridge knows ``mac``: the number, and seconds since it was last heard there.

    Raises PxeBootError.
    """
    body = _link(family=_AF_BRIDGE) + number(_MASTER, bridge.index)
    with Netlink() as kernel:
        told = kernel.list(f"cannot list what {bridge.name} has learned", netlink.GET_NEIGHBOUR, body)
    for entry in told:
        about = attributes(entry[_NEIGHBOUR.size :])
        if about.get(_LLADDR) == _octets(mac) and _number(about.get(_KNOWN_BY)) == bridge.index:
            ages = about.get(_CACHE, b"")
            updated = _AGES.unpack(ages)[2] if len(ages) == _AGES.size else 0
            yield _NEIGHBOUR.unpack_from(entry)[1], updated / _HUNDREDTHS


def add_pair(outer: tuple[str, str], inner: tuple[str, str], pid: int, mtu: int) -> None:
    """Make a veth pair, its second end with process ``pid``; an end is a name and a MAC.

    Raises PxeBootError.
    """
    far = _link() + _end(*inner, mtu) + number(_PROCESS, pid)
    near = _end(*outer, mtu) + _info("veth", attribute(_PEER, far))
    _add(f"cannot make the pair of {outer[0]} and {inner[0]}", near)


def add_macvlan(name: str, mac: str, lower: str, pid: int) -> None:
    """Make a macvlan on a NIC, in bridge mode, with process ``pid``. Raises PxeBootError."""
    made = text(_NAME, name) + attribute(_ADDRESS, _octets(mac)) + number(_LOWER, index_of(lower))
    made += number(_PROCESS, pid) + _info("macvlan", number(_MACVLAN_MODE, _BRIDGE_MODE))
    _add(f"cannot make a macvlan of {lower}", made)


def add_vlan(name: str, tag: int, lower: str, pid: int) -> None:
    """Make the interface of a VLAN on ``lower`` of process ``pid``. Raises PxeBootError."""
    made = text(_NAME, name) + number(_LOWER, index_of(lower, pid))
    _add(f"cannot make {name}", made + _info("vlan", attribute(_VLAN_ID, _U16.pack(tag))), pid)


def put_into_bridge(name: str, bridge: NetDevice, alias: str) -> None:
    """Make an interface a port of a bridge, with ``alias`` noted at it before. Raises PxeBootError."""
    changed = text(_NAME, name) + attribute(_ALIAS, alias.encode()) + number(_MASTER, bridge.index)
    _change(f"cannot put {name} into {bridge.name}", netlink.SET_LINK, _link() + changed)


def set_port_vlan(name: str, tag: int, bridge: NetDevice) -> None:
    """Have a port of a bridge be of the VLAN ``tag``, untagged, and not of the bridge's default one.

    Raises PxeBootError.
    """
    port = _link(index_of(name), _AF_BRIDGE)
    changes = [(netlink.SET_LINK, _PVID | _UNTAGGED, tag)]
    if bridge.default_vlan:
        changes.insert(0, (netlink.DELETE_LINK, 0, bridge.default_vlan))
    for kind, flags, vlan in changes:
        info = attribute(_BRIDGE_VLAN_INFO, _VLAN.pack(flags, vlan))
        _change(f"cannot put {name} into VLAN {tag}", kind, port + attribute(_FAMILY_SPECIFIC, info))


def set_up(name: str, pid: Optional[int] = None) -> None:
    """Set an interface up, of process ``pid`` if that is given. Raises PxeBootError."""
    _change(f"cannot set {name} up", netlink.SET_LINK, _link(change=_UP) + text(_NAME, name), pid=pid)


def set_mtu(name: str, mtu: int, pid: int) -> None:
    """Give an interface of process ``pid`` another MTU. Raises PxeBootError."""
    changed = text(_NAME, name) + number(_MTU, mtu)
    _change(f"cannot set MTU {mtu}", netlink.SET_LINK, _link() + changed, pid=pid)


def rename(name: str, new: str, pid: int) -> None:
    """Give an interface of process ``pid`` another name. Raises PxeBootError."""
    renamed = _link(index_of(name, pid)) + text(_NAME, new)
    _change(f"cannot call {name} {new}", netlink.SET_LINK, renamed, pid=pid)


def remove(name: str, pid: Optional[int] = None) -> None:
    """Remove an interface, of process ``pid`` if that is given. Raises PxeBootError."""
    _change(f"cannot remove {name}", netlink.DELETE_LINK, _link() + text(_NAME, name), pid=pid)


def _find(what: str, which: bytes, pid: Optional[int]) -> Optional[NetDevice]:
    with Netlink(pid) as kernel:
        try:
            return _parse(kernel.get(f"cannot look at {what}", netlink.GET_LINK, which))
        except KernelRefused as why:
            if why.number == errno.ENODEV:
                return None
            raise


def _add(what: str, made: bytes, pid: Optional[int] = None) -> None:
    _change(what, netlink.NEW_LINK, _link() + made, netlink.CREATE | netlink.EXCLUSIVE, pid)


def _change(what: str, kind: int, body: bytes, flags: int = 0, pid: Optional[int] = None) -> None:
    with Netlink(pid) as kernel:
        kernel.change(what, kind, body, flags)


def _link(index: int = 0, family: int = 0, change: int = 0) -> bytes:
    """Return the head of a message about interfaces; what is to ``change`` of the flags, is set."""
    return _LINK.pack(family, 0, index, change, change)


def _end(name: str, mac: str, mtu: int) -> bytes:
    return text(_NAME, name) + number(_MTU, mtu) + attribute(_ADDRESS, _octets(mac))


def _info(kind: str, data: bytes) -> bytes:
    return attribute(_INFO, text(_INFO_KIND, kind) + attribute(_INFO_DATA, data))


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _parse(answer: bytes) -> NetDevice:
    """Return what the kernel tells of an interface."""
    _, hardware, index, flags, _ = _LINK.unpack_from(answer)
    about = attributes(answer[_LINK.size :])
    info = attributes(about.get(_INFO, b""))
    kind, port_kind = _text(info.get(_INFO_KIND)), _text(info.get(_INFO_PORT_KIND))
    own = attributes(info.get(_INFO_DATA, b"")) if kind == "bridge" else {}
    port = attributes(info.get(_INFO_PORT_DATA, b"")) if port_kind == "bridge" else {}
    return NetDevice(
        index=index,
        name=_text(about.get(_NAME)),
        kind=kind,
        mtu=_number(about.get(_MTU), 1500),
        is_ethernet=hardware == _ETHERNET,
        is_up=bool(flags & _UP),
        has_carrier=bool(flags & _LOWER_UP),
        operates=_number(about.get(_OPERSTATE), _OPERATES) == _OPERATES,
        master=_number(about.get(_MASTER)),
        alias=_text(about.get(_ALIAS)),
        port_forwards=_number(port[_PORT_STATE]) == _FORWARDS if _PORT_STATE in port else None,
        runs_stp=_number(own.get(_STP_STATE)) != 0,
        forward_delay=_number(own.get(_FORWARD_DELAY), 1500) / _HUNDREDTHS,
        filters_vlans=_number(own.get(_VLAN_FILTERING)) != 0,
        default_vlan=_number(own.get(_DEFAULT_PVID), 1),
    )


def _number(value: Optional[bytes], default: int = 0) -> int:
    return default if value is None else int.from_bytes(value, sys.byteorder)


def _text(value: Optional[bytes]) -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "replace")
