"""What an entry is put together of: names as the configuration has them, made files of the servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from pypxeboot.entry import Action, Entry, Module, Packed
from pypxeboot.syslinux.config.files import Files
from pypxeboot.syslinux.config.model import Label


@dataclass(frozen=True)
class Wrapped:
    """A file to be wrapped into the ramdisk as ``path``; without a name ``data`` is what it holds."""

    name: Optional[str]
    path: str
    data: bytes = b""


@dataclass(frozen=True)
class Parts:
    """A kernel with all that it is handed. A module's text is its command line, which its name begins."""

    kernel: str
    cmdline: str
    initrds: Sequence[str] = ()
    modules: Sequence[str] = ()
    wrapped: Sequence[Wrapped] = ()
    dtb: Optional[str] = None


def assembled(parts: Parts, label: Optional[Label], files: Files) -> Entry:
    """The entry of ``label`` that is to be loaded; ConfigError if one of its files cannot be asked for."""
    locate = files.locate
    return Entry(
        label=None if label is None else label.name,
        action=Action.BOOT,
        kernel=locate(parts.kernel),
        initrds=tuple(locate(name) for name in parts.initrds),
        cmdline=parts.cmdline,
        modules=tuple(Module(locate(text), text) for text in parts.modules),
        title="" if label is None else label.plain_title,
        packed=tuple(
            Packed(None if item.name is None else locate(item.name), item.path, item.data)
            for item in parts.wrapped
        ),
        dtb=None if parts.dtb is None else locate(parts.dtb),
    )
