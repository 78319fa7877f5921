"""The guest's place on the network, made and unmade by the host side.

The client process sits in an anonymous network namespace. A veth pair (or a macvlan on a plain NIC) joins
it to where the guest will be connected; the inner end has the guest's MAC. Nobody else holds the namespace,
so the kernel removes both ends when the client ends, however it ends. The work is done by ``ip`` and
``bridge`` of iproute2.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Optional

from pypxeboot.errors import PxeBootError, Refused, UsageError
from pypxeboot.guest import Guest
from pypxeboot.lease import Address, Network

INNER = "eth0"  # the guest's end, inside the namespace

# Xen's hotplug scripts give their ports this address too: a bridge takes the lowest MAC of its ports for
# its own, and this one is never the lowest.
HOST_END_MAC = "fe:ff:ff:ff:ff:ff"

# A MAC learned on a port that leads out of this host stays in the table for up to 300 s after its guest is
# gone; heard within these seconds means alive. On a port of a local guest the entry goes with the port:
# there, presence alone means alive.
HEARD_SECONDS = 10
MIN_MTU = {4: 576, 6: 1280}  # RFC 791, RFC 8200 5: what every host must take

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # a bootloader's or hook's PATH may lack sbin
_GUEST_PORT_KINDS = ("tun", "veth", "tap", "macvtap")


@dataclass(frozen=True)
class Place:
    """Where the client is: its interface ``name`` and ``mtu``; ``mode`` is veth, macvlan or host."""

    mode: str
    name: str
    mtu: int
    where: str


def _program(name: str) -> str:
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}")
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


class Joiner:
    """Finds where ``guest`` will be connected, and joins a namespace to it.

    ``mode`` is auto, veth, macvlan or host; ``mac_wait`` is how many seconds to wait for a MAC that is still
    alive on another port; ``log`` takes lines for the reader.
    """

    def __init__(self, guest: Guest, mode: str, mac_wait: float, log: Callable[[str], None]) -> None:
        self._guest, self._mac_wait, self._log = guest, mac_wait, log
        self.where = guest.bridge or guest.interface or "xenbr0"
        self._device = self._show(self.where)
        self._is_bridge = self._device.get("linkinfo", {}).get("info_kind") == "bridge"
        if mode == "auto":
            mode = "veth" if self._is_bridge else "macvlan"
        if mode == "veth" and not self._is_bridge:
            raise UsageError(f"{self.where} is no Linux bridge", hint="name a bridge, or use --link macvlan")
        self.mode = mode
        self._undo: Optional[Callable[[], object]] = None

    def leave(self) -> None:
        """Take the link away now: the kernel removes a dead namespace late, and the guest comes at once."""
        if self._undo is not None:
            with suppress(PxeBootError):  # it went with its process
                self._undo()
            self._undo = None

    def _show(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(run(["ip", "-json", "-details", "link", "show", "dev", name]))
        except PxeBootError as why:
            if "does not exist" in why.message or "Cannot find device" in why.message:
                hint = "name the guest's bridge or NIC by --bridge or --interface; 'ip link' lists them"
                raise UsageError(f"there is no network interface {name}", hint=hint) from None
            raise
        return dict(found[0])

    def join(self, pid: int, deadline: float) -> Place:
        """Connect the network namespace of process ``pid``; its interface is up when this returns.

        Raises Refused when the guest's MAC stays alive elsewhere on the bridge.
        """
        mtu = int(self._device.get("mtu", 1500))
        if self.mode == "host":
            return Place("host", self.where, mtu, self.where)
        outer = f"pxe{secrets.token_hex(4)}"
        if self.mode == "veth":
            self._await_mac(deadline)
            self._make_veth(outer, pid, mtu)
        else:
            self._make_macvlan(outer, pid)
        in_namespace(pid, f"link set lo up\nlink set {INNER} up\n")
        if self.mode == "veth" and self._bridge_data().get("stp_state"):
            self._await_forwarding(outer, deadline)
        return Place(self.mode, INNER, mtu, self.where)

    def _bridge_data(self) -> dict[str, Any]:
        return dict(self._device.get("linkinfo", {}).get("info_data", {}))

    def _make_veth(self, outer: str, pid: int, mtu: int) -> None:
        pair = (
            f"link add name {outer} mtu {mtu} address {HOST_END_MAC} type veth "
            f"peer name {INNER} mtu {mtu} address {self._guest.mac} netns {pid}\n"
        )
        self._undo = lambda: run(["ip", "link", "del", "dev", outer])
        run(["ip", "-batch", "-"], script=f"{pair}link set dev {outer} master {self.where}\n")
        # No router solicitations from a port of the bridge.
        switch = Path(f"/proc/sys/net/ipv6/conf/{outer}/disable_ipv6")
        if switch.exists():
            switch.write_text("1")
        if self._guest.vlan is not None:
            self._set_vlan(outer, self._guest.vlan)
        run(["ip", "link", "set", "dev", outer, "up"])

    def _set_vlan(self, outer: str, vlan: int) -> None:
        if not self._bridge_data().get("vlan_filtering"):
            raise UsageError(
                f"bridge {self.where} does not filter VLANs, so --vlan {vlan} has no meaning there",
                hint=f"name the bridge of that VLAN, or set vlan_filtering on {self.where}",
            )
        default = self._bridge_data().get("vlan_default_pvid", 1)
        script = f"vlan del dev {outer} vid {default}\n" if default else ""
        run(["bridge", "-batch", "-"], script=f"{script}vlan add dev {outer} vid {vlan} pvid untagged\n")

    def _make_macvlan(self, outer: str, pid: int) -> None:
        try:
            run(
                ["ip", "-batch", "-"],
                script=f"link add link {self.where} name {outer} address {self._guest.mac} netns {pid} "
                "type macvlan mode bridge\n",
            )
            self._undo = lambda: in_namespace(pid, f"link del dev {INNER}\n")
            in_namespace(pid, f"link set dev {outer} name {INNER}\nlink set {INNER} up\n")
        except PxeBootError as why:
            if "in use" in why.message:
                raise Refused(
                    f"MAC {self._guest.mac} is alive on another macvlan of {self.where}",
                    hint="shut the guest down that has it",
                ) from None
            raise

    def _await_mac(self, deadline: float) -> None:
        """A guest that is rebooting may still be there: wait until its port is gone, then refuse."""
        end = min(time.monotonic() + self._mac_wait, deadline)
        told = False
        while True:
            port = self._alive_on()
            if port is None:
                return
            if time.monotonic() >= end:
                raise Refused(
                    f"MAC {self._guest.mac} is alive on port {port} of bridge {self.where}",
                    hint="shut the guest down that has it (--mac-wait SECONDS waits longer for it)",
                )
            if not told:
                self._log(f"MAC {self._guest.mac} is still alive on port {port} of {self.where}: waiting")
                told = True
            time.sleep(0.25)

    def _alive_on(self) -> Optional[str]:
        entries = json.loads(run(["bridge", "-json", "-statistics", "fdb", "show", "br", self.where]) or "[]")
        for entry in entries:
            if entry.get("mac") != self._guest.mac or not entry.get("master"):
                continue
            port = str(entry["ifname"])
            if self._is_guest_port(port) or float(entry.get("updated", 0)) < HEARD_SECONDS:
                return port
        return None

    def _is_guest_port(self, port: str) -> bool:
        try:
            kind = self._show(port).get("linkinfo", {}).get("info_kind")
        except UsageError:  # gone in the meantime
            return False
        return kind in _GUEST_PORT_KINDS or port.startswith("vif")

    def _await_forwarding(self, outer: str, deadline: float) -> None:
        """With STP a new port listens and learns before it forwards.

        Twice the forward delay, 30 s by default.
        """
        self._log(f"bridge {self.where} runs STP: its new port forwards in up to 30 s")
        while time.monotonic() < deadline:
            slave = self._show(outer).get("linkinfo", {}).get("info_slave_data", {})
            if slave.get("state") in ("forwarding", None):
                return
            time.sleep(0.25)


def in_namespace(pid: int, script: str) -> None:
    """Run a batch of ``ip`` in the network namespace of process ``pid``."""
    run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-batch", "-"], script=script)


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
    """Give an interface of the guest's end its address and routes, in place of any other, and its MTU.

    With IPv6 its link-local address stays, for that is where DHCP and routers answer to.
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
    in_namespace(pid, "\n".join(lines) + "\n")
