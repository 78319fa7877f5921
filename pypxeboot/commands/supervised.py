"""``pypxeboot-virt start`` in a process of its own: a new one, or a fork of one that has all imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pypxeboot.config import max_boots
from pypxeboot.host import early
from pypxeboot.privsep import logs
from pypxeboot.text import printable

if TYPE_CHECKING:
    from pypxeboot.commands.command import Read


def run(argv: Sequence[str], find_read: Callable[[], Read]) -> int:
    """Run the command of ``argv``; return the exit code. Nothing slow is imported before the client runs.

    ``find_read`` returns what reads the arguments; it may be slow.
    """
    for word in argv:
        if word.startswith("--supervised="):  # the log is of many domains
            logs.name(printable(word.partition("/")[2]))
    process = early.start_client(argv, max_boots.look_up, has_mac=True) if "start" in argv[:1] else None
    try:
        from pypxeboot.commands import command

        return command.run(find_read(), argv, process)
    finally:
        if process is not None:
            process.stop()
