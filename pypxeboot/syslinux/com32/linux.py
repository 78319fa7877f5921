"""linux.c32: a kernel, its command line, its initrds, and perhaps a device tree."""

from __future__ import annotations

from collections.abc import Sequence

from pypxeboot.syslinux.com32.module import Com32Module, Invocation, KernelModule
from pypxeboot.syslinux.com32.unresolved import RamdiskFile, UnresolvedEntry
from pypxeboot.text import printable


class LinuxC32(KernelModule):
    """linux.c32: ``[-dhcpinfo] kernel arguments``.

    The last ``initrd=`` counts, then every ``initrd+=``, then every ``initrdfile=file[@path]``, which goes
    into the ramdisk; of device trees (``dtb=``) the kernel takes the last.
    """

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Read the kernel and the files that its command line names."""
        words = invocation.words
        at = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
        unknown = next((word for word in words[:at] if word != "-dhcpinfo"), None)
        if unknown is not None:
            return invocation.nothing(f"does not know the option {printable(unknown)}")
        if at == len(words):
            return invocation.nothing("was given no kernel")
        line = [f"BOOT_IMAGE={words[at]}", *words[at + 1 :]]
        lists = [*_values(line, "initrd=")[-1:], *_values(line, "initrd+=")]
        initrds = tuple(name for names in lists for name in names.split(","))
        packed = tuple(
            _ramdisk_file(text) for texts in _values(line, "initrdfile=") for text in texts.split(",")
        )
        dtb = next(iter(_values(line, "dtb=")[::-1]), None)
        return cls(UnresolvedEntry(words[at], " ".join(line), initrds, packed=packed, dtb=dtb))


def _values(line: Sequence[str], key: str) -> list[str]:
    return [word[len(key) :] for word in line if word.startswith(key)]


def _ramdisk_file(text: str) -> RamdiskFile:
    """Read ``file@path``; without ``@`` "forget the source path" (com32/modules/linux.c)."""
    file, mark, path = text.partition("@")
    return RamdiskFile(file, path if mark else file.rpartition("/")[2])
