"""The images that an iPXE script has registered, and the ramdisk they become (core/image.c, initrd.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import DropFile, Identified, Identify, ReadFile, Steps
from pypxeboot.errors import Refused
from pypxeboot.ipxe.engine import setting_types
from pypxeboot.ipxe.engine.script import is_script
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.kernel import cpio, identify
from pypxeboot.text import encode
from pypxeboot.url import Location

# INITRD_ALIGN: "each start padded with zeros to 4096".
_ALIGN = 4096
_REGULAR = 0o100000
# iPXE has no bound but memory; scripts have some twenty.
COUNT_LIMIT = 256

_READ = 256 << 10


@dataclass
class Image:
    """A downloaded file. ``cmdline`` is None where none was given; ``kernel`` is what it is as a kernel."""

    name: str
    uri: Uri
    location: Location
    handle: int
    size: int
    head: bytes
    cmdline: Optional[str] = None
    autofree: bool = False
    trusted: bool = False
    identified: bool = False
    kernel: Optional[Identified] = None
    replacement: Optional[Image] = None

    def argument(self, key: str) -> Optional[str]:
        """Return the value of ``key=value`` on the command line."""
        for word in (self.cmdline or "").split(" "):
            if word.startswith(f"{key}="):
                return word[len(key) + 1 :]
        return None

    @property
    def is_script(self) -> bool:
        """Whether it is a script of iPXE."""
        return is_script(self.head)

    def identify(self) -> Steps[Optional[Identified]]:
        """Return what the image is as a kernel, None if it is no kernel (a script is none)."""
        if not self.identified and not self.is_script:
            self.identified = True
            self.kernel = yield Identify(self.handle)
        return self.kernel

    def read(self, limit: int) -> Steps[Optional[bytes]]:
        """Return the whole content of the image, None if it has more than ``limit`` bytes."""
        if self.size > limit:
            return None
        data = b""
        while len(data) < self.size:
            piece: bytes = yield ReadFile(self.handle, len(data), _READ)
            if not piece:
                break
            data += piece
        return data


@dataclass
class Images:
    """The registered images, in order, the one that ``boot`` would run, and whether it has to be trusted.

    ``trust_fixed``: what is required stays so (``imgtrust --permanent``). ``named`` counts the images that
    were given a name because they had none.
    """

    registered: list[Image] = field(default_factory=list)
    selected: Optional[Image] = None
    trust_required: bool = False
    trust_fixed: bool = False
    named: int = 0

    def __iter__(self) -> Iterator[Image]:
        return iter(list(self.registered))

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another image."""
        return len(self.registered) >= COUNT_LIMIT

    def find(self, name: str) -> Optional[Image]:
        """Return the first image called ``name``."""
        return next((image for image in self.registered if image.name == name), None)

    def add(self, image: Image) -> None:
        """Register ``image`` behind the others (core/image.c, register_image())."""
        if image.uri.opaque is not None and not image.name:
            image.name, self.named = f"img{self.named}", self.named + 1
        self.registered.append(image)

    def remove(self, image: Image) -> bool:
        """Take ``image`` from the list; whether it was there."""
        if image not in self.registered:
            return False
        self.registered = [other for other in self.registered if other is not image]
        if self.selected is image:
            self.selected = None
        return True

    def free(self, image: Image) -> Steps[None]:
        """Unregister ``image``, and let its file go."""
        if self.remove(image):
            yield DropFile(image.handle)

    def require_trust(self, required: bool, *, permanent: bool) -> bool:
        """Say whether images have to be trusted from now on; return whether that holds now."""
        if not self.trust_fixed:
            self.trust_required, self.trust_fixed = required, permanent
        return self.trust_required is required

    def may_run(self, image: Image) -> bool:
        """Whether ``image`` is trusted as much as is required."""
        return image.trusted or not self.trust_required


# SYSLINUX programs: the network loaders themselves, and the menus that gPXE runs as COMBOOT programs.
_PXELINUX = re.compile(r"[a-z]?pxelinux(-[0-9.]+)?\.0|syslinux.*\.(efi|e32|e64)")
_MENU = re.compile(r"(menu|vesamenu)\.c32")


def is_pxelinux(image: Image) -> bool:
    """Whether the image is a PXELINUX, whose walk is followed in its place."""
    return _PXELINUX.fullmatch(image.name.lower()) is not None or b"PXELINUX" in image.head


def is_syslinux_menu(image: Image) -> bool:
    """Whether the image is a menu program of SYSLINUX."""
    return _MENU.fullmatch(image.name.lower()) is not None


def unfit(image: Image) -> tuple[str, Optional[str]]:
    """Why an image that is neither script nor kernel cannot run, in words, and what to do about it."""
    try:
        identify.identify(image.head, image.size)
    except Refused as why:
        return f"{image.name}: {why.message}", why.hint
    return f"{image.name}: not a kernel that could be booted", None


Part = Union[int, bytes]


def ramdisk(images: Sequence[Image]) -> tuple[Part, ...]:
    """Return the ramdisk of ``images``: their handles, with padding and cpio headers in between."""
    parts: list[Part] = []
    length = 0
    for image in images:
        before = bytes(-length % _ALIGN) + cpio_headers(image)
        if before:
            parts.append(before)
        parts.append(image.handle)
        length += len(before) + image.size
    return tuple(parts)


def cpio_headers(image: Image) -> bytes:
    """Return the newc headers that make a file of an image with a command line; nothing for one without.

    "File name is the first word, with ``mode=<octal>`` (0644) and ``mkdir=<n>`` (parents; -1 all)"; of a
    mode, as much counts as strtoul() reads.
    """
    name = (image.cmdline or "").partition(" ")[0]
    if not name:
        return b""
    text = image.argument("mode")
    digits = re.match("[0-7]{0,10}", text or "")
    mode = 0o644 if text is None or digits is None else int(digits[0] or "0", 8) & 0o7777
    out = b""
    for parent in _parents(name, image.argument("mkdir")):
        out += _header(parent, cpio.DIRECTORY, 0)
    return out + _header(name, _REGULAR | mode, image.size)


def _parents(name: str, wanted: Optional[str]) -> list[str]:
    """Return the directories above ``name`` that are to be made: the ``wanted`` innermost, all for -1."""
    ends = [match.start() for match in re.finditer("/+", name) if match.start()]
    if wanted is None or setting_types.number(wanted) is None:
        return []
    count = setting_types.number(wanted) or 0
    return [name[:end] for end in ends[-count if count < len(ends) else 0 :]] if count else []


def _header(name: str, mode: int, size: int) -> bytes:
    return cpio.header(encode(name), mode, size, 0)
