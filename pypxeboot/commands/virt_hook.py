"""``pypxeboot-virt-hook``: what libvirt's hook runs.

Where a ``pypxeboot-virt watch`` runs, a process that has all imported does the work (privsep/fork_socket.py):
nothing of the boot is imported here before that was asked.
"""

from __future__ import annotations

import sys

from pypxeboot.privsep import fork_socket, streams


def run() -> None:
    """Run the hook with the arguments of this process."""
    streams.open_standard_streams()
    argv, xml, status = sys.argv[1:], b"", None
    if len(argv) > 2:
        xml = sys.stdin.buffer.read(fork_socket.LARGEST)
        status = fork_socket.ask(fork_socket.PATH, argv, xml)
    if status is None:
        from pypxeboot.commands import hook_operation

        status = hook_operation.run(argv, xml)
    sys.exit(status)
