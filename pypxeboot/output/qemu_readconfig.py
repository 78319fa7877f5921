"""A file for QEMU's ``-readconfig`` that gives kernel, initrd and command line to a machine.

Source: QEMU's util/qemu-config.c, qemu_config_foreach(): a line has at most 1023 bytes, a value ends at the
first quote and has no escapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from pypxeboot.errors import HandoverError
from pypxeboot.output.direct import boot_of
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult
from pypxeboot.text import encode

_LONGEST_LINE = 1023  # with its line feed
_HINT = "--output-format qemu and pypxeboot-virt know no such limit"


def config(kernel: Optional[str], initrd: Optional[str], append: str) -> bytes:
    """Return the file; without a kernel and ``append`` one that lets the machine boot from its disk.

    Raises HandoverError for what the format cannot say.
    """
    return _config({"kernel": kernel, "initrd": initrd, "append": append})


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the file that gives a machine what came of a boot. Raises HandoverError."""
    boot = boot_of(result, "QEMU's -readconfig")
    if boot is None:
        return config(None, None, "")
    return _config({"kernel": boot.kernel, "initrd": boot.ramdisk, "dtb": boot.dtb, "append": boot.cmdline})


def _config(values: Mapping[str, Optional[str]]) -> bytes:
    lines = [_line(name, encode(value)) for name, value in values.items() if value]
    return b"[machine]\n" + b"".join(lines) if lines else b"# the local disk\n"


def _line(name: str, value: bytes) -> bytes:
    what = "the command line" if name == "append" else f"the path of the {name}"
    for byte, called in ((b'"', "a quote"), (b"\n", "a line feed"), (b"\0", "a NUL byte")):
        if byte in value:
            raise HandoverError(f"{what} holds {called}, which QEMU's -readconfig cannot say", hint=_HINT)
    line = b'  %s = "%s"\n' % (name.encode(), value)
    if len(line) > _LONGEST_LINE:
        most = _LONGEST_LINE - len(line) + len(value)
        raise HandoverError(f"{what} has {len(value)} bytes, and QEMU's -readconfig takes {most}", hint=_HINT)
    return line
