"""What libxl and its forerunners read from a bootloader: simple0, simple and sxp, as pygrub writes them.

Source: xen tools/libs/light/libxl_bootloader.c, parse_bootloader_result(), and tools/pygrub/src/pygrub,
format_simple() and format_sxp().
"""

from __future__ import annotations

from pypxeboot.errors import HandoverError
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult
from pypxeboot.text import encode

# libxl reads an item into buf[PATH_MAX*2] and drops a longer one with a mere warning.
MAX_ITEM = 8191
# MAX_GUEST_CMDLINE of xg_dom_x86.c is 1024 with its NUL; a PV guest's command line is cut there in silence.
MAX_PV_CMDLINE = 1023


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the result in the form of the request: simple0, simple or sxp.

    Raises HandoverError for what libxl would drop, cut or misread.
    """
    kernel, ramdisk, args = _values(result)
    if request.guest_type == "pv" and len(args) > MAX_PV_CMDLINE:
        raise HandoverError(
            f"the command line has {len(args)} bytes, and Xen cuts that of a PV guest after {MAX_PV_CMDLINE}",
            hint='shorten APPEND, or make the guest PVH (type="pvh")',
        )
    if request.form == "sxp":
        return _sxp(kernel, ramdisk, args)
    separator = b"\0" if request.form == "simple0" else b"\n"
    items = [b"kernel " + kernel]
    if ramdisk:
        items.append(b"ramdisk " + ramdisk)
    if args:
        items.append(b"args " + args)
    for item in items:
        _check(item, separator)
    return b"".join(item + separator for item in items) + separator


def _values(result: BootResult) -> tuple[bytes, bytes, bytes]:
    kernel, ramdisk = result.kernel, result.ramdisk
    if kernel is None:
        raise HandoverError("there is no kernel to hand over")  # libxl aborts on that
    if result.modules:
        raise HandoverError(
            "a multiboot entry (mboot.c32) cannot be handed to libxl",
            hint="boot the Linux kernel itself: Xen guests do not load a hypervisor of their own",
        )
    # Without a download (-n) the URLs stand for the files, as pygrub's <kernel:/path>.
    kernel_path = kernel.path if kernel.path is not None else f"<kernel:{kernel.url}>"
    ramdisk_path = ""
    if ramdisk is not None:
        planned = ",".join(initrd.url for initrd in result.initrds)
        ramdisk_path = ramdisk.path if ramdisk.path is not None else f"<ramdisk:{planned}>"
    return encode(kernel_path), encode(ramdisk_path), encode(result.cmdline)


def _check(item: bytes, separator: bytes) -> None:
    word, _blank, value = item.partition(b" ")
    name = word.decode()
    if len(item) > MAX_ITEM:
        raise HandoverError(
            f"{name} has {len(item)} bytes with its keyword, and libxl drops items of more than {MAX_ITEM}",
            hint="shorten APPEND" if name == "args" else "use a shorter --output-directory",
        )
    for byte, what in ((b"\0", "NUL"), (b"\n", "line feed")):
        if byte in item and byte in (separator, b"\0"):
            raise HandoverError(f"{name} holds a {what} byte, which ends an item of this format")
    if value[:1].isspace():
        raise HandoverError(f"{name} begins with a blank, which libxl would drop")


def _sxp(kernel: bytes, ramdisk: bytes, args: bytes) -> bytes:
    """Return the result as sxp, which Python's repr() quotes, as in pygrub."""

    def quoted(value: bytes) -> str:
        if b"\0" in value:
            raise HandoverError("a NUL byte cannot be written as sxp")
        return repr(value.decode("utf-8", "surrogateescape"))

    text = f"linux (kernel {quoted(kernel)})"
    if ramdisk:
        text += f"(ramdisk {quoted(ramdisk)})"
    if args:
        text += f"(args {quoted(args)})"
    return encode(text)
