"""Writes cpio archives, the format of initrds.

Format "newc": Documentation/driver-api/early-userspace/buffer-format.rst. The kernel takes one archive behind
another, and needs no trailer.
"""

from __future__ import annotations

ALIGN = 4
"""Members, and archives behind archives, begin at multiples of so many bytes."""

DIRECTORY, EXECUTABLE, PLAIN = 0o40755, 0o100755, 0o100644


def header(name: bytes, mode: int, size: int, number: int, *, minor: int = 0) -> bytes:
    """Return the header of a member; its ``size`` bytes of data follow, to be padded to :data:`ALIGN`.

    ``mode`` is as of stat(2), ``number`` the inode number, ``minor`` that of the device it is on.
    """
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (number, mode, 0, 0, 1, 0, size, 0, minor, 0, minor, len(name) + 1, 0)
    text = b"070701" + b"".join(b"%08x" % value for value in fields) + name + b"\0"
    return text + bytes(-len(text) % ALIGN)


def wrap(path: bytes, size: int, number: int) -> tuple[bytes, int]:
    """Return the headers that make an archive of a file of ``size`` bytes, and the next free inode number.

    The file is unpacked as ``path``, with the directories above it. Its members have inode numbers from
    ``number`` on. As PXELINUX does it (com32/lib/syslinux/initramfs_file.c).
    """
    slashes = [at for at in range(1, len(path)) if path[at : at + 1] == b"/" != path[at - 1 : at]]
    above = b"".join(header(path[:at], DIRECTORY, 0, n, minor=1) for n, at in enumerate(slashes, number))
    number += len(slashes)
    return above + header(path, EXECUTABLE, size, number, minor=1), number + 1
