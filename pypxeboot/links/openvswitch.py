"""A port of an Open vSwitch bridge, by ``ovs-vsctl``, with its VLANs as Xen's hotplug script writes them.

The switch's database outlives the port's interface, so a port of a run that was killed is found by its
owner, and removed by the next run. Source: ovs-vsctl(8), ovs-vswitchd.conf.db(5); the language of bridges
(``name[.TAG][:TRUNK[:TRUNK...]]``) is that of xen tools/hotplug/Linux/vif-openvswitch.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Optional

from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.links import devices, inner, iproute
from pypxeboot.links.devices import NetDevice
from pypxeboot.links.link import HEARD_SECONDS, AttachRequest, FoundLink, Link, Switch

_NAME = re.compile(r"(.+?)(?:\.([0-9]{1,4}))?((?::[0-9]{1,4})*)")
_OWNER = "pypxeboot-owner"
_SECONDS = 30  # as in Xen's script: ovs-vswitchd is at work somewhere else for so long at most


def find_switch(where: str) -> Optional[Switch]:
    """Return the bridge of Open vSwitch that ``where`` means, None if there is none.

    Raises UsageError for a VLAN out of range.
    """
    if iproute.find_program("ovs-vsctl") is None:
        return None
    try:
        bridges = _vsctl("list-br").split()
    except PxeBootError:  # installed and not running
        return None
    if where in bridges:
        return Switch(where)
    match = _NAME.fullmatch(where)
    if match is None or match[1] not in bridges:
        return None
    trunks = tuple(int(trunk) for trunk in match[3].split(":")[1:])
    tag = None if match[2] is None else int(match[2])
    if not all(0 < vlan < 4095 for vlan in (*trunks, *(() if tag is None else (tag,)))):
        raise UsageError(f"{where} names a VLAN outside 1 to 4094")
    return Switch(match[1], tag, trunks)


class OpenVSwitch(Link):
    """A veth pair whose outer end is a port of the switch."""

    mode = "ovs"
    goes_onto = "a bridge"

    @classmethod
    def find(cls, where: str, device: Optional[NetDevice]) -> Optional[FoundLink]:
        """Find the bridge of Open vSwitch that the name, with its VLANs, means. Raises UsageError."""
        switch = find_switch(where)
        if switch is None:
            return None
        own = device if switch.name == where else devices.find(switch.name)
        return FoundLink(cls, where, own, switch)

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        super().__init__(found, request)
        vlan, switch = request.guest.vlan, found.switch
        assert switch is not None
        if None not in (vlan, switch.tag) and vlan != switch.tag:
            raise UsageError(f"--vlan {vlan} and bridge {self.where} contradict each other")
        self._switch, self._tag = switch, switch.tag if vlan is None else vlan
        # A "fake bridge" is one VLAN of another.
        self._bridge = _vsctl("br-to-parent", switch.name).strip()
        (self._config,) = _records("list", "Bridge", "datapath_type,stp_enable,rstp_enable", self._bridge)

    def await_guest_gone(self, deadline: float) -> None:
        """Wait until no port of the switch has the guest's MAC. Raises Refused."""
        _remove_stale_ports()
        self._await_mac(self._find_mac, deadline)

    def _connect(self, pid: int, deadline: float) -> None:
        self._make_pair(pid)
        # Transient: ovs-ctl removes it at the next start of the host.
        words = ["add-port", self._switch.name, self._outer, *self._vlans(), "other_config:transient=true"]
        words += ["--", "set", "Interface", self._outer, f"external_ids:{_OWNER}={json.dumps(_owner())}"]
        words += [f"external_ids:attached-mac={json.dumps(self._request.guest.mac)}"]
        self._undo.append(lambda: _vsctl("--if-exists", "del-port", self._outer))
        _vsctl(*words)
        if self._config["datapath_type"] == "netdev":
            self._finish_checksums(pid)
        devices.set_up(self._outer)

    def _vlans(self) -> list[str]:
        words = [] if self._tag is None else [f"tag={self._tag}"]
        if self._switch.trunks:
            words += [f"trunks={','.join(map(str, self._switch.trunks))}"]
            words += [] if self._tag is None else ["vlan_mode=native-untagged"]
        return words

    def _finish_checksums(self, pid: int) -> None:
        """Have the kernel finish checksums, which it leaves to the NIC: a switch in user space does not."""
        inside = ["nsenter", f"--net=/proc/{pid}/ns/net"]
        try:
            iproute.run([*inside, "ethtool", "-K", inner.INNER, "tx-checksumming", "off"])
        except PxeBootError as why:
            self._request.log(f"{self.where} is in user space, and may lose what is sent: {why.message}")

    def _find_mac(self) -> Optional[str]:
        """Return in words the port where the guest's MAC is alive, None if it is not.

        A toolstack noted the MAC at that port, or the switch heard it there within HEARD_SECONDS.
        """
        mac = self._request.guest.mac
        names = (self._bridge, self._switch.name)
        ports = {port for name in names for port in _vsctl("list-ifaces", name).split()}
        noted = f'external_ids:attached-mac="{mac}"'
        for record in _records("find", "Interface", "name,ofport", noted):
            if record["name"] in ports and isinstance(record["ofport"], int) and record["ofport"] > 0:
                return f"port {record['name']} of bridge {self._bridge}"
        try:
            table = iproute.run(["ovs-appctl", "--timeout=5", "fdb/show", self._bridge])
        except PxeBootError:  # of another container, perhaps: its database can be reached, and it cannot
            return None
        for row in (line.split() for line in table.splitlines()):
            if len(row) == 4 and row[2] == mac and row[3].isdigit() and int(row[3]) < HEARD_SECONDS:
                return f"port {row[0]} of bridge {self._bridge}"
        return None

    def _await_forwarding(self, deadline: float) -> None:
        """Wait while a new port of a switch with STP or RSTP listens and learns."""
        if not (self._config["stp_enable"] or self._config["rstp_enable"]):
            self._await_carrier(deadline)
            return
        self._request.log(f"bridge {self._bridge} runs STP: its new port forwards in up to 30 s")
        self._poll(self._is_forwarding, deadline)

    def _is_forwarding(self) -> bool:
        (port,) = _records("list", "Port", "status,rstp_status", self._outer)
        states = {dict(port["status"]).get("stp_state"), dict(port["rstp_status"]).get("rstp_port_state")}
        return bool({"forwarding", "Forwarding"} & states)


def _vsctl(*words: str) -> str:
    return iproute.run(["ovs-vsctl", f"--timeout={_SECONDS}", *words])


def _records(command: str, table: str, columns: str, *which: str) -> list[dict[str, Any]]:
    """Return records of the switch's database, as dicts of the ``columns`` (separated by commas).

    A set with one member is that member, a map is a list of pairs (RFC 7047, 5.1).
    """
    shown = json.loads(_vsctl("--format=json", "--", f"--columns={columns}", command, table, *which))
    return [
        {
            heading: cell[1] if isinstance(cell, list) else cell
            for heading, cell in zip(shown["headings"], row)
        }
        for row in shown["data"]
    ]


def _owner() -> str:
    """Return the words by which a port is ours, such that no later process is taken for this one."""
    return f"{_pid_namespace()} {os.getpid()} {_start_time(os.getpid())}"


def _pid_namespace() -> int:
    """Return the number of the namespace that process ids are of: containers may share a switch."""
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - what the link leads to


def _start_time(pid: int) -> str:
    """Return when a process was started, in ticks since the boot of the host; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _remove_stale_ports() -> None:
    """Remove from the switch the ports of runs that were killed."""
    for record in _records("find", "Interface", "name,external_ids", f'external_ids:{_OWNER}!=""'):
        namespace, _, process = str(dict(record["external_ids"]).get(_OWNER, "")).partition(" ")
        pid, _, started = process.partition(" ")
        if namespace == str(_pid_namespace()) and pid.isdigit() and started != _start_time(int(pid)):
            _vsctl("--if-exists", "del-port", str(record["name"]))
