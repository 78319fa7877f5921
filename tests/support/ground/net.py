"""A site: the hypervisor with its bridge, and the server beyond it, each in a network namespace.

    hyp                                    srv
      br0 (10.77.0.2/24 where asked)
       +-- vsw ---------- veth ---------- srv0 10.77.0.1/24, 10.77.0.3/24

With ``server_on_host`` there is no second namespace: br0 has the server's addresses, as libvirt's virbr0 has.
Names hold the process id and a counter, so that any number of sites live side by side.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Callable, Optional, Union

from tests.support.ground import tools

MAC = "52:54:00:ab:cd:ef"
UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
BRIDGE = "br0"
SERVER, SECOND_SERVER, HOST = "10.77.0.1", "10.77.0.3", "10.77.0.2"

_PREFIX = "pxtest"
_MARK = "PYPXEBOOT_TEST_RUN"
_counter = itertools.count()
_open_sites: list[Site] = []


def command(*argv: str, stdin: Optional[str] = None, check: bool = True) -> str:
    """Run a short command and give its output; its words are in the exception when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.returncode}: {done.stderr.strip()}\n{stdin or ''}")
    return done.stdout


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of ``condition``; AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@dataclass
class Run:
    """What one run of pypxeboot did."""

    argv: Sequence[str]
    rc: int
    stdout: bytes
    stderr: str
    seconds: float

    @property
    def result(self) -> dict[str, Any]:
        """Standard output as the JSON document that it must be."""
        try:
            value = json.loads(self.stdout)
        except ValueError:
            raise AssertionError(f"no JSON on standard output of {self}") from None
        assert isinstance(value, dict)
        return value

    def ok(self) -> Run:
        """Itself, when the run ended with 0."""
        assert self.rc == 0, str(self)
        return self

    def __str__(self) -> str:
        return (
            f"{' '.join(self.argv)}\n-> {self.rc} after {self.seconds:.2f} s\n"
            f"--- stdout\n{self.stdout.decode('latin-1')[-3000:]}\n--- stderr\n{self.stderr[-3000:]}"
        )


class Server:
    """A process of ours in a namespace, with its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    def text(self) -> str:
        """The log so far."""
        return self.log.read_text("latin-1")

    def wait_for(self, pattern: str, seconds: float = 10) -> Server:
        """Itself, once the log has a match of ``pattern``."""

        def said() -> bool:
            assert self.process.poll() is None, f"ended with {self.process.poll()}:\n{self.text()}"
            return re.search(pattern, self.text()) is not None

        try:
            wait_until(said, seconds, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None
        return self

    def stop(self) -> None:
        """End it; killed when it does not go by itself."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class Site:
    """Context manager: built on entry; on exit its processes are ended and its namespaces removed.

    ``directory`` takes logs, server state and (below ``out``) what pypxeboot writes; ``addresses`` are the
    server's.
    """

    directory: Path
    server_on_host: bool = False
    host_address: bool = False
    addresses: tuple[str, ...] = (SERVER, SECOND_SERVER)
    hyp: str = ""
    srv: str = ""
    servers: list[Server] = field(default_factory=list)
    _serial: Iterator[int] = field(default_factory=itertools.count)
    _names: list[str] = field(default_factory=list)
    _links: set[str] = field(default_factory=set)

    def __enter__(self) -> Site:
        number = next(_counter)
        self.hyp = self.namespace(f"{number}h")
        _open_sites.append(self)
        try:
            self._build(number)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _build(self, number: int) -> None:
        lines = ["link set lo up", f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0"]
        if self.server_on_host:
            self.srv = self.hyp
            lines += [f"addr add {a}/24 dev {BRIDGE}" for a in self.addresses]
        else:
            self.srv = self.namespace(f"{number}s")
            lines += [
                f"link add vsw type veth peer name srv0 netns {self.srv}",
                f"link set vsw master {BRIDGE} up",
            ]
            command("ip", "-n", self.srv, "link", "set", "lo", "up")
        if self.host_address:
            lines.append(f"addr add {HOST}/24 dev {BRIDGE}")
        lines.append(f"link set {BRIDGE} up")
        self.ip(*lines)
        if not self.server_on_host:
            addresses = [f"addr add {a}/24 dev srv0" for a in self.addresses]
            self.ip(*addresses, "link set srv0 up", namespace=self.srv)
            wait_until(lambda: '"UP"' in self.show("link", "show", "vsw"), 30, "port of the server up")
        self._links = set(self.links())

    @property
    def server_link(self) -> str:
        """The interface that servers listen on."""
        return BRIDGE if self.server_on_host else "srv0"

    def namespace(self, name: str) -> str:
        """A new namespace of this site."""
        full = f"{_PREFIX}-{os.getpid()}-{name}"
        command("ip", "netns", "add", full)
        self._names.append(full)
        return full

    def ip(self, *lines: str, namespace: str = "") -> None:
        """Run iproute2 commands (``link add ...``) in the hypervisor's (or another) namespace."""
        command("ip", "-n", namespace or self.hyp, "-batch", "-", stdin="\n".join(lines) + "\n")

    def show(self, *words: str, namespace: str = "") -> str:
        """What ``ip -j ...`` prints there."""
        return command("ip", "-j", "-n", namespace or self.hyp, *words)

    def links(self) -> dict[str, dict[str, Any]]:
        """The links of the hypervisor's namespace by name."""
        return {link["ifname"]: link for link in json.loads(self.show("link", "show")) if link}

    def learned(self, mac: str = MAC) -> set[str]:
        """The ports of the bridge on which ``mac`` was learned."""
        entries = json.loads(command("bridge", "-j", "-n", self.hyp, "fdb", "show", "br", BRIDGE) or "[]")
        return {e["ifname"] for e in entries if e["mac"] == mac and e.get("state") != "permanent"}

    def bridge_mac(self) -> str:
        """The bridge's own MAC."""
        return str(self.links()[BRIDGE]["address"])

    def fresh(self, name: str) -> Path:
        """A path in the site's directory that was not given before."""
        return self.directory / f"{next(self._serial)}-{name}"

    def adopt(self, link: str) -> None:
        """``link`` belongs to the site: it is not something left behind."""
        self._links.add(link)

    def spawn(
        self, argv: Sequence[str], log: str, *, namespace: str = "", env: Optional[dict[str, str]] = None
    ) -> Server:
        """Start a program in the server's (or another) namespace, ``log`` below the site's directory."""
        path = self.fresh(log)
        with path.open("wb") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", namespace or self.srv, tools.need(argv[0]), *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**tools.ENVIRONMENT, **(env or {})},
            )
        server = Server(process, path)
        self.servers.append(server)
        return server

    @property
    def out(self) -> Path:
        """Where runs write kernel and ramdisk."""
        path = self.directory / "out"
        path.mkdir(exist_ok=True)
        return path

    def start(
        self,
        *args: str,
        stdout: Union[int, IO[bytes]] = subprocess.PIPE,
        env: Optional[dict[str, str]] = None,
        before: Sequence[str] = (),
        program: Sequence[str] = ("-m", "pypxeboot"),
        **more: Any,
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m pypxeboot`` in the hypervisor's namespace.

        ``before`` are words in front of it, ``more`` is for Popen.
        """
        return subprocess.Popen(
            ["ip", "netns", "exec", self.hyp, *before, sys.executable, *program, *args],
            stdout=stdout,
            cwd=self.directory,
            env={**tools.ENVIRONMENT, _MARK: self.hyp, **(env or {})},
            **{"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, **more},
        )

    def pypxeboot(self, *args: str, timeout: float = 60, **more: Any) -> Run:
        """One run of pypxeboot with exactly these arguments."""
        begin = time.monotonic()
        process = self.start(*args, **more)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            run = Run(args, -9, stdout, stderr.decode("utf-8", "replace"), time.monotonic() - begin)
            raise AssertionError(f"still running after {timeout} s: {run}") from None
        return Run(
            args, process.returncode, stdout, stderr.decode("utf-8", "replace"), time.monotonic() - begin
        )

    def boot(self, *args: str, mac: str = MAC, timeout: float = 60) -> Run:
        """A run for the guest ``mac`` on the bridge, result as JSON, files in :attr:`out`."""
        base = ("--json", "--mac", mac, "--bridge", BRIDGE, "--output-directory", str(self.out))
        return self.pypxeboot(*base, *args, timeout=timeout)

    def run_pids(self) -> set[int]:
        """Processes of pypxeboot runs in this site, in whichever namespace they are."""
        mark = f"{_MARK}={self.hyp}\0".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes():
                        found.add(int(entry.name))
        return found

    def leftovers(self, files: Sequence[str] = ()) -> list[str]:
        """What is there and should not be: links, processes, learned MACs, files other than ``files``."""
        found = [f"link {name}" for name in sorted(set(self.links()) - self._links)]
        found += [f"process {pid}" for pid in sorted(self.run_pids())]
        found += [f"MAC still on port {port}" for port in sorted(self.learned() - self._links)]
        there = (str(p.relative_to(self.out)) for p in sorted(self.out.rglob("*")))
        return found + [f"file {name}" for name in there if name not in files]

    def assert_nothing_left(self, files: Sequence[str] = (), within: float = 0) -> None:
        """Fail if a run left anything longer than ``within`` seconds (a dead namespace is removed late)."""
        deadline = time.monotonic() + within
        found = self.leftovers(files)
        while found and time.monotonic() < deadline:
            time.sleep(0.05)
            found = self.leftovers(files)
        assert not found, found

    def stop_servers(self) -> None:
        """End all servers (to start others)."""
        for server in reversed(self.servers):
            server.stop()
        self.servers.clear()
        # in.tftpd's children leave its process group and go on retransmitting.
        for pid in self._pids_of(self.srv) if self.srv != self.hyp else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _pids_of(self, namespace: str) -> Iterator[int]:
        yield from map(int, command("ip", "netns", "pids", namespace, check=False).split())

    def close(self) -> None:
        """End every process in the site's namespaces and remove them."""
        if self in _open_sites:
            _open_sites.remove(self)
        for pid in self.run_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for server in self.servers:
            server.stop()
        for name in reversed(self._names):
            _remove(name)
        self._names.clear()


def _remove(name: str) -> None:
    for pid in command("ip", "netns", "pids", name, check=False).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    command("ip", "netns", "del", name, check=False)


def remove_stale() -> None:
    """Remove the namespaces of test runs that were killed before they could."""
    for line in command("ip", "netns", "list", check=False).splitlines():
        match = re.match(rf"({_PREFIX}-(\d+)-\w+)", line)
        if match and not Path("/proc", match[2]).exists():
            _remove(match[1])


@atexit.register
def _close_all() -> None:
    for site in list(_open_sites):
        site.close()
