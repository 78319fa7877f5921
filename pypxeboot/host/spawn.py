"""Start and end the client process, before anything slow is imported.

A boot is bound by what has to be imported before the first DISCOVER can go out, and most of that is scapy.
So the client process is forked first of all, and imports it while the host side reads its arguments and
makes the link.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Optional

from pypxeboot.privsep.fork import Child, fork


class ClientProcess(Child):
    """A running client, and how it was started."""

    def __init__(self, child: Child, *, new_network: bool, raw_frames: bool) -> None:
        super().__init__(child.pid, child.end, child.log)
        self.new_network, self.raw_frames = new_network, raw_frames


def start(*, new_network: bool, raw_frames: bool) -> ClientProcess:
    """Fork the client, which waits for its order (``client.main.main``).

    ``new_network``: in a network namespace of its own; ``raw_frames``: with scapy, to do DHCP itself.
    """

    def run(end: socket.socket, parent: int) -> int:
        from pypxeboot.client import main

        return main.main(end, parent, new_network=new_network, raw_frames=raw_frames)

    child = fork(run, name="the client process")
    return ClientProcess(child, new_network=new_network, raw_frames=raw_frames)


def start_early(argv: Sequence[str], *, has_mac: bool = False) -> Optional[ClientProcess]:
    """Start the client of an ordinary boot by a mere look at ``argv``; None where that does not tell enough.

    ``has_mac``: there will be a MAC, whatever ``argv`` says.
    """
    text = " ".join(argv)
    unusual = ("explain", "--link", "--ip", "--udhcpc", "--help", "--version", "--show-config")
    has_mac = has_mac or "mac" in text or "bootloader." in text  # or libxl's configuration may tell it
    if os.geteuid() != 0 or not has_mac or "-h" in argv or any(word in text for word in unusual):
        return None
    return start(new_network=True, raw_frames=True)
