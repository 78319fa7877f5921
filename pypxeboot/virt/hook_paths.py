"""The files that a libvirt domain names for the hook to fill with its boot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.dataclass import dataclass

PREFIX = "pypxeboot-"
"""How the name of a directory has to begin in which files are replaced: what is elsewhere is not ours."""


@dataclass(frozen=True)
class HookFiles:
    """Where a domain's XML wants its boot.

    ``config`` is the file of its ``-readconfig``; ``kernel`` and ``initrd`` are those of its ``<os>``, or
    (``direct`` is False) files beside ``config``.
    """

    config: Optional[str]
    kernel: str
    initrd: Optional[str]
    direct: bool

    @property
    def paths(self) -> list[str]:
        """Return the paths of all these files."""
        return [path for path in (self.config, self.kernel, self.initrd) if path is not None]


def files(root: Element) -> Optional[HookFiles]:
    """Return the files that the domain of this XML names; None where they are not for the hook."""
    named = [word.get("value", "") for _parent, _option, word in _readconfigs(root)]
    config = named[-1] if named else None
    kernel, initrd = root.findtext("os/kernel"), root.findtext("os/initrd")
    if kernel:
        found = HookFiles(config, kernel, initrd or None, direct=True)
    elif config:
        stem = PurePosixPath(config)
        kernel, initrd = str(stem.with_suffix(".kernel")), str(stem.with_suffix(".initrd"))
        found = HookFiles(config, kernel, initrd, direct=False)
    else:
        return None
    return found if all(map(_is_ours, found.paths)) else None


def leave_out(root: Element) -> None:
    """Take the hook's ``-readconfig`` out of the XML: kernel and initrd come in another way."""
    for parent, option, word in list(_readconfigs(root)):
        if _is_ours(word.get("value", "")):
            parent.remove(option)
            parent.remove(word)


def _is_ours(path: str) -> bool:
    where = PurePosixPath(path)
    return where.is_absolute() and ".." not in where.parts and where.parent.name.startswith(PREFIX)


def _readconfigs(root: Element) -> Iterator[tuple[Element, Element, Element]]:
    """``<qemu:commandline>``, and in it the words ``-readconfig`` and that behind it."""
    for element in root:
        if _local(element) == "commandline":
            words = [word for word in element if _local(word) == "arg"]
            for option, word in zip(words, words[1:]):
                if option.get("value") == "-readconfig":
                    yield element, option, word


def _local(element: Element) -> str:
    return element.tag.rpartition(":")[2]
