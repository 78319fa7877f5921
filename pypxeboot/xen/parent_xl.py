"""The configuration of the domain that an ``xl create`` above this process was given.

While the bootloader runs, the guest's MAC and bridge are nowhere in xenstore (libxl_create.c adds devices
after the build). But libxl is in the process that starts the bootloader, and its command line names the file;
after a reboot of the guest it is still there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from pypxeboot.errors import UsageError

_ANCESTORS = 3  # xl itself, or a shell script in between
_XL_CONF = Path("/etc/xen/xl.conf")


@dataclass(frozen=True)
class XlCreate:
    """What ``xl create`` was given: the text of ``file``, and the settings behind it, in one language."""

    file: str
    text: str


def find_parent_xl(limit: int) -> Optional[XlCreate]:
    """Return what an ``xl create`` that started this process was given; None if there is none above.

    Raises UsageError if its file cannot be had, is larger than ``limit``, or is not root's own.
    """
    found = _xl()
    if found is None:
        return None
    pid, words = found
    arguments = create_arguments(words)
    return None if arguments is None else _read(pid, *arguments, limit)


def attaches_console() -> bool:
    """Whether an ``xl create -c`` that started this process will attach a console to it."""
    found = _xl()
    return found is not None and any(re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word) for word in found[1])


def _xl() -> Optional[tuple[int, list[str]]]:
    """Return the xl that started this process: its number, and the words behind its name."""
    for pid in _ancestors():
        words = _words(pid)
        names = [Path(word).name for word in words[:2]]  # the second where a shell runs a script of that name
        if "xl" in names:
            return pid, words[names.index("xl") + 1 :]
    return None


def create_arguments(words: Sequence[str]) -> Optional[tuple[str, list[str]]]:
    """File and settings of the words behind ``xl``, as main_create() finds them; None for another command."""
    rest = list(words)
    while rest and rest[0].startswith("-"):  # -v, -N, -f, -t: all without a value
        rest.pop(0)
    if not rest or len(rest[0]) < 2 or not "create".startswith(rest.pop(0)):
        return None
    file, settings = "", []
    while rest:
        word = rest.pop(0)
        if word in ("-f", "--defconfig") and rest:
            file = rest.pop(0)
        elif word.startswith("--defconfig="):
            file = word.partition("=")[2]
        elif "=" in word and not word.startswith("-"):
            settings.append(word)
        elif not word.startswith("-") and not file:
            file = word
    return file, settings


def default_bridge_text(limit: int) -> str:
    """Return the text of xl.conf; empty if there is none."""
    try:
        return _XL_CONF.read_bytes()[:limit].decode("utf-8", "replace")
    except OSError:
        return ""


def _ancestors() -> Iterator[int]:
    pid = os.getppid()
    for _ in range(_ANCESTORS):
        if pid <= 1:
            return
        yield pid
        try:
            # After the name in parentheses: state, then the parent.
            pid = int(Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return


def _words(pid: int) -> list[str]:
    try:
        return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]
    except OSError:
        return []


def _read(pid: int, file: str, settings: Sequence[str], limit: int) -> XlCreate:
    if file in ("", "/dev/null"):
        return XlCreate("the command line of xl", "\n".join(settings))
    error: Optional[OSError] = None
    for folder in _folders(pid):
        path = folder / file
        try:
            return XlCreate(str(path), "\n".join([_text(path, limit), *settings]))
        except OSError as why:
            error = error or why
    said = "it is not there" if error is None else error.strerror
    hint = "name mac= and bridge= in bootloader_args, or start the domain with the whole path of its file"
    raise UsageError(f"cannot read {file}, which xl was given: {said}", hint=hint)


def _folders(pid: int) -> Iterator[Path]:
    """Where xl was started: once the guest runs it is a daemon, whose directory is the root."""
    with suppress(OSError):
        yield Path(os.readlink(f"/proc/{pid}/cwd"))  # noqa: PTH115
    with suppress(OSError):
        for item in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if item.startswith(b"PWD=/"):
                yield Path(os.fsdecode(item[4:]))


def _text(path: Path, limit: int) -> str:
    """Get what is in the file. Raises OSError; UsageError if it is none that only root could have written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path}, which xl was given, is not a regular file", hint=_HINT)
        # Another user could name another guest's MAC in it before the next reboot of this one.
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"{path}, which xl was given, can be changed by others than root", hint=_HINT)
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UsageError(f"{path}, which xl was given, has more than {limit >> 10} KiB", hint=_HINT)
    return data.decode("utf-8", "replace")


_HINT = "name mac= and bridge= in bootloader_args"
