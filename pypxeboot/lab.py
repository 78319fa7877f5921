"""``pypxeboot-lab``: a site to boot from, on any Linux machine, without touching its network.

    namespace NAME (the hypervisor)              namespace NAME-lab (the site)
      br0  10.77.0.2/24
       +-- lab0 ---------------- veth --------------- eth0  10.77.0.1/24: DHCP, TFTP, HTTP

The servers are a process of their own in the second namespace; the command given runs in the first. What was
made is taken away at the end. If the lab itself is killed, its servers end by themselves, and the next lab of
the same name clears the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import http.server
import json
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import IO, Any, Optional

from pypxeboot import __version__, labdhcp, labtree, labwire
from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.guest import check_interface, parse_mac
from pypxeboot.text import decode, printable

log = logging.getLogger(__name__)

NETWORK = IPv4Network("10.77.0.0/24")
SERVER, HYPERVISOR = NETWORK[1], NETWORK[2]
FIRST, LAST = NETWORK[100], NETWORK[200]

_RUN = Path("/run/pypxeboot-lab")
_TFTP_WAIT, _TFTP_TRIES = 1.0, 5


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run ``pypxeboot-lab`` with ``argv``; gives the exit code of the command that it ran."""
    try:
        args = _parse(argv)
        if args.action == "serve":
            return _serve(json.loads(args.site))
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
        return _lab(args)
    except PxeBootError as why:
        print(f"pypxeboot-lab: {why.message}", file=sys.stderr)
        if why.hint:
            print(f"pypxeboot-lab: {why.hint}", file=sys.stderr)
        return why.code
    except KeyboardInterrupt:
        return 130


def _end(number: int, frame: object) -> None:
    del frame
    sys.exit(128 + number)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    words = list(argv)
    command = []
    if "--" in words:
        words, command = words[: words.index("--")], words[words.index("--") + 1 :]
    top = argparse.ArgumentParser(
        prog="pypxeboot-lab",
        description="A site to network-boot from, in namespaces of its own: DHCP, DNS, TFTP, HTTP.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    actions = top.add_subparsers(dest="action", required=True, metavar="run")
    one = actions.add_parser(
        "run",
        usage="pypxeboot-lab run [options] [-- COMMAND...]",
        help="make the lab, run COMMAND in it (or wait for Ctrl-C), take it away",
    )
    add = one.add_argument
    tree = one.add_mutually_exclusive_group()
    tree.add_argument("--root", type=Path, metavar="DIR", help="serve this directory")
    tree.add_argument("--tree", choices=("multi",), help="serve a menu of four entries made for it (default)")
    add(
        "--kernel",
        type=Path,
        metavar="FILE",
        help="the kernel of that tree (default: one that only looks so)",
    )
    add("--initrd", type=Path, metavar="FILE", help="its initrd")
    add("--busybox", type=Path, metavar="FILE", help="make its initrd of this static busybox")
    add("--name", default="pxelab", help="name of the network namespace (pxelab)")
    add("--bridge", default="br0", help="name of the bridge in it (br0)")
    add("--http", action="store_true", help="let clients load by HTTP (option 210)")
    add("--filename", default="pxelinux.0", metavar="F", help="the boot file that DHCP gives (pxelinux.0)")
    add("--host", action="append", default=[], metavar="MAC=IP", help="the address of a MAC (repeatable)")
    add("-v", "--verbose", action="store_true", help="log every request")
    actions.add_parser("serve").add_argument("site", help="for the lab itself")
    args = top.parse_args(words)
    args.command = command
    return args


# ---- the lab


def _lab(args: argparse.Namespace) -> int:
    """Make everything, run the command or wait, and take everything away."""
    if os.geteuid() != 0:
        raise UsageError("network namespaces need root", hint="run it with sudo")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", args.name):
        raise UsageError(f"{args.name!r} cannot be the name of a namespace")
    site = {
        "bootfile": args.filename,
        "prefix": f"http://{SERVER}/" if args.http else None,
        "hosts": _hosts(args.host),
        "verbose": args.verbose,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(_name_of_its_own(args.name))
        root = args.root
        if root is None:
            root = _RUN / f"{args.name}.tree"
            _make_tree(root, args)
        elif not root.is_dir():
            raise UsageError(f"{root}: no directory")
        stack.enter_context(_namespaces(args.name, check_interface(args.bridge)))
        stack.enter_context(_servers(args.name, {**site, "root": str(root.resolve())}))
        if args.command:
            return _run_command(args.name, args.command)
        with contextlib.suppress(KeyboardInterrupt):
            _explain(args.name, args.bridge, root)
            threading.Event().wait()
    return 0


def _hosts(words: Sequence[str]) -> dict[str, str]:
    hosts = {}
    for word in words:
        mac, _, address = word.partition("=")
        try:
            known = IPv4Address(address) in NETWORK and IPv4Address(address) not in (SERVER, HYPERVISOR)
        except ValueError:
            known = False
        if not known:
            raise UsageError(f"--host {word}: write MAC=IP, the address in {NETWORK}")
        hosts[parse_mac(mac)] = address
    return hosts


def _make_tree(root: Path, args: argparse.Namespace) -> None:
    try:
        initrd = args.initrd.read_bytes() if args.initrd else None
        if args.busybox and initrd is None:
            initrd = labtree.initramfs(args.busybox.read_bytes())
        kernel = args.kernel.read_bytes() if args.kernel else None
    except OSError as why:
        raise UsageError(f"{why.filename}: {why.strerror}") from None
    for name, data in labtree.sample(kernel=kernel, initrd=initrd).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _explain(name: str, bridge: str, root: Path) -> None:
    print(f"The lab is up: {SERVER} serves {root} by DHCP, TFTP and HTTP. In another terminal, as root:")
    print(f"  ip netns exec {name} pypxeboot -v --mac 52:54:00:12:34:56 --bridge {bridge} --json")
    print(f"  ip netns exec {name} curl tftp://{SERVER}/pxelinux.cfg/default")
    print("Ctrl-C ends it.", flush=True)


def _run_command(name: str, command: Sequence[str]) -> int:
    """The exit code of ``command``, run where the hypervisor is."""
    process = subprocess.Popen(["ip", "netns", "exec", name, *command])
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # it has the same terminal, and decides
                code = process.wait()
                return code if code >= 0 else 128 - code
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)


@contextlib.contextmanager
def _name_of_its_own(name: str) -> Iterator[None]:
    """Keep other labs off ``name``, and clear what a killed one of that name has left."""
    _RUN.mkdir(mode=0o755, exist_ok=True)
    path, tree = _RUN / f"{name}.lock", _RUN / f"{name}.tree"
    ours = path.exists()
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"a lab named {name} is running", hint="choose another --name") from None
        existing = [space for space in _spaces(name) if Path("/run/netns", space).exists()]
        if existing and not ours:
            path.unlink()
            raise UsageError(
                f"a network namespace {existing[0]} is there already", hint="choose another --name"
            )
        _remove(existing)
        shutil.rmtree(tree, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            path.unlink()


def _spaces(name: str) -> tuple[str, str]:
    return name, f"{name}-lab"


@contextlib.contextmanager
def _namespaces(name: str, bridge: str) -> Iterator[None]:
    hypervisor, site = _spaces(name)
    try:
        for space in (hypervisor, site):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", hypervisor, "link", "add", bridge, "type", "bridge", "forward_delay", "0")
        _ip("-n", hypervisor, "link", "add", "lab0", "type", "veth", "peer", "name", "eth0", "netns", site)
        _ip("-n", hypervisor, "link", "set", "lab0", "master", bridge, "up")
        _ip("-n", hypervisor, "address", "add", f"{HYPERVISOR}/{NETWORK.prefixlen}", "dev", bridge)
        _ip("-n", hypervisor, "link", "set", bridge, "up")
        _ip("-n", site, "address", "add", f"{SERVER}/{NETWORK.prefixlen}", "broadcast", "+", "dev", "eth0")
        _ip("-n", site, "link", "set", "eth0", "up")
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # no second thoughts while clearing up
        _remove((hypervisor, site))


def _ip(*words: str) -> str:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise PxeBootError("there is no ip command", hint="install iproute2") from None
    if done.returncode:
        raise PxeBootError(f"ip {shlex.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _remove(spaces: Sequence[str]) -> None:
    """End the processes in these namespaces, and remove them."""
    for space in spaces:
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 2
            pids = _pids(space)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while pids and _pids(space) and time.monotonic() < deadline:
                time.sleep(0.05)
        with contextlib.suppress(PxeBootError):
            _ip("netns", "delete", space)


def _pids(space: str) -> list[int]:
    try:
        return [int(word) for word in _ip("netns", "pids", space).split()]
    except PxeBootError:
        return []  # not there any more


@contextlib.contextmanager
def _servers(name: str, site: Mapping[str, Any]) -> Iterator[None]:
    """The process that serves. It ends when its standard input does, however the lab ends."""
    argv = ["ip", "netns", "exec", _spaces(name)[1], sys.executable, "-m", "pypxeboot.lab", "serve"]
    process = subprocess.Popen(
        [*argv, json.dumps(site)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin and process.stdout
    try:
        if process.stdout.readline() != b"ready\n":
            raise PxeBootError("the servers of the lab did not start")
        yield
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


# ---- the servers


def _serve(settings: Mapping[str, Any]) -> int:
    """Serve until standard input ends."""
    site = labdhcp.Site(
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


def _dhcp(sock: socket.socket, site: labdhcp.Site) -> None:
    server = labdhcp.Server(site)
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
        reply = labwire.dns_answer(query, names)
        if reply:
            sock.sendto(reply, client)


def _inside(root: Path, name: str) -> Optional[Path]:
    """The file that ``name`` means below ``root``, None if there is none."""
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
                block, window, agreed = labwire.tftp_options(request, size)
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


if __name__ == "__main__":
    run()
