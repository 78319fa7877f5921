"""Output files that exist under a name only once the boot has succeeded.

Files are made without a name (O_TMPFILE) and linked into the directory at the end: whatever ends the
process before that, SIGKILL included, leaves nothing. Where the file system cannot do that, they are made
with a fresh name, O_EXCL and O_NOFOLLOW, and removed on failure.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.errors import HandoverError

RUN_DIRECTORY = Path("/run/pypxeboot")
MODE = 0o600


def _write_error(path: Path, why: OSError) -> HandoverError:
    return HandoverError(f"cannot write {path}: {why.strerror}")


class OutputFile:
    """A file that has no name yet: write to ``descriptor``, then :meth:`publish` or :meth:`discard` it.

    ``kind`` is the first part of its name, and may be changed until it is published; ``opened`` is the time
    of its opening, of ``time.monotonic``.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self._directory, self.kind = directory, kind
        self.path: Optional[Path] = None
        self.published, self.opened = False, time.monotonic()
        try:
            self.descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, MODE)
        except OSError as why:
            # EISDIR: a kernel, EOPNOTSUPP: a file system, that has no O_TMPFILE.
            if why.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL):
                raise _write_error(directory, why) from None
            self.path = self._fresh_path()
            flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC
            try:
                self.descriptor = os.open(self.path, flags, MODE)
            except OSError as why:
                raise _write_error(self.path, why) from None

    def _fresh_path(self) -> Path:
        return self._directory / f"{self.kind}.{secrets.token_hex(4)}"

    def publish(self) -> Path:
        """Give the file its name, and return that. Raises HandoverError."""
        if self.path is None:
            path = self._fresh_path()
            try:
                # A source relative to a descriptor makes Python use linkat(2), which follows the magic link.
                here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.link(f"/proc/self/fd/{self.descriptor}", path, src_dir_fd=here, follow_symlinks=True)
                finally:
                    os.close(here)
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


class Store:
    """The output directory of one boot.

    A context manager: at its end files without a name are removed, and all without a :meth:`keep`.
    """

    # Kernel, ramdisk and multiboot modules of one entry, with room for entries tried before it; and the files
    # that a script keeps.
    MAX_FILES = 128

    def __init__(self, directory: Optional[Path]) -> None:
        self._given = directory
        self._directory: Optional[Path] = None
        self._files: list[OutputFile] = []
        self._kept = False

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in self._files:
            if self._kept and file.published:
                file.close()
            else:
                file.discard()
        if self._given is None and self._directory is not None:
            if not self._kept:
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
                raise HandoverError(f"{given} is not a directory")
        except OSError as why:
            hint = "make it, or leave --output-directory out"
            raise HandoverError(f"output directory {given}: {why.strerror}", hint=hint) from None
        return given.absolute()

    @staticmethod
    def _make_directory() -> Path:
        try:
            RUN_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix="boot.", dir=RUN_DIRECTORY))
        except OSError as why:
            raise _write_error(RUN_DIRECTORY, why) from None

    def open(self, kind: str) -> OutputFile:
        """Return a new file of ``kind`` (kernel, ramdisk, module, image). Raises HandoverError."""
        if len(self._files) >= self.MAX_FILES:
            raise HandoverError(f"more than {self.MAX_FILES} output files")
        file = OutputFile(self.directory, kind)
        self._files.append(file)
        return file

    def drop(self, file: OutputFile) -> None:
        """Remove a file that is not part of the result."""
        self._files.remove(file)
        file.discard()

    def keep(self) -> None:
        """Let the published files stay: the boot has succeeded."""
        self._kept = True


class Report:
    """The file that ``--output`` names, opened and locked before anything else happens.

    libxl makes it beforehand and reads it afterwards; a link, a FIFO or a device in its place is refused.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._made = path, False
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        try:
            try:
                self._descriptor = os.open(path, flags)
            except FileNotFoundError:
                self._descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, MODE)
                self._made = True
        except OSError as why:
            said = "it is a symbolic link" if why.errno == errno.ELOOP else why.strerror
            said = "it is a FIFO" if why.errno == errno.ENXIO else said
            raise HandoverError(f"cannot write output file {path}: {said}") from None
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise HandoverError(f"output file {path} is not a regular file")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise HandoverError(
                f"another pypxeboot is writing {path}", hint="wait for it, or end it"
            ) from None
        except HandoverError:
            os.close(self._descriptor)
            raise

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

    def discard(self) -> None:
        """Leave the file as it was found: empty, or not there."""
        if self._made:
            with suppress(FileNotFoundError):
                self._path.unlink()
        else:
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Close the file, and so give up its lock."""
        os.close(self._descriptor)


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
