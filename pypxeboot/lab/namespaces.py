"""The network namespaces of the lab."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from pypxeboot.errors import PxeBootError, UsageError

NETWORK = IPv4Network("10.77.0.0/24")
SERVER, HYPERVISOR = NETWORK[1], NETWORK[2]

RUN_DIRECTORY = Path("/run/pypxeboot-lab")


@contextlib.contextmanager
def lock_name(name: str) -> Iterator[None]:
    """Keep other labs off ``name``, and clear what a killed one of that name has left."""
    RUN_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    path, tree = RUN_DIRECTORY / f"{name}.lock", RUN_DIRECTORY / f"{name}.tree"
    ours = path.exists()
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"a lab named {name} is running", hint="choose another --name") from None
        existing = [space for space in namespace_names(name) if Path("/run/netns", space).exists()]
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


def namespace_names(name: str) -> tuple[str, str]:
    """Return the names of the two namespaces: the hypervisor and the site beyond its bridge."""
    return name, f"{name}-lab"


@contextlib.contextmanager
def make_namespaces(name: str, bridge: str) -> Iterator[None]:
    """Make the two namespaces and the bridge between them; they are removed in the end."""
    hypervisor, site = namespace_names(name)
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
