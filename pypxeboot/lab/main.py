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
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from pypxeboot import __version__
from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.guest import check_interface, parse_mac
from pypxeboot.lab import sample_tree
from pypxeboot.lab.namespaces import (
    HYPERVISOR,
    NETWORK,
    RUN_DIRECTORY,
    SERVER,
    lock_name,
    make_namespaces,
    namespace_names,
)
from pypxeboot.lab.servers import serve

log = logging.getLogger(__name__)


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run ``pypxeboot-lab`` with ``argv``; gives the exit code of the command that it ran."""
    try:
        if argv[:1] == ["serve"]:  # the lab itself calls it
            return serve(json.loads(argv[1]))
        args = _parse(argv)
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


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``pypxeboot-lab``."""
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
    return top


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    words = list(argv)
    command = []
    if "--" in words:
        words, command = words[: words.index("--")], words[words.index("--") + 1 :]
    args = parser().parse_args(words)
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
        stack.enter_context(lock_name(args.name))
        root = args.root
        if root is None:
            root = RUN_DIRECTORY / f"{args.name}.tree"
            _make_tree(root, args)
        elif not root.is_dir():
            raise UsageError(f"{root}: no directory")
        stack.enter_context(make_namespaces(args.name, check_interface(args.bridge)))
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
            initrd = sample_tree.initramfs(args.busybox.read_bytes())
        kernel = args.kernel.read_bytes() if args.kernel else None
    except OSError as why:
        raise UsageError(f"{why.filename}: {why.strerror}") from None
    for name, data in sample_tree.sample(kernel=kernel, initrd=initrd).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _explain(name: str, bridge: str, root: Path) -> None:
    print(f"The lab is up: {SERVER} serves {root} by DHCP, TFTP and HTTP. In another terminal, as root:")
    print(f"  ip netns exec {name} pypxeboot -v --mac 52:54:00:12:34:56 --bridge {bridge} --json")
    print(f"  ip netns exec {name} curl tftp://{SERVER}/pxelinux.cfg/default")
    print("Ctrl-C ends it.", flush=True)


def _run_command(name: str, command: Sequence[str]) -> int:
    """Return the exit code of ``command``, run where the hypervisor is."""
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
def _servers(name: str, site: Mapping[str, Any]) -> Iterator[None]:
    """Run the process that serves. It ends when its standard input does, however the lab ends."""
    argv = ["ip", "netns", "exec", namespace_names(name)[1], sys.executable, "-m", "pypxeboot.lab", "serve"]
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
