"""A socket at which root's programs have a fork of a prepared process (``fork_server.py``) do their work.

    who asks                              who listens
      connects                              accepts and forks: nobody waits for one who is slow
                                            looks who that is, and says its version
      sends its order                       is as if it had been started there, and does the work
      sends a signal's number, or hangs up  takes it as that signal, or as SIGTERM
                                            sends its exit status

Whoever hears no status does the work itself: so whatever goes wrong here costs time, and nothing else. This
is most of what such a program imports, so it imports little.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

from pypxeboot import __version__
from pypxeboot.privsep.fork import SIGNALS

PATH = "/run/pypxeboot/watch.socket"
"""Where ``pypxeboot-virt watch`` has one listen, for libvirt's hook."""

Work = Callable[[Sequence[str], bytes], int]
"""A program: it gets its arguments and its standard input, and returns its exit code."""

LARGEST = 16 << 20
"""Bytes of that input; of the XML of a domain domain_xml.py takes a quarter, in characters."""

_WAITING = 128  # connections that were not accepted yet: a host's domains may all start at once
_LONGEST = 128 << 10  # bytes of an order: arguments and environment
_GREETING = f"pypxeboot {__version__}".encode()
_PATIENCE = 5.0  # s for a word of who listens: doing the work costs less
_ORDER = 60.0  # s for the order of who asks
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
_MODE = 0o600


def ask(path: str, argv: Sequence[str], data: bytes) -> int | None:
    """Have the work done by who listens at ``path``: return its exit status, None if it is still to be done.

    It gets ``data`` on its standard input, and writes to standard output and error of this process, which
    hands on its signals.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard: list[int] = []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(path)
            if _peer(connection)[1] != os.geteuid() or connection.recv(len(_GREETING) + 1) != _GREETING:
                return None

            def hand_on(number: int, _frame: object) -> None:
                heard.append(number)
                with suppress(OSError):
                    connection.send(str(number).encode())

            for number in SIGNALS:
                signal.signal(number, hand_on)
            _send_order(connection, argv, data)
            connection.settimeout(None)
            said = connection.recv(16)
            if said:
                return int(said)
    except (OSError, AttributeError, ValueError):  # no memfd_create, for one
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 + heard[0] if heard else None


def _send_order(connection: socket.socket, argv: Sequence[str], data: bytes) -> None:
    umask = os.umask(0)
    os.umask(umask)
    numbers = (os.getpriority(os.PRIO_PROCESS, 0), umask, len(argv))
    variables = (b"%s=%s" % item for item in os.environb.items())
    words = [b"%d" % number for number in numbers] + [os.getcwdb(), *map(os.fsencode, argv), *variables]
    with os.fdopen(os.memfd_create("stdin"), "w+b") as stdin:
        stdin.write(data)
        stdin.seek(0)
        socket.send_fds(connection, [b"\0".join(words)], [stdin.fileno(), 1, 2])


class ForkSocket:
    """Listens at ``path``, in place of one who was killed. Raises OSError."""

    def __init__(self, path: str) -> None:
        self._path, fresh = path, f"{path}.{os.getpid()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with suppress(FileNotFoundError):
            os.unlink(fresh)
        umask = os.umask(0o777 & ~_MODE)
        try:
            self._socket.bind(fresh)
            self._socket.listen(_WAITING)
            self._file = os.stat(fresh)
            os.rename(fresh, path)
        except OSError:
            self.close()
            with suppress(FileNotFoundError):
                os.unlink(fresh)
            raise
        finally:
            os.umask(umask)

    def fileno(self) -> int:
        """Return the descriptor to wait at."""
        return self._socket.fileno()

    def accept(self) -> socket.socket | None:
        """Return a connection of who has the rights that this process has; None if it was another."""
        try:
            connection, _ = self._socket.accept()
        except OSError:  # it has gone away
            return None
        if _peer(connection)[1] == os.geteuid():
            return connection
        connection.close()
        return None

    def close(self) -> None:
        """Have this process forget it."""
        self._socket.close()

    def remove(self) -> None:
        """Listen no longer; the file goes, unless it is a successor's."""
        self.close()
        with suppress(OSError):
            if os.path.samestat(self._file, os.stat(self._path)):
                os.unlink(self._path)


def answer(connection: socket.socket, work: Work) -> int:
    """Do what the other end of a connection orders, in a process that was forked for that; return its status.

    Raises OSError and ValueError for an order that is none.
    """
    try:
        pid, _ = _peer(connection)
        if not _is_at_home(pid) or not _join(pid):
            return 1
        connection.settimeout(_ORDER)
        connection.send(_GREETING)
        data, descriptors, flags, _ = socket.recv_fds(connection, _LONGEST, 3)
    except OSError:  # who asked has gone, or says nothing
        return 1
    if not data:
        return 1
    niceness, umask, count, directory, *words = data.split(b"\0")
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(descriptors) != 3 or len(words) < int(count):
        return 1
    argv, variables = words[: int(count)], words[int(count) :]
    stdin, stdout, stderr = descriptors
    with os.fdopen(stdin, "rb") as file:
        text = file.read(LARGEST)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    os.setsid()
    os.chdir(directory)
    os.umask(int(umask))
    os.setpriority(os.PRIO_PROCESS, 0, int(niceness))
    os.environb.clear()
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value
    _take_signals(connection)
    status = work([os.fsdecode(word) for word in argv], text)
    connection.send(str(status).encode())
    return status


def _take_signals(connection: socket.socket) -> None:
    """Take what comes over a connection as a signal to this process, and its end as SIGTERM."""

    def heed(*_: object) -> None:
        try:
            said = connection.recv(16)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        number = int(said) if said.isdigit() else signal.SIGTERM
        os.kill(os.getpid(), number if number in SIGNALS else signal.SIGTERM)

    connection.setblocking(False)
    signal.signal(signal.SIGIO, heed)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    heed()  # what has come before


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return process and user of the other end (unix(7), SO_PEERCRED)."""
    kind = struct.Struct("3i")
    pid, user, _group = kind.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, kind.size))
    return pid, user


def _is_at_home(pid: int) -> bool:
    """Whether a process sees the files and networks that this one sees. Raises OSError."""
    places = [f"ns/{name}" for name in _NAMESPACES] + ["root"]
    return all(os.path.samestat(os.stat(f"/proc/self/{p}"), os.stat(f"/proc/{pid}/{p}")) for p in places)


def _join(pid: int) -> bool:
    """Join the control group of a process: so a service manager ends this one with that. Raises OSError.

    Return whether it is in the same ones: with those of version 1 only where it was before.
    """
    own, others = _groups("self"), _groups(pid)
    if own == others:
        return True
    (group,) = [line[3:] for line in others if line.startswith("0::")]
    top = "/sys/fs/cgroup/unified"
    top = top if os.path.isdir(top) else "/sys/fs/cgroup"
    with open(f"{top}{group}/cgroup.procs", "w") as file:
        file.write("0")
    return _groups("self") == others


def _groups(process: object) -> list[str]:
    with open(f"/proc/{process}/cgroup") as file:
        return file.read().splitlines()
