"""Start a process that reads what a stranger has made, locked up before it does."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Optional, TypeVar

from pypxeboot.privsep import logs, sandbox
from pypxeboot.privsep.fork import Child, fork

log = logging.getLogger(__name__)

T = TypeVar("T")


def start(
    prepare: Callable[[socket.socket], T],
    body: Callable[[socket.socket, T], object],
    *,
    name: str,
    ids: tuple[int, int],
    network_of: Optional[int] = None,
    readable: Iterable[str] = (),
    file_size: int = 0,
    keep: tuple[int, ...] = (),
    ignore_signals: bool = False,
) -> Child:
    """Fork a process that does ``prepare(end)``, is locked up, and does ``body(end, what that returned)``.

    ``end`` is its end of the pair of sockets, ``ids`` are its uid and gid. It is in the network of process
    ``network_of``; without one in an empty network, where this process may make that. ``readable`` and
    ``file_size`` (bytes) are those of :func:`pypxeboot.privsep.sandbox.lock_up`, ``name``, ``keep`` and
    ``ignore_signals`` those of :func:`pypxeboot.privsep.fork.fork`.
    """
    level = logging.getLogger("pypxeboot").level

    def run(end: socket.socket, parent: int) -> int:
        logs.configure_locked_up(level)
        try:
            if network_of is not None:
                sandbox.enter_network(network_of)
            else:
                with suppress(OSError):  # only root can
                    sandbox.new_network()
            prepared = prepare(end)
            layers = sandbox.lock_up(*ids, parent=parent, file_size=file_size, readable=readable)
            for layer in layers.missing:
                log.info("the sandbox of %s lacks %s", name, layer)
            sandbox.no_more_processes()
            body(end, prepared)
        except Exception:
            log.debug("where it failed", exc_info=True)
            raise  # its line tells the cause
        return 0

    return fork(run, name=name, keep=keep, ignore_signals=ignore_signals)
