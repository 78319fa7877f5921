"""The lab's servers."""

from __future__ import annotations

import functools
import http.server
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, Any, Optional

from pypxeboot.lab import dhcp_server, replies
from pypxeboot.lab.namespaces import NETWORK, SERVER
from pypxeboot.text import decode, printable

log = logging.getLogger(__name__)

FIRST, LAST = NETWORK[100], NETWORK[200]
_TFTP_WAIT, _TFTP_TRIES = 1.0, 5


# ---- the servers


def serve(settings: Mapping[str, Any]) -> int:
    """Serve until standard input ends."""
    site = dhcp_server.Site(
        network=NETWORK,
        server=SERVER,
        first=FIRST,
        last=LAST,
        bootfile=settings["bootfile"],
        prefix=settings["prefix"],
        hosts={mac: IPv4Address(address) for mac, address in settings["hosts"].items()},
    )
    logging.basicConfig(level="INFO" if settings["verbose"] else "ERROR", format="lab: %(message)s")
    root = Path(settings["root"])
    web = http.server.ThreadingHTTPServer((str(SERVER), 80), functools.partial(_Web, directory=str(root)))
    dhcp = _udp("0.0.0.0", 67)
    dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    tftp = _udp(str(SERVER), 69)
    dns = _udp(str(SERVER), 53)
    names = {f"{name}.{site.domain}": SERVER for name in ("boot", "server")}
    for work in (
        web.serve_forever,
        lambda: _dhcp(dhcp, site),
        lambda: _tftp(tftp, root),
        lambda: _dns(dns, names),
    ):
        threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    return 0


def _udp(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def _dhcp(sock: socket.socket, site: dhcp_server.Site) -> None:
    server = dhcp_server.Server(site)
    while True:
        payload, _ = sock.recvfrom(4096)
        reply, line = server.answer(payload)
        log.info("dhcp %s", line)
        if reply:
            # A client without an address cannot be asked for its MAC by ARP; every one hears a broadcast.
            sock.sendto(reply, ("255.255.255.255", 68))


def _dns(sock: socket.socket, names: Mapping[str, IPv4Address]) -> None:
    while True:
        query, client = sock.recvfrom(512)
        reply = replies.dns_answer(query, names)
        if reply:
            sock.sendto(reply, client)


def _inside(root: Path, name: str) -> Optional[Path]:
    """Return the file that ``name`` means below ``root``, None if there is none."""
    if "\0" in name:
        return None
    path = (root / name.replace("\\", "/").lstrip("/")).resolve()
    return path if root in path.parents and path.is_file() else None


def _tftp(sock: socket.socket, root: Path) -> None:
    while True:
        request, client = sock.recvfrom(2048)
        threading.Thread(target=_tftp_answer, args=(request, client, root), daemon=True).start()


def _tftp_answer(request: bytes, client: tuple[str, int], root: Path) -> None:
    """One request (RFC 1350, 2347-2349, 7440), from a port of its own."""
    with _udp(str(SERVER), 0) as sock:
        sock.connect(client)
        name = request[2:].partition(b"\0")[0]
        told = f"tftp {client[0]} {printable(name)}"
        path = _inside(root, decode(name))
        if request[:2] != b"\0\1" or path is None:
            code, words = (1, b"File not found") if request[:2] == b"\0\1" else (4, b"Only reading")
            sock.send(struct.pack(">HH", 5, code) + words + b"\0")
            log.info("%s: %s", told, words.decode().lower())
            return
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                block, window, agreed = replies.tftp_options(request, size)
                if agreed and not _tftp_exchange(sock, [agreed], 0):
                    return
                ended = "" if _tftp_send(sock, file, block, window) else ", broken off"
            log.info("%s: %d bytes%s", told, size, ended)
        except OSError as why:
            log.info("%s: %s", told, why)


def _tftp_send(sock: socket.socket, file: IO[bytes], block: int, window: int) -> bool:
    """Send the file, a window at a time; whether all of it was confirmed."""
    done = 0  # blocks that the client has
    count = os.fstat(file.fileno()).st_size // block + 1
    while done < count:
        file.seek(done * block)
        numbers = range(done + 1, min(done + window, count) + 1)
        packets = [struct.pack(">HH", 3, number & 0xFFFF) + file.read(block) for number in numbers]
        confirmed = _tftp_exchange(sock, packets, done + 1)
        if not confirmed:
            return False
        done += confirmed
    return True


def _tftp_exchange(sock: socket.socket, packets: Sequence[bytes], first: int) -> int:
    """Send ``packets``, numbered from ``first``, until one is confirmed; how many are then. 0: given up."""
    for _ in range(_TFTP_TRIES):
        for packet in packets:
            sock.send(packet)
        deadline = time.monotonic() + _TFTP_WAIT
        while time.monotonic() < deadline:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                opcode, number = struct.unpack(">HH", sock.recv(600)[:4].ljust(4, b"\0"))
            except socket.timeout:
                break
            if opcode == 5:
                return 0
            confirmed: int = (number - first + 1) & 0xFFFF
            if opcode == 4 and 0 < confirmed <= len(packets):
                return confirmed
    return 0


class _Web(http.server.SimpleHTTPRequestHandler):
    """GET of files, nothing else."""

    def log_message(self, format: str, *args: Any) -> None:
        log.info("http %s %s", self.client_address[0], printable(format % args))

    def list_directory(self, path: Any) -> None:
        self.send_error(404)
