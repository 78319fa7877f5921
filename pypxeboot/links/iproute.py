"""Network interfaces, by ``ip`` of iproute2: of the host, and inside the client's network namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any, Optional

from pypxeboot.errors import PxeBootError
from pypxeboot.lease import Address, Network

INNER = "eth0"  # the guest's end, inside the namespace

MIN_MTU = {4: 576, 6: 1280}  # RFC 791, RFC 8200 5: what every host must take

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # a bootloader's or hook's PATH may lack sbin


def find(name: str) -> Optional[str]:
    """Where a program is, if it is installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}")


def _program(name: str) -> str:
    program = find(name)
    if program is None:
        raise PxeBootError(f"the program {name} is missing", hint="install iproute2 and util-linux")
    return program


def start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command whose standard output somebody else will read. Raises PxeBootError."""
    environment = {"PATH": f"{os.environ.get('PATH', '')}:{_PATH}"}
    return subprocess.Popen(
        [_program(argv[0]), *argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    )


def run(argv: Sequence[str], *, script: Optional[str] = None) -> str:
    """Standard output of a command of iproute2 or util-linux. Raises PxeBootError with what it said."""
    done = subprocess.run(
        [_program(argv[0]), *argv[1:]],
        input=script or "",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        raise PxeBootError(f"{' '.join(argv)} failed: {said}")
    return done.stdout


def show(name: str) -> Optional[dict[str, Any]]:
    """What ``ip`` tells of an interface of the host; None if there is none of that name."""
    try:
        return dict(json.loads(run(["ip", "-json", "-details", "link", "show", "dev", name]))[0])
    except PxeBootError as why:
        if "does not exist" in why.message or "Cannot find device" in why.message:
            return None
        raise


def kind_of(device: Optional[dict[str, Any]]) -> str:
    """Return the kind of an interface ("bridge", "veth", ...) from what :func:`show` tells; "" for a NIC."""
    return str((device or {}).get("linkinfo", {}).get("info_kind", ""))


def in_namespace(pid: int, script: str, *options: str) -> None:
    """Run a batch of ``ip`` (with ``options``) in the network namespace of process ``pid``."""
    run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *options, "-batch", "-"], script=script)


def inner_name(vlan: int) -> str:
    """The client's interface for VLAN ``vlan``, or its own for 0."""
    return f"{INNER}.{vlan}" if vlan else INNER


def add_vlan(pid: int, tag: int) -> None:
    """Make an interface for a VLAN on the guest's end."""
    name = inner_name(tag)
    in_namespace(pid, f"link add link {INNER} name {name} type vlan id {tag}\nlink set {name} up\n")


def remove_vlan(pid: int, tag: int) -> None:
    """Take it away."""
    in_namespace(pid, f"link del dev {inner_name(tag)}\n")


def configure(
    pid: int,
    name: str,
    address: Address,
    prefix_length: int,
    routes: Sequence[tuple[Network, Optional[Address]]],
    mtu: int,
) -> None:
    """Give an interface of the guest's end its address and routes, and its MTU.

    They come in place of any other of that family; but its link-local address of IPv6 stays, for that is
    where DHCP and routers answer to.
    """
    scope, nodad = "", ""
    if address.version == 6:
        # Nobody asks here whether the address is in use: the guest's own kernel will.
        scope, nodad = "" if address.is_link_local else " scope global", " nodad"
    lines = [f"addr flush dev {name}{scope}", f"link set dev {name} mtu {mtu}"]
    lines.append(f"addr add {address}/{prefix_length} dev {name}{nodad}")
    subnet = ip_network((address, prefix_length), strict=False)
    for network, gateway in sorted(routes, key=lambda route: route[1] is not None):
        if gateway is None:
            lines.append(f"route replace {network} dev {name}")
        elif gateway != address:
            # A gateway outside the subnet is how /32 leases are routed (RFC 3442).
            near = gateway in subnet or (gateway.version == 6 and gateway.is_link_local)
            onlink = "" if near else " onlink"
            lines.append(f"route replace {network} via {gateway} dev {name}{onlink}")
    in_namespace(pid, "\n".join(lines) + "\n", f"-{address.version}")
