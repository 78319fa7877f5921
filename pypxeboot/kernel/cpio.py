"""Archives in the format of initrds.

newc: Documentation/driver-api/early-userspace/buffer-format.rst. One may stand behind another, and a trailer
is not needed.
"""

from __future__ import annotations

ALIGN = 4
"""Members, and archives behind archives, begin at multiples of this."""

DIRECTORY, EXECUTABLE, PLAIN = 0o40755, 0o100755, 0o100644


def header(name: bytes, mode: int, size: int, number: int, *, minor: int = 0) -> bytes:
    """What stands in front of a member's ``size`` bytes of data, which are to be padded.

    ``number`` is its inode's, ``minor`` that of the device that it is on.
    """
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (number, mode, 0, 0, 1, 0, size, 0, minor, 0, minor, len(name) + 1, 0)
    text = b"070701" + b"".join(b"%08x" % value for value in fields) + name + b"\0"
    return text + bytes(-len(text) % ALIGN)


def wrapping(path: bytes, size: int, number: int) -> tuple[bytes, int]:
    """What makes an archive of a file of ``size`` bytes, unpacked as ``path`` with the directories above.

    Its members are counted from ``number`` on; the reply has the number after them. As PXELINUX does it
    (com32/lib/syslinux/initramfs_file.c).
    """
    slashes = [at for at in range(1, len(path)) if path[at : at + 1] == b"/" != path[at - 1 : at]]
    above = b"".join(header(path[:at], DIRECTORY, 0, n, minor=1) for n, at in enumerate(slashes, number))
    number += len(slashes)
    return above + header(path, EXECUTABLE, size, number, minor=1), number + 1
