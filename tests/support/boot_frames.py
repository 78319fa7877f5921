"""What ``explain`` is shown, frames of a boot made by hand; and how it is run."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

from tests.support.ground import tools
from tests.support.peers.dhcp import message, standard

CLIENT_MAC = "52:54:00:ab:cd:ef"
SERVER_MAC = "02:00:00:00:be:ef"
CLIENT, OTHER = "10.77.0.150", "10.77.0.66"


def explain(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pypxeboot", "explain", *args]
    env = {"PYTHONPATH": str(tools.ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=90, env=env, **more)


def told(path: Path, *, code: int = 0) -> str:
    done = explain(str(path))
    assert done.returncode == code, done
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())
    return done.stdout


def verdict(text: str) -> str:
    last = text.splitlines()[-1]
    assert last.startswith("verdict: ")
    return last


def ethernet(layers: Any, mac: str = CLIENT_MAC) -> bytes:
    from scapy.layers.l2 import Ether

    return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / layers)


def udp(source: str, sport: int, target: str, dport: int, data: bytes, mac: str = "") -> bytes:
    from scapy.layers.inet import IP, UDP

    ip = IP(src=source, dst=target) / UDP(sport=sport, dport=dport) / data
    return ethernet(ip, mac or (CLIENT_MAC if source in (CLIENT, "0.0.0.0") else SERVER_MAC))


def tcp(source: str, target: str, flags: str, data: bytes = b"", seq: int = 0, *, port: int = 80) -> bytes:
    from scapy.layers.inet import IP, TCP

    ports = {"sport": 40000, "dport": port} if source == CLIENT else {"sport": port, "dport": 40000}
    ip = IP(src=source, dst=target) / TCP(flags=flags, seq=seq, **ports) / data
    return ethernet(ip, CLIENT_MAC if source == CLIENT else SERVER_MAC)


def arp(operation: int, mac: str, source: str, target: str) -> bytes:
    from scapy.layers.l2 import ARP

    return ethernet(ARP(op=operation, hwsrc=mac, psrc=source, pdst=target), mac)


def discover(xid: int = 1) -> bytes:
    options = b"\x35\x01\x01\x3c\x09PXEClient\xff"
    return udp("0.0.0.0", 68, "255.255.255.255", 67, message(options, op=1, xid=xid, yiaddr="0.0.0.0"))


def request(xid: int = 1) -> bytes:
    options = b"\x35\x01\x03\x32\x04" + bytes(map(int, CLIENT.split("."))) + b"\xff"
    return udp("0.0.0.0", 68, "255.255.255.255", 67, message(options, op=1, xid=xid, yiaddr="0.0.0.0"))


def reply(
    kind: int, server: str = OTHER, xid: int = 1, *, yiaddr: str = CLIENT, **changed: Optional[bytes]
) -> bytes:
    options = standard(kind, server=server, **{"o67": b"pxelinux.0", **changed})
    return udp(server, 67, CLIENT, 68, message(options, xid=xid, yiaddr=yiaddr, siaddr=server))


OFFER, ACK, NAK = 2, 5, 6
LEASED = ((0.0, discover()), (0.01, reply(OFFER)), (0.02, request()), (0.03, reply(ACK)))


def rrq(name: str = "vmlinuz", port: int = 2000) -> bytes:
    return udp(CLIENT, port, OTHER, 69, b"\0\1" + name.encode() + b"\0octet\0blksize\x001468\0")


def from_tftp(data: bytes, port: int = 2000) -> bytes:
    return udp(OTHER, 3000, CLIENT, port, data)


def block(number: int, size: int = 512) -> bytes:
    return from_tftp(struct.pack(">HH", 3, number & 0xFFFF) + bytes(size))


def pcap(*frames: bytes, magic: str = "<", nano: bool = False, linktype: int = 1) -> bytes:
    """A capture file of these frames, a millisecond (or microsecond) apart."""
    head = struct.pack(magic + "IHHIIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    return head + b"".join(
        struct.pack(magic + "IIII", 10, at * 1000, len(data), len(data)) + data
        for at, data in enumerate(frames)
    )
