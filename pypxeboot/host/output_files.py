"""Output files that exist under a name only once the boot has succeeded.

Files are made without a name (O_TMPFILE) and linked into the directory at the end: whatever ends the
process before that, SIGKILL included, leaves nothing. Where the file system cannot do that, they are made
with a fresh name, O_EXCL and O_NOFOLLOW, and removed on failure.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.errors import HandoverError

RUN_DIRECTORY = Path("/run/pypxeboot")
MODE = 0o600
_MANY_FILES = 300  # that are open at a time; as many more as there are may need another limit
_MEASURE_SECONDS = 0.5  # between looks at what was dropped
_LONGEST_NAME = 80  # bytes of a path that is the name of a socket: 107 with what stands before it
_REPORT_FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


_ELSEWHERE = "there has to be room, and leave to write; pypxeboot itself takes --output-directory DIR"


def _write_error(path: Path, why: OSError) -> HandoverError:
    return HandoverError(f"cannot write {path}: {why.strerror}", hint=_ELSEWHERE)


def _open_unnamed(directory: Path) -> Optional[int]:
    """Open a file in ``directory`` that has no name; None where there are none. Raises HandoverError."""
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, MODE)
    except OSError as why:
        # EISDIR: a kernel, EOPNOTSUPP: a file system, that has no O_TMPFILE.
        if why.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL):
            raise _write_error(directory, why) from None
        return None


def _give_name(descriptor: int, path: Path) -> None:
    """Give a file that has no name this one, which nothing may have. Raises OSError."""
    # A source relative to a descriptor makes Python use linkat(2), which follows the magic link.
    here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=here, follow_symlinks=True)
    finally:
        os.close(here)


class OutputFile:
    """A file that has no name yet: write to ``descriptor``, then :meth:`publish` or :meth:`discard` it.

    It is in the file system of ``place``, and gets its name in the directory that ``home`` gives: now, where
    files without a name are not possible. ``kind`` is the first part of its name, and may be changed until it
    is published; ``opened`` is the time of its opening, of ``time.monotonic``.
    """

    def __init__(self, place: Path, home: Callable[[], Path], kind: str) -> None:
        self._home, self.kind = home, kind
        self.path: Optional[Path] = None
        self.published, self.opened = False, time.monotonic()
        unnamed = _open_unnamed(place)
        if unnamed is not None:
            self.descriptor = unnamed
            return
        self.path = self._fresh_path()
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC
        try:
            self.descriptor = os.open(self.path, flags, MODE)
        except OSError as why:
            raise _write_error(self.path, why) from None

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return os.fstat(self.descriptor).st_size

    @property
    def space(self) -> int:
        """How many bytes the file has, or takes on the disk, if that is more."""
        status = os.fstat(self.descriptor)
        return max(status.st_size, status.st_blocks * 512)

    def _fresh_path(self) -> Path:
        return self._home() / f"{self.kind}.{os.urandom(4).hex()}"

    def publish(self) -> Path:
        """Give the file its name, and return that. Raises HandoverError."""
        if self.path is None:
            path = self._fresh_path()
            try:
                _give_name(self.descriptor, path)
            except OSError as why:
                raise _write_error(path, why) from None
            self.path = path
        self.published = True
        return self.path

    def discard(self) -> None:
        """Remove the file, whether it has a name yet or not."""
        if self.path is not None:
            with suppress(FileNotFoundError):
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _run_directory() -> Path:
    """Return the directory of private directories. Raises HandoverError."""
    try:
        RUN_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as why:
        raise _write_error(RUN_DIRECTORY, why) from None
    return RUN_DIRECTORY


class Store:
    """The output directory of one boot.

    A context manager: at its end files without a name are removed, and all without a :meth:`keep`.
    """

    # Kernel, ramdisk and multiboot modules of one entry, with room for entries tried before it; and the files
    # that a script keeps.
    MAX_FILES = 128
    # Files of all times: a client keeps a descriptor of what it has dropped, and can go on to write.
    MAX_OPENED = 4000

    def __init__(self, directory: Optional[Path]) -> None:
        self._given = directory
        self._directory: Optional[Path] = None
        self._files: list[OutputFile] = []
        self._dropped: list[OutputFile] = []
        self._dropped_size, self._measured = 0, 0.0  # and when that was found
        self._kept = False

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in self._dropped:
            file.close()
        for file in self._files:
            if self._kept and file.published:
                file.close()
            else:
                file.discard()
        if self._given is None and self._directory is not None:
            if not self._kept:
                import shutil  # three decompressors with it, for a boot that failed

                shutil.rmtree(self._directory, ignore_errors=True)
            elif not any(file.published for file in self._files):
                # The local disk, after an entry that failed.
                with suppress(OSError):
                    self._directory.rmdir()

    @property
    def directory(self) -> Path:
        """The directory, made now if it is a private one. Raises HandoverError."""
        if self._directory is None:
            self._directory = (
                self._check_directory(self._given) if self._given is not None else self._make_directory()
            )
        return self._directory

    @staticmethod
    def _check_directory(given: Path) -> Path:
        try:
            if not stat.S_ISDIR(given.stat().st_mode):
                hint = "--output-directory wants a directory, which takes the files"
                raise HandoverError(f"{given} is not a directory", hint=hint)
        except OSError as why:
            hint = "make it, or leave --output-directory out"
            raise HandoverError(f"output directory {given}: {why.strerror}", hint=hint) from None
        return given.absolute()

    @staticmethod
    def _make_directory() -> Path:
        fresh = _run_directory() / f"boot.{os.urandom(8).hex()}"
        fresh.mkdir(0o700)
        return fresh

    def open(self, kind: str) -> OutputFile:
        """Return a new file of ``kind`` (kernel, ramdisk, module, image). Raises HandoverError."""
        if len(self._files) >= self.MAX_FILES:
            raise HandoverError(f"more than {self.MAX_FILES} output files")
        if len(self._files) + len(self._dropped) >= self.MAX_OPENED:
            raise HandoverError(f"more than {self.MAX_OPENED} files, one after the other")
        # A private directory is made when there is something for it: whatever ends this process leaves none.
        place = _run_directory() if self._given is None else self.directory
        file = OutputFile(place, lambda: self.directory, kind)
        self._files.append(file)
        return file

    def drop(self, file: OutputFile) -> None:
        """Empty a file that is not part of the result. It stays open, and counts: its writer may go on."""
        self._files.remove(file)
        if file.path is not None:
            with suppress(FileNotFoundError):
                file.path.unlink()
        os.ftruncate(file.descriptor, 0)
        self._dropped.append(file)
        if len(self._dropped) == _MANY_FILES:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            wanted = 2 * self.MAX_OPENED
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))

    def clear(self) -> None:
        """Remove every file, whose boot has failed and begins anew."""
        for file in [*self._files, *self._dropped]:
            file.discard()
        self._files, self._dropped = [], []

    def size(self) -> int:
        """Return how many bytes all files have on the disk, those included that were dropped."""
        if time.monotonic() > self._measured + _MEASURE_SECONDS:
            self._dropped_size = sum(file.space for file in self._dropped)
            self._measured = time.monotonic()
        return self._dropped_size + sum(file.space for file in self._files)

    def keep(self) -> None:
        """Let the published files stay: the boot has succeeded."""
        self._kept = True


class Report:
    """The file that ``--output`` names, opened and locked before anything else happens.

    libxl makes it beforehand and reads it afterwards; a link, a FIFO or a device in its place is refused. One
    that is not there appears when it is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named = True  # the file has its name
        self._made = False  # and by us
        self._claim: Optional[socket.socket] = None
        try:
            self._descriptor = os.open(path, _REPORT_FLAGS)
        except FileNotFoundError:
            self._claim = _claim_name(path)
            try:
                self._open_new(path)
            except HandoverError:
                self._claim.close()
                raise
        except OSError as why:
            raise _report_error(path, why) from None
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise HandoverError(f"output file {path} is not a regular file")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise _busy(path) from None
        except HandoverError:
            self.close()
            raise

    def _open_new(self, path: Path) -> None:
        try:
            unnamed = _open_unnamed(path.parent)
            if unnamed is None:
                self._descriptor = os.open(path, _REPORT_FLAGS | os.O_CREAT | os.O_EXCL, MODE)
                self._made = True
            else:
                self._descriptor, self._named = unnamed, False
        except OSError as why:
            raise _report_error(path, why) from None

    def write(self, data: bytes) -> None:
        """Replace the contents of the file. Raises HandoverError."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as why:
            raise _write_error(self._path, why) from None
        self.appear()

    def appear(self) -> None:
        """Give the file its name now, if it has none, for another program to write. Raises HandoverError."""
        if self._named:
            return
        try:
            _give_name(self._descriptor, self._path)
        except OSError as why:
            raise _write_error(self._path, why) from None
        self._named = self._made = True

    def discard(self) -> None:
        """Leave the file as it was found: empty, or not there."""
        if self._made:
            with suppress(FileNotFoundError):
                self._path.unlink()
        elif self._named:
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Close the file, and so give up its lock."""
        os.close(self._descriptor)
        if self._claim is not None:
            self._claim.close()


def _report_error(path: Path, why: OSError) -> HandoverError:
    said = "it is a symbolic link" if why.errno == errno.ELOOP else why.strerror
    said = "it is a FIFO" if why.errno == errno.ENXIO else said
    return HandoverError(f"cannot write output file {path}: {said}")


def _busy(path: Path) -> HandoverError:
    return HandoverError(f"another pypxeboot is writing {path}", hint="wait for it, or end it")


def _claim_name(path: Path) -> socket.socket:
    """Claim the name of a file that is not there yet; whatever ends this process gives it up.

    Raises HandoverError when another process of this user has it.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    name = os.fsencode(path.absolute())
    if len(name) > _LONGEST_NAME:
        import hashlib  # OpenSSL, which most boots do without on this side

        name = hashlib.sha256(name).hexdigest().encode()
    address = b"\0pypxeboot-output-" + name
    try:
        claim.bind(address)
        claim.listen()
    except OSError:
        if _holder(claim.family, address) == os.geteuid():
            claim.close()
            raise _busy(path) from None
    return claim


def _holder(family: int, name: bytes) -> Optional[int]:
    """Return the uid of who listens at a socket, None if nobody does."""
    with socket.socket(family, socket.SOCK_STREAM) as asking:
        try:
            asking.settimeout(1.0)
            asking.connect(name)
            _pid, uid, _gid = struct.unpack(
                "3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            )
        except OSError:
            return None
        return int(uid)


def write(output: Optional[Report], data: bytes) -> None:
    """Write ``data`` to the file ``output``, or to standard output if it is None. Raises HandoverError."""
    if output is not None:
        output.write(data)
        return
    try:
        sys.stdout.buffer.write(data)
        if sys.stdout.isatty() and not data.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.flush()
    except OSError as why:
        # Or the interpreter stumbles over it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise HandoverError(f"cannot write the result to standard output: {why.strerror}") from None
