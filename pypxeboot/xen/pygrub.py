"""The local disk of a Xen guest: pygrub, with libxl's own argv."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.limits import NOTICE
from pypxeboot.text import printable

log = logging.getLogger(__name__)

# Where distributions put it: Debian, upstream, Fedora and XCP-ng. The last resort is $PATH.
_PLACES = ("/usr/lib/xen-*/bin/pygrub", "/usr/lib/xen/bin/pygrub", "/usr/libexec/xen/bin/pygrub")
_RESULT = {
    "simple0": rb"kernel [^\0]+\0.*\0",
    "simple": rb"kernel [^\n]+\n.*\n",
    "sxp": rb"linux \(kernel '[^']+'\).*",
}

_PARSED = re.compile(rb"^Using .* to parse (/\S+)$", re.MULTILINE)
_BEGIN = 1 << 20  # bytes: partition tables and superblocks of all kinds stand before


def find_pygrub() -> str:
    """Return the pygrub program. Raises HandoverError if there is none."""
    for pattern in _PLACES:
        found = sorted(Path("/").glob(pattern[1:]))
        if found:
            return str(found[-1])
    program = shutil.which("pygrub", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if program is None:
        raise HandoverError(
            "pygrub is not installed, and the entry says local disk", hint="install Xen's utilities"
        )
    return program


def run(
    arguments: Sequence[str],
    disk: Optional[str],
    form: str,
    output: Optional[Path],
    directory: Optional[Path] = None,
) -> bytes:
    """Return what pygrub says of ``disk`` in ``form``.

    ``arguments`` are pygrub's own, as libxl gave them, ``output`` and ``directory`` the file and the
    directory that they name, or None for standard output and pygrub's own directory. Raises NoBootSource
    without a disk, HandoverError when pygrub finds nothing to boot, and then leaves none of its files.
    """
    if disk is None:
        raise NoBootSource(
            "the entry says local disk, and no disk was given",
            hint="name the guest's disk as the last argument; libxl does so by itself",
        )
    argv = [find_pygrub(), *arguments, "--", disk]
    log.log(NOTICE, "dropping to pygrub for local boot")
    log.info("running %s", " ".join(argv))
    before = _files(directory)
    try:
        done, result = _run(argv, output)
        # It can fail with exit status 0: its parent passes the raw wait status of its child on, and 256
        # becomes 0 (tools/pygrub/src/pygrub, depriv()).
        if done.returncode or not re.fullmatch(_RESULT[form], result, re.DOTALL):
            raise _failure(done, argv)
    except BaseException:
        for path in _files(directory) - before:
            path.unlink(missing_ok=True)
        raise
    return result


def _run(argv: Sequence[str], output: Optional[Path]) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    """Run pygrub; return how it ended, and its result. A menu it draws on standard output."""
    try:
        done = subprocess.run(
            argv, stdout=None if output else subprocess.PIPE, stderr=subprocess.PIPE, check=False
        )
        return done, output.read_bytes() if output else done.stdout
    except OSError as why:
        raise HandoverError(f"cannot run {argv[0]}: {why.strerror}") from None


def _failure(done: subprocess.CompletedProcess[bytes], argv: Sequence[str]) -> HandoverError:
    """Return why pygrub boots nothing, with its last words: it fails with a traceback on standard error."""
    for line in done.stderr.splitlines():
        log.debug("pygrub: %s", printable(line))
    disk, words = argv[-1], printable(done.stderr.strip().rpartition(b"\n")[2])
    about, hint = _about_disk(disk, done.stderr)
    user = next((word[8:] for word in argv if word.startswith("--runas=")), None)
    if user is not None and "PermissionError" in words:
        who, what, about = printable(user), printable(disk), ""
        hint = (
            f"libxl restricts the bootloader to user {who}, who has to be able to read the disk: "
            f"setfacl -m u:{who}:r {what}; or do without LIBXL_BOOTLOADER_RESTRICT (bootloader_restrict=0)"
        )
    if done.returncode:
        what = f"pygrub found nothing to boot on {disk}{about} (exit status {done.returncode})"
    else:
        what = f"pygrub says it succeeded with {disk}, but names no kernel{about}"
    return HandoverError(f"{what}: {words}" if words else what, hint=hint)


def _about_disk(disk: str, said: bytes) -> tuple[str, Optional[str]]:
    """Return in words what is on ``disk``, of which pygrub ``said`` on its standard error, and what to do."""
    parsed = _PARSED.findall(said)
    if parsed:
        file = printable(parsed[-1])
        return f": {file} has no entry that pygrub understands", (
            "on Fedora and EL, whose entries are files of their own (BLS), write GRUB_ENABLE_BLSCFG=false "
            f"into /etc/default/grub in the guest, and run grub2-mkconfig -o {file}; or have the site boot a "
            "kernel"
        )
    try:
        with Path(disk).open("rb") as opened:
            begin = opened.read(_BEGIN)
    except OSError:
        return "", None
    if not begin.strip(b"\0"):
        return ": it is blank", (
            "install the guest first: --label NAME boots another entry of the site; if the system is on "
            "another disk, let that be the first of disk = [...]"
        )
    if begin.startswith(b"QFI\xfb"):
        return ": it is a qcow2 image, which pygrub cannot read", (
            "convert it (qemu-img convert -O raw), or let libxl attach it (xl block-attach) and name the "
            "device"
        )
    return ": it is not blank, and pygrub finds no boot loader's configuration on it", (
        "if it is a data disk, let the system's be the first of disk = [...]; pygrub reads ext2 to ext4, FAT "
        "and an old XFS, but no LVM and no btrfs: a /boot of ext4 helps"
    )


def _files(directory: Optional[Path]) -> set[Path]:
    """Return what is in ``directory`` of pygrub's."""
    return set() if directory is None else set(directory.glob("boot_*"))
