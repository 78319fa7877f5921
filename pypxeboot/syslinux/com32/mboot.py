"""mboot.c32: a multiboot kernel and its modules."""

from __future__ import annotations

from pypxeboot.syslinux.com32.module import Com32Module, Invocation, KernelModule, split_at
from pypxeboot.syslinux.com32.unresolved import UnresolvedEntry


class MbootC32(KernelModule):
    """mboot.c32: ``[-solaris|-no-aout..] kernel arguments --- module arguments --- ...``.

    Each has the command line that its file's name begins.
    """

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Read the kernel and the modules."""
        parts = split_at(invocation.words, "---")
        while parts[0] and parts[0][0] in ("-solaris", "-no-solaris", "-aout", "-no-aout"):
            parts[0].pop(0)
        if parts[0][:1] == ["-c"]:  # SYSLINUX's own has no such option
            return invocation.nothing(
                "with -c is ESXi's, which needs a BIOS or UEFI: no kernel is named here"
            )
        if not all(parts):
            return invocation.nothing("was given an image without a name")
        kernel, *modules = (" ".join(part) for part in parts)
        return cls(UnresolvedEntry(kernel, kernel, modules=tuple(modules)))
