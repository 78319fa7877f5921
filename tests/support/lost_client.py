"""``pypxeboot`` with a client process that is lost: once locked up, it does what SCENARIO says.

    python -m tests.support.lost_client SCENARIO [ARGUMENT OF PYPXEBOOT ...]

It stands for code of a stranger's that has taken over the client process: it has the client's socket, uid and
sandbox, and nothing of the host side is changed. What a scenario finds out goes to the file that FOUND names.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional

from pypxeboot.client import main as client
from pypxeboot.client.host import HostSide
from pypxeboot.plan import Order
from pypxeboot.privsep.channel import Channel

KERNEL = b"a kernel of the lost client's"


class Lost:
    """What the lost client can do: ask as the real one does, and say what it likes."""

    def __init__(self, end: socket.socket, host: HostSide, order: Order, found: Optional[int]) -> None:
        self.end, self.host, self.order, self._found = end, host, order, found

    def raw(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """A message of these bytes."""
        pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
        socket.send_fds(self.end, [str(len(pieces)).encode()], list(descriptors))
        for piece in pieces:
            self.end.send(piece)

    def say(self, kind: str, /, **value: Any) -> None:
        """A message of this type."""
        self.raw(json.dumps({"type": kind, "value": value}).encode())

    def ask(self, kind: str, /, **value: Any) -> Any:
        """What the host side answers."""
        self.say(kind, **value)
        count = int(self.end.recv(16))
        return json.loads(b"".join(self.end.recv(65536) for _ in range(count)))

    def configure(self, address: str = "10.77.0.9", routes: Sequence[tuple[str, Optional[str]]] = ()) -> Any:
        """What the host side answers to this address."""
        listed = [{"network": network, "gateway": gateway} for network, gateway in routes]
        prefix = 64 if ":" in address else 24
        return self.ask(
            "ConfigureInterface", address=address, prefix_length=prefix, routes=listed, mtu=None, vlan=0
        )

    def output(self, kind: str, data: bytes = KERNEL) -> int:
        """An output file of ``kind`` with ``data`` in it; its descriptor."""
        descriptor = self.host.open_output(kind)
        os.write(descriptor, data)
        return descriptor

    def result(self, **changes: Any) -> None:
        """The last word of a client that boots a kernel, with changes."""
        values: dict[str, Any] = {
            "action": "boot",
            "lease": None,
            "loader": "pxelinux",
            "config": None,
            "label": "a",
            "reason": "default",
            "kernel": {"url": "tftp://x/k", "format": "bzImage", "boots": ["qemu", "xen-pv", "xen-pvh"]},
            "initrds": [],
            "modules": [],
            "dtb": None,
            "cmdline": "x=1",
            "requests": [],
            "warnings": [],
            "failure": None,
        }
        self.say("ClientResult", **{**values, **changes})

    def tell(self, value: object) -> None:
        """Tell the test."""
        if self._found is not None:
            os.write(self._found, json.dumps(value).encode() + b"\n")


def install(name: str) -> None:
    """Let the client of this process do the scenario ``name``, once it is locked up."""
    from tests.support.lost_scenarios import SCENARIOS

    function, _said = SCENARIOS[name]
    path = os.environ.get("FOUND")
    found = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    if found is not None:
        from pypxeboot.privsep import fork

        keep_only = fork._keep_only
        fork._keep_only = lambda *descriptors: keep_only(found, *descriptors)

    def boot(order: Order, channel: Channel, parent: int, story: object) -> None:
        host = HostSide(channel)
        host.wait_for_place()
        client._lock_up(order, parent)
        client.sandbox.no_more_processes()
        try:
            function(Lost(channel._socket, host, order, found))
        finally:
            time.sleep(600)  # the host side ends it

    client._boot = boot


def install_capture() -> None:
    """Let the capture process of this process try to get at the terminal, and tell what came of it."""
    path = os.environ["FOUND"]
    found = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    from pypxeboot.host import capture
    from pypxeboot.privsep import fork
    from tests.support.lost_reach import error_of

    keep_only = fork._keep_only
    fork._keep_only = lambda *descriptors: keep_only(found, *descriptors)

    def write_frames(_capture: object, _listener: object, _end: object, _mac: bytes) -> None:
        attempts: dict[str, Callable[[], object]] = {
            "open the terminal": lambda: os.open("/dev/tty", os.O_RDWR),
            "type into the terminal": lambda: [fcntl.ioctl(number, 0x5412, b"x") for number in range(3)],
            "start a process": os.fork,
            "start a program": lambda: os.execv("/bin/true", ["true"]),
            "read the host's users": lambda: Path("/etc/passwd").read_text(),
        }
        told = {name: error_of(attempt) for name, attempt in attempts.items()}
        told["is a session of its own"] = str(os.getsid(0) == os.getpid())
        os.write(found, json.dumps(told).encode() + b"\n")

    capture.Capture._write_frames = write_frames


def main() -> None:
    """Run pypxeboot with a client that is lost, or (capture) with a capture process that is."""
    if sys.argv[1:2] == ["capture"]:
        del sys.argv[1]
        install_capture()
        from pypxeboot.__main__ import run

        run()
    install(sys.argv.pop(1))
    from pypxeboot.__main__ import run

    run()


if __name__ == "__main__":
    main()
