"""A child process that has been locked up, and what it comes to there."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any, Callable, Optional

from pypxeboot.privsep import sandbox

UID = GID = 65534
FILE_SIZE = 100_000


def errors(attempt: Callable[[], Any]) -> str:
    """The name of the error number that ``attempt`` ends with, or what it returned."""
    try:
        return f"done: {attempt()!r}"
    except OSError as why:
        return errno.errorcode.get(why.errno or 0, str(why))
    except BaseException as why:
        return type(why).__name__


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def check(result: int) -> int:
    """What a function of the C library returned, or the OSError that it stands for."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def locked_up(attempt: Callable[[], Any], *, readable: Optional[list[str]] = None, last: bool = True) -> str:
    """What ``attempt`` comes to in a forked child that has been locked up."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            missing = sandbox.lock_up(
                UID, GID, parent=os.getppid(), file_size=FILE_SIZE, readable=readable or []
            ).missing
            if last:
                sandbox.no_more_processes()
            os.write(writer, (f"missing {missing}" if missing else errors(attempt)).encode())
        except BaseException as why:
            os.write(writer, f"not locked up: {why!r}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    text = os.read(reader, 65536).decode()
    os.close(reader)
    os.waitpid(pid, 0)
    return text
