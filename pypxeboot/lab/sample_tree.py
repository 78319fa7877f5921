"""What the lab serves when nobody gives it a directory: a menu of four entries, and files that fit it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple, Optional

from pypxeboot.kernel.cpio import ALIGN, DIRECTORY, EXECUTABLE, PLAIN, header

_MENU = """\
# Made by pypxeboot-lab.
UI menu.c32
MENU TITLE pypxeboot lab
DEFAULT linux
TIMEOUT 50

LABEL linux
  MENU LABEL ^Linux
  KERNEL vmlinuz
  APPEND initrd=initrd.img console=ttyS0 quiet lab.entry=linux

LABEL rescue
  MENU LABEL ^Rescue, with a second initrd
  KERNEL vmlinuz
  INITRD initrd.img,motd.img
  APPEND console=ttyS0 quiet lab.entry=rescue

LABEL web
  MENU LABEL Linux from the ^web server
  KERNEL http://boot.lab.test/vmlinuz
  INITRD http://10.77.0.1/initrd.img
  APPEND console=ttyS0 quiet lab.entry=web

LABEL local
  MENU LABEL Local ^disk
  LOCALBOOT 0
"""

# The first program of the guest. It ends by switching the machine off.
_INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox echo
/bin/busybox echo "pypxeboot demo: the guest is up"
/bin/busybox echo "pypxeboot demo: kernel $(/bin/busybox uname -r)"
/bin/busybox echo "pypxeboot demo: command line: $(/bin/busybox cat /proc/cmdline)"
if [ -e /etc/motd ]; then
    /bin/busybox echo "pypxeboot demo: $(/bin/busybox cat /etc/motd)"
fi
/bin/busybox echo "pypxeboot demo: the guest switches itself off"
/bin/busybox poweroff -f
"""
_MOTD = "this line stands in the second initrd\n"

# What the stand-in for a kernel does, at 0x268 (its image has a jump to there at 0x200): it writes the text
# at 0x320 to the first serial port, and halts. The setup's code segment begins at 0x200.
_STUB_CODE = bytes.fromhex(
    "be 20 01"  # mov si, 0x120
    "2e ac 84 c0 74 11"  # next: lodsb from cs; 0 ends it
    "88 c3 ba fd 03"  # mov bl, al; mov dx, 0x3fd
    "ec a8 20 74 fb"  # full: in al, dx; test al, 0x20; jz full
    "b2 f8 88 d8 ee eb e9"  # mov dl, 0xf8; mov al, bl; out dx, al; jmp next
    "f4 eb fd"  # hlt, for ever
)
_STUB_TEXT = b"""\r
This is the stand-in for a kernel of pypxeboot-lab: it was booted, and can do no more.\r
pypxeboot-lab run --kernel FILE --initrd FILE serves one that can.\r
"""


class Member(NamedTuple):
    """One file of a cpio archive. ``data`` is None for a directory."""

    name: str
    data: Optional[bytes]
    executable: bool = False


def sample(*, kernel: Optional[bytes], initrd: Optional[bytes]) -> Mapping[str, bytes]:
    """Return the files of the tree, by name. Kernel and initrd are stand-ins where none is given."""
    return {
        # Only the name counts for a client that does not run it.
        "pxelinux.0": b"stands in for pxelinux.0\n",
        "pxelinux.cfg/default": _MENU.encode(),
        "vmlinuz": stub_kernel() if kernel is None else kernel,
        "initrd.img": cpio([Member("init", b"#!/bin/sh\n", True)]) if initrd is None else initrd,
        "motd.img": cpio([Member("etc", None), Member("etc/motd", _MOTD.encode())]),
    }


def initramfs(busybox: bytes) -> bytes:
    """Return an initrd that says what it was booted with. ``busybox`` must be a static one."""
    folders = [Member(name, None) for name in ("bin", "dev", "etc", "proc")]
    return cpio([*folders, Member("bin/busybox", busybox, True), Member("init", _INIT.encode(), True)])


def stub_kernel() -> bytes:
    """Return a bzImage by its header (boot protocol 2.15) that says what it is, and halts."""
    image = bytearray(1680)
    image[0x1F1] = 1
    image[0x1FE:0x206] = b"\x55\xaa\xeb\x66HdrS"
    struct.pack_into("<H", image, 0x206, 0x20F)
    struct.pack_into("<H", image, 0x20E, 0x300 - 0x200)
    image[0x300:0x30D] = b"0.0 (stub) #1"
    image[0x211] = 1  # LOADED_HIGH: a bzImage, not a zImage
    struct.pack_into("<I", image, 0x22C, 0x7FFFFFFF)  # initrd_addr_max
    struct.pack_into("<HI", image, 0x236, 1, 2047)  # XLF_KERNEL_64, cmdline_size
    image[0x268 : 0x268 + len(_STUB_CODE)] = _STUB_CODE
    image[0x320 : 0x320 + len(_STUB_TEXT)] = _STUB_TEXT
    return bytes(image)


def cpio(members: list[Member]) -> bytes:
    """Return an archive of ``members``."""
    out = bytearray()
    for number, member in enumerate([*members, Member("TRAILER!!!", b"")], 1):
        data = member.data or b""
        mode = DIRECTORY if member.data is None else EXECUTABLE if member.executable else PLAIN
        out += header(member.name.encode(), mode, len(data), number) + data
        out += bytes(-len(out) % ALIGN)
    return bytes(out)
