"""A mount namespace in which there is nothing but what a locked-up process has to read."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.privsep.fork import fork
from pypxeboot.privsep.libc import LIBC, check

_CLONE_NEWNS = 0x20000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000  # Linux 5.12; one number on every architecture but alpha
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV = 1, 2, 4
_MNT_DETACH = 2
_PLACE = "/run"  # hidden by the new root while that is made
_LINKS = 40  # symbolic links followed in one path, as many as the kernel follows


def leave_nothing_but(readable: Iterable[str]) -> None:
    """Move this process into a file system that holds ``readable`` (files and folders), read-only.

    Paths lead where they led before, through the same symbolic links. Raises OSError, after which the old
    file system is still there.
    """
    check(LIBC.unshare(_CLONE_NEWNS))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    paths = [path for path in dict.fromkeys(readable) if os.path.lexists(path)]
    real = dict.fromkeys(map(os.path.realpath, paths))
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in real}
    try:
        _mount("none", _PLACE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
        for path in paths:
            _link(path)
        for path, source in sources.items():
            if not any(str(parent) in sources for parent in Path(path).parents):
                _bind(source, path)
        _make_read_only()
    finally:
        for source in sources.values():
            os.close(source)
    here = os.open(_PLACE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(here)
    os.close(here)
    LIBC.pivot_root.restype = ctypes.c_int
    check(LIBC.pivot_root(b".", b"."))
    check(LIBC.umount2(b".", _MNT_DETACH))
    os.chdir("/")


def namespace_with_nothing_but(readable: Iterable[str]) -> Optional[int]:
    """Return the descriptor of such a mount namespace, made now for processes that enter it later.

    None where there can be none.
    """

    def make(end: socket.socket, _parent: int) -> int:
        leave_nothing_but(readable)
        end.send(b"made")
        end.recv(1)  # until it has been opened
        return 0

    child = fork(make, name="the process that makes a mount namespace")
    try:
        if child.end.recv(8) != b"made":
            return None
        return os.open(f"/proc/{child.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    finally:
        child.stop()
        os.close(child.log)


def enter(namespace: int) -> None:
    """Move this process into a mount namespace, whose descriptor it has no more then. Raises OSError."""
    try:
        check(LIBC.setns(namespace, _CLONE_NEWNS))
    finally:
        os.close(namespace)


def _link(path: str) -> None:
    """Make the folders and symbolic links that lead to ``path`` in the new root."""
    for _ in range(_LINKS):
        at, rest = "", path.strip("/").split("/")
        while rest:
            at = f"{at}/{rest.pop(0)}"
            if os.path.islink(at):
                break
        else:
            return
        target = os.readlink(at)
        os.makedirs(_PLACE + os.path.dirname(at), exist_ok=True)
        with suppress(FileExistsError):
            os.symlink(target, _PLACE + at)
        path = os.path.normpath(os.path.join(os.path.dirname(at), target, *rest))


def _bind(source: int, path: str) -> None:
    """Make the file or folder that is open as ``source`` appear at ``path`` of the new root."""
    new, inside = _PLACE + path, f"/proc/self/fd/{source}"
    if os.path.isdir(inside):
        os.makedirs(new, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(inside, new, None, _MS_BIND)


def _make_read_only() -> None:
    """Let nothing in the new root be written, and no file in it give privileges or be a device."""
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, 0, 0, 0)
    call = (_MOUNT_SETATTR, -1, _PLACE.encode(), _AT_RECURSIVE, attributes, len(attributes))
    try:
        check(LIBC.syscall(*call))
    except OSError as why:
        if why.errno != errno.ENOSYS:  # without it, that the process is nobody's must do
            raise


def _mount(source: Optional[str], target: str, kind: Optional[str], flags: int, data: str = "") -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    check(LIBC.mount(*words, ctypes.c_ulong(flags), data.encode() or None))
