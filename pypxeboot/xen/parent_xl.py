"""The configuration of the domain that an ``xl create`` above this process was given.

While the bootloader runs, the guest's MAC and bridge are nowhere in xenstore (libxl_create.c adds devices
after the build). But libxl is in the process that starts the bootloader, and its command line names the file;
after a reboot of the guest it is still there.
"""

from __future__ import annotations

import getopt
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError

_ANCESTORS = 3  # xl itself, or a shell script in between
# The options of xl create, as main_create() gives them to getopt_long().
_SHORT = "Fnqf:pcdeVAih"
_LONG = (
    "config= defconfig= dryrun help ignore-global-affinity-masks quiet vncviewer vncviewer-autopass".split()
)
# Where the standard output of an xl goes that has become the monitor of its domain (do_daemonize).
_MONITOR_LOG = re.compile(r"xl-.*\.log.*")


@dataclass(frozen=True)
class XlCreate:
    """What ``xl create`` was given: the text of ``file``, and the settings behind it, in one language."""

    file: str
    text: str


@dataclass(frozen=True)
class XlProcess:
    """An xl that starts the bootloader: ``words`` are those behind its name, ``started`` is of this xl alone.

    ``monitors``: it is in the background, and has created its domain at least once.
    """

    pid: int
    words: tuple[str, ...]
    started: tuple[
        int, ...
    ]  # process number, time of start in ticks since the host's own, and which that was
    monitors: bool

    @property
    def attaches_console(self) -> bool:
        """Whether it is an ``xl create -c``, which attaches a console to the first bootloader."""
        return not self.monitors and any(re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word) for word in self.words)

    def given(self, limit: int) -> Optional[XlCreate]:
        """Return what an ``xl create`` was given; None for another command.

        Raises UsageError if its file cannot be had, is larger than ``limit``, or is not root's own.
        """
        arguments = create_arguments(self.words)
        return None if arguments is None else _read(self.pid, *arguments, limit)


def find() -> Optional[XlProcess]:
    """Return the xl above this process; None if there is none."""
    for pid in _ancestors():
        words = _words(pid)
        names = [Path(word).name for word in words[:2]]  # the second where a shell runs a script of that name
        if "xl" in names:
            behind = tuple(words[names.index("xl") + 1 :])
            return XlProcess(pid, behind, (pid, _start_time(pid), _host_boot()), _is_monitor(pid))
    return None


def create_arguments(words: Sequence[str]) -> Optional[tuple[str, list[str]]]:
    """File and settings of the words behind ``xl``, as main_create() finds them; None for another command."""
    rest = list(words)
    while rest and rest[0].startswith("-"):  # -v, -N, -f, -t: all without a value
        rest.pop(0)
    if not rest or len(rest[0]) < 2 or not "create".startswith(rest.pop(0)):
        return None
    file, settings = "", []
    if rest and not rest[0].startswith("-") and "=" not in rest[0]:
        file = rest.pop(0)
    try:
        options, others = getopt.gnu_getopt(rest, _SHORT, _LONG)
    except getopt.GetoptError:  # one of a later xl: none of those that are known has a value but this one
        options, others = [], [word for word in rest if not word.startswith("-")]
    for name, value in options:
        file = value if name in ("-f", "--defconfig", "--config") else file
    for word in others:
        if "=" in word:
            settings.append(word)
        else:
            file = file or word
    return file, settings


def _ancestors() -> Iterator[int]:
    pid = os.getppid()
    for _ in range(_ANCESTORS):
        if pid <= 1:
            return
        yield pid
        try:
            pid = int(_stat(pid)[1])
        except (OSError, ValueError, IndexError):
            return


def _words(pid: int) -> list[str]:
    try:
        return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    """Return what stands behind the name in /proc/PID/stat (proc(5)): state, parent..."""
    return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()


def _start_time(pid: int) -> int:
    try:
        return int(_stat(pid)[19])
    except (OSError, ValueError, IndexError):
        return 0


def _host_boot() -> int:
    """Return a number that this host has until it is started again (random(4))."""
    try:
        return int(Path("/proc/sys/kernel/random/boot_id").read_text()[:8], 16)
    except (OSError, ValueError):
        return 0


def _is_monitor(pid: int) -> bool:
    """Whether that xl has made itself a daemon: it leads a session of its own, and writes to its log."""
    with suppress(OSError, ValueError, IndexError):
        log = Path(os.readlink(f"/proc/{pid}/fd/1")).name  # noqa: PTH115
        return int(_stat(pid)[3]) == pid and _MONITOR_LOG.fullmatch(log) is not None
    return False


def _read(pid: int, file: str, settings: Sequence[str], limit: int) -> XlCreate:
    if file in ("", "/dev/null"):
        return XlCreate("the command line of xl", _joined("", settings))
    error: Optional[OSError] = None
    for folder in _folders(pid):
        path = folder / file
        try:
            return XlCreate(str(path), _joined(read_own(path, limit), settings))
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


def _joined(text: str, settings: Sequence[str]) -> str:
    return "\n".join([text, *settings, ""]) if settings else text


def read_own(path: Path, limit: int) -> str:
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
