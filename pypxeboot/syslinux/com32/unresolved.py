"""An entry as the configuration has it: files by name, which :meth:`UnresolvedEntry.resolve` finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.entry import Action, Entry, Module, Packed
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.model import Label


@dataclass(frozen=True)
class RamdiskFile:
    """A file that goes into the ramdisk as ``path``; without a name ``data`` is what it holds."""

    name: Optional[str]
    path: str
    data: bytes = b""


@dataclass(frozen=True)
class UnresolvedEntry:
    """A kernel with all that it is handed. A module's text is its command line, which its name begins."""

    kernel: str
    cmdline: str
    initrds: Sequence[str] = ()
    modules: Sequence[str] = ()
    packed: Sequence[RamdiskFile] = ()
    dtb: Optional[str] = None

    def resolve(self, label: Optional[Label], files: ServerFiles) -> Entry:
        """Find the servers and paths of all files, for the entry of ``label``.

        Raises ConfigError if one of them cannot be asked for.
        """
        locate = files.locate
        return Entry(
            label=None if label is None else label.name,
            action=Action.BOOT,
            kernel=locate(self.kernel),
            initrds=tuple(locate(name) for name in self.initrds),
            cmdline=self.cmdline,
            modules=tuple(Module(locate(text), text) for text in self.modules),
            title="" if label is None else label.plain_title,
            packed=tuple(
                Packed(None if item.name is None else locate(item.name), item.path, item.data)
                for item in self.packed
            ),
            dtb=None if self.dtb is None else locate(self.dtb),
        )
