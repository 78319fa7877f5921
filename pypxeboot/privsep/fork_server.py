"""A process that has imported all that a boot may use, and forks itself for each: none starts an interpreter.

It is started before its parent has read anything of others, and reads nothing itself but what its parent
sends: the arguments of a program. So what it forks is as good as new. What others order at its socket is read
by the fork that does it (``fork_socket.py``).
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, Optional

from pypxeboot.privsep import fork_socket
from pypxeboot.privsep.fork import SIGNALS
from pypxeboot.privsep.fork_socket import ForkSocket, Work

_LONGEST = 128 << 10  # bytes of one order; the arguments of a boot are some hundred
_FAILED = 1  # the exit code of a program of which nobody knows the end


class ForkedProgram:
    """A program that a :class:`ForkServer` has started, as :class:`subprocess.Popen` has one."""

    def __init__(self, number: int, end: socket.socket, tell: Callable[[object], None]) -> None:
        self._number, self._end, self._tell = number, end, tell
        self._status: Optional[int] = None

    def poll(self) -> Optional[int]:
        """Return the exit code, None while it runs."""
        if self._status is None:
            try:
                said = self._end.recv(64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            self._status = int(said) if said else _FAILED  # the server ended before it
            self._end.close()
        return self._status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            self._tell({"signal": number, "number": self._number})


class ForkServer:
    """Starts programs: ``body`` is called with their arguments, and returns the exit code.

    ``prepare`` imports what they use. SIGCHLD tells this process that one has ended. ``work`` is what others
    of the same user may have done, once :meth:`listen` is called.
    """

    def __init__(
        self,
        prepare: Callable[[], object],
        body: Callable[[Sequence[str]], int],
        work: Optional[Work] = None,
    ) -> None:
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._started = 0
        self.pid = os.fork()
        if not self.pid:
            self._end.close()
            _ForkLoop(theirs, body, work).run(prepare)
        theirs.close()

    def start(self, argv: Sequence[str], niceness: int = 0) -> Optional[ForkedProgram]:
        """Start a program; None where the server is gone, or cannot be told."""
        order = json.dumps({"argv": list(argv), "niceness": niceness, "number": self._started + 1}).encode()
        if len(order) > _LONGEST:
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:  # too many files
            return None
        self._started += 1
        try:
            socket.send_fds(self._end, [order], [theirs.fileno()])
        except OSError:
            ours.close()
            return None
        finally:
            theirs.close()
        return ForkedProgram(self._started, ours, self._tell)

    def listen(self, path: str) -> None:
        """Have the server do the work of those who ask at a socket (:func:`fork_socket.ask`)."""
        self._tell({"path": path})

    def _tell(self, order: object) -> None:
        with suppress(OSError):
            self._end.send(json.dumps(order).encode())

    def stop(self) -> None:
        """End the server, and what runs, as by SIGTERM; they end likewise where this process is killed."""
        self._end.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class _ForkLoop:
    """The forked process: ``end`` is its end of the socket pair."""

    def __init__(
        self, end: socket.socket, body: Callable[[Sequence[str]], int], work: Optional[Work]
    ) -> None:
        self._end, self._body, self._work, self._parent = end, body, work, os.getppid()
        self._socket: Optional[ForkSocket] = None
        self._running: dict[int, tuple[int, int]] = {}  # process: number, and where to tell of its end
        self._woken, self._waker = os.pipe()

    def run(self, prepare: Callable[[], object]) -> NoReturn:
        """Serve until the parent hangs up."""
        try:
            for number in SIGNALS:  # the parent's to heed
                signal.signal(number, signal.SIG_IGN)
            os.set_blocking(self._waker, False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.set_wakeup_fd(self._waker)
            prepare()
            gc.collect()
            gc.freeze()  # so that no collection writes to what all programs share
            while self._serve():
                pass
            for pid in self._running:
                os.kill(pid, signal.SIGTERM)
            if self._socket is not None:
                self._socket.remove()
        finally:
            os._exit(0)

    def _serve(self) -> bool:
        """Do what there is to do; return False when the parent has hung up."""
        listening = [] if self._socket is None else [self._socket]
        ready = select.select([self._end, self._woken, *listening], [], [])[0]
        if self._woken in ready:
            os.read(self._woken, 4096)
            self._reap()
        if self._socket is not None and self._socket in ready:
            self._admit(self._socket)
        if self._end not in ready:
            return True
        data, descriptors, _, _ = socket.recv_fds(self._end, _LONGEST, 1)
        if not data:
            return False
        order = json.loads(data)
        if "argv" in order:
            self._start(order, descriptors)
        elif "path" in order:
            with suppress(OSError):  # a full /run: everybody works for himself
                self._socket = ForkSocket(order["path"])
        else:
            for pid, (number, _) in self._running.items():
                if number == order["number"]:
                    os.kill(pid, order["signal"])
        return True

    def _start(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Start a program; where there are too many processes, it has ended as for want of memory."""

        def run() -> int:
            os.close(told)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.nice(order["niceness"])
            return self._body(order["argv"])

        told = descriptors[0] if descriptors else -1
        try:
            pid = self._fork(run) if descriptors else 0
        except OSError as why:
            os.write(2, f"pypxeboot: cannot begin a boot: {why.strerror}\n".encode())
            pid = 0
        if pid:
            self._running[pid] = order["number"], told
        else:
            self._tell_end(told, -signal.SIGKILL)

    def _admit(self, listening: ForkSocket) -> None:
        """Have who asks answered by a fork, which is not this process' to end."""
        connection, work = listening.accept(), self._work
        if connection is not None and work is not None:
            with connection, suppress(OSError):  # too many processes
                self._fork(lambda: fork_socket.answer(connection, work))

    def _fork(self, run: Callable[[], int]) -> int:
        """Return the number of a process that ends with the exit code that ``run`` returns."""
        pid = os.fork()
        if pid:
            return pid
        status = _FAILED
        try:
            signal.set_wakeup_fd(-1)
            for number in (*SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for descriptor in (self._woken, self._waker, *(told for _, told in self._running.values())):
                os.close(descriptor)
            self._end.close()
            if self._socket is not None:
                self._socket.close()
            status = run()
            sys.stdout.flush()
            sys.stderr.flush()
        except Exception as why:
            os.write(2, f"pypxeboot: failed: {why!r}\n".encode(errors="replace"))
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Tell of the programs that have ended."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                if pid not in self._running:
                    continue  # it was others' work
                _number, told = self._running.pop(pid)
                self._tell_end(told, os.waitstatus_to_exitcode(status))

    def _tell_end(self, told: int, status: int) -> None:
        with suppress(OSError):  # nobody wants to know
            os.write(told, str(status).encode())
        with suppress(OSError):  # there was no room for the descriptor
            os.close(told)
        if os.getppid() == self._parent:
            os.kill(self._parent, signal.SIGCHLD)
