"""Starting and ending the client process, before anything slow is imported.

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
        super().__init__(child.pid, child.end)
        self.new_network, self.raw_frames = new_network, raw_frames


def start(*, new_network: bool, raw_frames: bool) -> ClientProcess:
    """Fork the client; it waits for its orders (``client.main.main``).

    ``new_network``: in a namespace of its own; ``raw_frames``: it will do DHCP itself, so scapy is wanted.
    """

    def run(end: socket.socket, parent: int) -> int:
        from pypxeboot.client import main

        return main.main(end, parent, new_network=new_network, raw_frames=raw_frames)

    child = fork(run, name="the client process")
    return ClientProcess(child, new_network=new_network, raw_frames=raw_frames)


def start_early(argv: Sequence[str], *, told: bool = False) -> Optional[ClientProcess]:
    """Get the client of an ordinary boot, on a mere look at ``argv``; None where that does not tell enough.

    ``told``: it is known that there will be a MAC.
    """
    text = " ".join(argv)
    unusual = ("explain", "--link", "--ip", "--udhcpc", "--help", "--version", "--show-config")
    told = told or "mac" in text or "bootloader." in text  # or libxl's configuration may tell the MAC
    if os.geteuid() != 0 or not told or "-h" in argv or any(word in text for word in unusual):
        return None
    return start(new_network=True, raw_frames=True)
