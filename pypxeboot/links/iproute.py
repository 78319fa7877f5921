"""Run ``ip`` of iproute2: on the host, and inside the client's network namespace."""

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


def find_program(name: str) -> Optional[str]:
    """Return the path of a program, None if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}")


def _program(name: str) -> str:
    program = find_program(name)
    if program is None:
        raise PxeBootError(f"the program {name} is missing", hint="install iproute2 and util-linux")
    return program


def popen(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command whose standard output is a pipe for the caller to read. Raises PxeBootError."""
    environment = {"PATH": f"{os.environ.get('PATH', '')}:{_PATH}"}
    return subprocess.Popen(
        [_program(argv[0]), *argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    )


def run(argv: Sequence[str], *, script: Optional[str] = None) -> str:
    """Run a command of iproute2 or util-linux, and return its standard output.

    ``script`` is its standard input. Raises PxeBootError with what the command said.
    """
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
    """Return what ``ip -json -details`` tells of an interface of the host; None if none has that name."""
    try:
        return dict(json.loads(run(["ip", "-json", "-details", "link", "show", "dev", name]))[0])
    except PxeBootError as why:
        if "does not exist" in why.message or "Cannot find device" in why.message:
            return None
        raise


def bridges() -> list[str]:
    """List the names of the bridges of the host."""
    found = run(["ip", "-json", "link", "show", "type", "bridge"])
    return sorted(str(device["ifname"]) for device in json.loads(found or "[]") if "ifname" in device)


def kind_of(device: Optional[dict[str, Any]]) -> str:
    """Return the kind of an interface ("bridge", "veth", ...) from what :func:`show` tells; "" for a NIC."""
    return str((device or {}).get("linkinfo", {}).get("info_kind", ""))


def run_in_namespace(pid: int, script: str, *options: str) -> None:
    """Run the lines ``script`` by ``ip`` (with ``options``) in the network namespace of process ``pid``."""
    run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *options, "-batch", "-"], script=script)


def inner_name(vlan: int) -> str:
    """Return the name of the guest's end of the link, inside the namespace; of its VLAN, if that is not 0."""
    return f"{INNER}.{vlan}" if vlan else INNER


def add_vlan(pid: int, tag: int) -> None:
    """Make an interface for a VLAN on the guest's end of the link."""
    name = inner_name(tag)
    run_in_namespace(pid, f"link add link {INNER} name {name} type vlan id {tag}\nlink set {name} up\n")


def remove_vlan(pid: int, tag: int) -> None:
    """Remove the interface for a VLAN from the guest's end of the link."""
    run_in_namespace(pid, f"link del dev {inner_name(tag)}\n")


def configure(
    pid: int,
    name: str,
    address: Address,
    prefix_length: int,
    routes: Sequence[tuple[Network, Optional[Address]]],
    mtu: int,
) -> None:
    """Set address, routes and MTU of interface ``name`` in the network namespace of process ``pid``.

    A route is a network and its gateway, None for a network on the link. They replace all others of that
    family; but the link-local address of IPv6 stays, for DHCP and routers answer to that.
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
    run_in_namespace(pid, "\n".join(lines) + "\n", f"-{address.version}")
