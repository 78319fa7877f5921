"""Starting and ending the client process, before anything slow is imported.

A boot is bound by what has to be imported before the first DISCOVER can go out, and most of that is scapy.
So the client process is forked first of all, and imports it while the host side reads its arguments and
makes the link.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from typing import Optional

from pypxeboot.privsep.fork import SIGNALS, ClientProcess, keep_only


def start(*, new_network: bool, raw_frames: bool) -> ClientProcess:
    """Fork the client; it waits for its orders (``client.main.main``).

    ``new_network``: in a namespace of its own; ``raw_frames``: it will do DHCP itself, so scapy is wanted.
    """
    parent = os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return ClientProcess(pid, ours, new_network=new_network, raw_frames=raw_frames)
    status = 1
    try:
        keep_only(theirs.fileno())
        os.setsid()  # with root's terminal as its own it could type into root's shell (TIOCSTI)
        os.dup2(2, 1)  # what it prints is for the log
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        from pypxeboot.client import main

        status = main.main(theirs, parent, new_network=new_network, raw_frames=raw_frames)
    except Exception as why:  # of an import: everything later is the client's own to tell
        os.write(2, f"pypxeboot: the client process cannot start: {why!r}\n".encode(errors="replace"))
    finally:
        os._exit(status)


def start_early(argv: Sequence[str], *, told: bool = False) -> Optional[ClientProcess]:
    """The client of an ordinary boot, on a mere look at ``argv``; None where that does not tell enough.

    ``told``: it is known that there will be a MAC.
    """
    text = " ".join(argv)
    unusual = ("--link", "--ip", "--udhcpc", "--help", "--version", "--show-config")
    told = told or "mac" in text or "bootloader." in text  # or libxl's configuration may tell the MAC
    if os.geteuid() != 0 or not told or "-h" in argv or any(word in text for word in unusual):
        return None
    return start(new_network=True, raw_frames=True)
