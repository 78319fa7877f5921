"""Start and end the client process.

A boot is bound by what has to be imported before the first DISCOVER can go out. So the client process is
forked once what both sides use is there, and imports its part while the host side reads its arguments and
makes the link.
"""

from __future__ import annotations

import socket
import sys
from typing import Optional

from pypxeboot import dataclass, schema
from pypxeboot.host.admission import Place
from pypxeboot.privsep import messages, sandbox  # what both sides use is imported once
from pypxeboot.privsep.channel import Channel
from pypxeboot.privsep.fork import Child, fork
from pypxeboot.privsep.log_pipe import LogPipe


class ClientProcess(Child):
    """A running client process, which waits for its order (``client.main.main``).

    ``channel`` is the host side's end of what they say, ``log_pipe`` has the lines that it logs. ``place`` is
    what it was started by, where its boot was admitted before.
    """

    def __init__(self, child: Child, place: Optional[Place]) -> None:
        super().__init__(child.pid, child.end, child.log)
        self.place = place
        self.channel, self.log_pipe = Channel(child.end), LogPipe(child.log)

    def stop(self, patience: float = 0.0) -> None:
        """End the process, and write the last lines of its log."""
        super().stop(patience)
        self.log_pipe.drain(to_end=True)


def prepare() -> None:
    """Import what clients may use, and do what each would do first, for those that are forked later."""
    from pypxeboot.client import main
    from pypxeboot.host import rehearsal

    main.import_all()
    sandbox.prepare(main.readable_files())
    sandbox.user_ids(None)  # who knows of users is a library of its own
    rehearsal.rehearse()
    for module in [module for name, module in list(sys.modules.items()) if name.startswith("pypxeboot.")]:
        for value in list(vars(module).values()):
            if isinstance(value, type) and dataclass.is_dataclass(value):
                dataclass.complete(value)  # on first use otherwise: once for all, now
    for value in list(vars(messages).values()):
        if isinstance(value, type) and dataclass.is_dataclass(value):
            schema.prepare(value)


def start(place: Optional[Place] = None) -> ClientProcess:
    """Fork the client of the boot that has a ``place``."""

    def run(end: socket.socket, parent: int) -> int:
        from pypxeboot.client import main

        return main.main(end, parent)

    return ClientProcess(fork(run, name="the client process", keep=sandbox.prepared_files()), place)
