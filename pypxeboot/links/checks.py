"""Check for the doctor what the guest's link leads onto, before anything is sent: bridge, NIC, STP, firewall.

Only programs and files of this host are asked; no byte of the network is read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.doctor.findings import Finding, Level, fail, ok, warn
from pypxeboot.errors import NoLease, PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.links import devices, firewall, iproute, select
from pypxeboot.links.devices import NetDevice
from pypxeboot.links.link import Switch

_BRIDGE_NETFILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_LEGACY_TABLES = Path("/proc/net/ip_tables_names")
_LONG_STP = 4.0  # s; a port that takes longer to forward costs the first DISCOVER


def findings(guest: Guest, choice: str) -> Iterator[Finding]:
    """Yield the findings about the guest's link; a failure is the last. ``choice`` is that of ``--link``.

    Raises UsageError where it is not even known what to look at.
    """
    found = select.find_link(guest, choice)
    where, device = found.where, found.device
    if found.switch is not None:
        yield _switch(found.switch)
        return
    if device is None:
        if found.error is not None:
            yield fail("bridge", found.error)
        return
    what = "bridge" if device.kind == "bridge" else "link"
    if not device.is_up:
        yield fail(what, NoLease(f"{where} is down", hint=f"ip link set {where} up"))
        return
    if device.kind != "bridge":
        yield _nic(where, device)
        return
    yield _ports(where, device)
    yield _spanning_tree(where, device)
    yield from _firewall(where)


def _switch(switch: Switch) -> Finding:
    """Count the ports of a bridge of Open vSwitch; which VLANs lead where is not looked at."""
    ports = iproute.run(["ovs-vsctl", "--timeout=5", "list-ports", switch.name]).split()
    text = f"{switch.name} is a bridge of Open vSwitch with {len(ports)} port{'s' * (len(ports) != 1)}"
    return ok("bridge", text if switch.tag is None else f"{text}, VLAN {switch.tag} is the guest's")


def _nic(where: str, device: NetDevice) -> Finding:
    text = f"{where} is up ({device.kind or 'a NIC'}), MTU {device.mtu}"
    if device.has_carrier:
        return ok("link", text)
    return warn("link", f"{text}, but has no carrier", "look at its cable and at the switch")


def _ports(where: str, device: NetDevice) -> Finding:
    live = [port.name for port in devices.ports(device) if port.has_carrier]
    text = f"{where} is up, MTU {device.mtu}"
    if live:
        more = f" and {len(live) - 8} more" if len(live) > 8 else ""
        return ok("bridge", f"{text}, ports with carrier: {', '.join(live[:8])}{more}")
    if _has_address(where):
        return ok("bridge", f"{text}, no port with carrier: only this host can answer")
    hint = f"put the uplink into it (ip link set NIC master {where}), and look at its cable"
    return warn("bridge", f"{text}, but no port of it has a carrier: nobody can answer", hint)


def _has_address(where: str) -> bool:
    shown = json.loads(iproute.run(["ip", "-json", "-4", "addr", "show", "dev", where]) or "[]")
    return any(item and item.get("addr_info") for item in shown)


def _spanning_tree(where: str, device: NetDevice) -> Finding:
    if not device.runs_stp:
        return ok("STP", f"{where} runs no spanning tree: a new port forwards at once")
    seconds = 2 * device.forward_delay
    text = f"{where} runs STP: a new port forwards after {seconds:.0f} s (it is waited for)"
    if seconds <= _LONG_STP:
        return ok("STP", text)
    hint = f"ip link set {where} type bridge forward_delay 200, or stp_state 0 where there is no loop"
    return warn("STP", f"{text}, and so does the guest's own", hint)


def _firewall(where: str) -> Iterator[Finding]:
    calls_iptables = _read(_BRIDGE_NETFILTER).strip() == "1"
    chains = _find_chains()
    forward = [chain for chain in chains if chain.hook == "forward" and (chain.bridged or calls_iptables)]
    for chain in forward:
        if chain.bridged:
            hint = f"let it accept what comes from and goes to the ports of {where}"
        else:
            hint = (
                "sysctl net.bridge.bridge-nf-call-iptables=0, or "
                "iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
            )
        how = "" if chain.bridged else " (br_netfilter hands it bridged frames)"
        yield warn("firewall", f"chain {chain.name} drops what no rule of it accepts{how}", hint)
    if any(chain.hook == "input" for chain in chains) and _has_address(where):
        hint = f"if DHCP or TFTP servers run here: accept UDP 67 and 69 and TCP 80 from {where}"
        yield warn("firewall", "this host drops what no input rule accepts", hint)
    elif not forward:
        how = (
            "br_netfilter is on, and no policy drops" if calls_iptables else "nothing filters bridged frames"
        )
        yield ok("firewall", f"{how}, as far as policies go")


def firewall_warning(where: str) -> Optional[str]:
    """Return what in this host's firewall drops the frames of bridge ``where``, and the remedy; or None."""
    found = next((finding for finding in _firewall(where) if finding.level is Level.WARN), None)
    return None if found is None else f"{found.text}: {found.hint}"


def _find_chains() -> list[firewall.Chain]:
    """Return the dropping chains of nft and of old iptables, of which either may be in use, or both."""
    found: list[firewall.Chain] = []
    with suppress(PxeBootError):
        found += firewall.parse_nft(iproute.run(["nft", "-j", "list", "ruleset"]))
    if "filter" in _read(_LEGACY_TABLES).split():
        for name in ("iptables-legacy", "iptables"):  # where the first is missing, the second is it
            with suppress(PxeBootError):
                found += firewall.parse_iptables(iproute.run([name, "-S"]))
                break
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
