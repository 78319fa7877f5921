"""The files of the configuration: found, checked for who may write them, and read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional

from pypxeboot.errors import UsageError

DEFAULT = "/etc/pypxeboot.conf"
# Ten thousand guests with four lines each are 700 KiB, and take half a second to parse.
_LIMIT = 4 << 20
_FILES = 1000


_read_ahead: dict[Optional[str], list[tuple[str, str]]] = {}


def read_ahead(given: Optional[str]) -> list[tuple[str, str]]:
    """Return what :func:`read` does, which takes the same the next time. Raises UsageError."""
    _read_ahead[given] = read(given)
    return _read_ahead[given]


def read(given: Optional[str]) -> list[tuple[str, str]]:
    """Return path and text of each file, in the order in which later ones count more.

    These are the file ``given`` by name, else /etc/pypxeboot.conf, and the ``*.conf`` in the directory of
    that name with ``.d`` at its end. Raises UsageError for one that is unreadable, or, where this is root,
    that others than root can write: it says whose network is booted from.
    """
    if given in _read_ahead:
        return _read_ahead.pop(given)
    main = Path(given or DEFAULT)
    found: list[tuple[str, str]] = []
    left = _LIMIT
    for path in [main, *_drop_ins(main)]:
        try:
            data = _bytes(path, left)
        except FileNotFoundError:
            if path is main and given is None:
                continue
            raise UsageError(f"{path}: there is no such file") from None
        except OSError as why:
            raise UsageError(f"cannot read {path}: {why.strerror}") from None
        left -= len(data)
        if left < 0:
            raise UsageError(f"{path}: the configuration has more than {_LIMIT >> 20} MiB")
        try:
            found.append((str(path), data.decode("utf-8-sig")))
        except UnicodeDecodeError as why:
            line = data.count(b"\n", 0, why.start) + 1
            raise UsageError(f"{path}:{line}: this is not UTF-8") from None
    return found


def _drop_ins(main: Path) -> list[Path]:
    folder = main.with_name(f"{main.name}.d")
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(".conf") and e.name[0] != ".")
            _check(os.stat(folder), folder)  # noqa: PTH116 - as the one of a descriptor below
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as why:
        raise UsageError(f"cannot read {folder}: {why.strerror}") from None
    if len(names) > _FILES:
        raise UsageError(f"{folder} has more than {_FILES} files")
    return [folder / name for name in names]


def _bytes(path: Path, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if str(path) == os.devnull:  # --config-file /dev/null: none
            return b""
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is not a regular file")
        _check(status, path)
        return file.read(limit + 1)


def _check(status: os.stat_result, path: Path) -> None:
    """Refuse what another user could have written. Raises UsageError."""
    if os.geteuid() == 0 and (status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise UsageError(
            f"{path} can be changed by others than root", hint=f"chown root {path}; chmod go-w {path}"
        )
