"""The result in the forms of the toolstacks, to the byte; numbers are of the table of bad inputs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.errors import HandoverError
from pypxeboot.output import json_report, qemu, xen
from pypxeboot.output.request import OutputRequest
from pypxeboot.text import decode, encode
from tests.support.samples.results import BOOT, GUEST, KERNEL, MULTIBOOT, PLANNED, saying


def libxl(data: bytes) -> dict[str, bytes]:
    """What libxl reads: parse_bootloader_result() of libxl_bootloader.c, in Python."""
    found: dict[str, bytes] = {}
    for item in data.split(b"\0"):
        if not item or len(item) > 8191:
            continue
        for name in ("kernel", "ramdisk", "args"):
            rest = item[len(name) :]
            if item.startswith(name.encode()) and rest[:1].isspace():
                found[name] = rest.lstrip(b" \t\n\v\f\r")
                break
        else:
            raise AssertionError(f"unexpected output from bootloader: {item!r}")
    return found


def test_simple0_to_the_byte() -> None:
    assert xen.render(BOOT, OutputRequest(GUEST, "simple0")) == (
        b"kernel /run/d/kernel.1\0ramdisk /run/d/ramdisk.2\0args BOOT_IMAGE=k x=1\0\0"
    )
    assert xen.render(replace(BOOT, ramdisk=None), OutputRequest(GUEST, "simple0", "pvh")) == (
        b"kernel /run/d/kernel.1\0args BOOT_IMAGE=k x=1\0\0"
    )
    assert (
        xen.render(replace(BOOT, ramdisk=None, cmdline=""), OutputRequest(GUEST, "simple0", "pv"))
        == b"kernel /run/d/kernel.1\0\0"
    )


def test_simple_and_sxp_to_the_byte() -> None:
    assert xen.render(BOOT, OutputRequest(GUEST, "simple")) == (
        b"kernel /run/d/kernel.1\nramdisk /run/d/ramdisk.2\nargs BOOT_IMAGE=k x=1\n\n"
    )
    assert xen.render(BOOT, OutputRequest(GUEST, "sxp")) == (
        b"linux (kernel '/run/d/kernel.1')(ramdisk '/run/d/ramdisk.2')(args 'BOOT_IMAGE=k x=1')"
    )
    assert (
        xen.render(replace(BOOT, ramdisk=None, cmdline=""), OutputRequest(GUEST, "sxp"))
        == b"linux (kernel '/run/d/kernel.1')"
    )


def test_without_a_download_urls_stand_for_files() -> None:
    assert xen.render(PLANNED, OutputRequest(GUEST, "simple0")) == (
        b"kernel <kernel:tftp://10.77.0.1/k>\0"
        b"ramdisk <ramdisk:tftp://10.77.0.1/i1,tftp://10.77.0.1/i2>\0args BOOT_IMAGE=k x=1\0\0"
    )


CMDLINES = [
    b"BOOT_IMAGE=k root=UUID=x=y ro",
    b"console=tty0 console=ttyS0 console=tty0",
    b"a  b   c ",
    b"q='single' d=\"double\" \\ back",
    b"x=<&> y=(z) w=a,b,,c #hash %25 $HOME `id` ;",
    b"\xc3\xbc caf\xe9 \xff",
    b"tab\there",
    b"\x1b[2J",
    b"args kernel /etc/passwd",
    b"x" * 8186,
]


@pytest.mark.parametrize("cmdline", CMDLINES, ids=lambda cmdline: repr(cmdline)[:30])
def test_35_command_lines_byte_for_byte(cmdline: bytes) -> None:
    assert libxl(xen.render(saying(cmdline), OutputRequest(GUEST, "simple0")))["args"] == cmdline
    assert xen.render(saying(cmdline), OutputRequest(GUEST, "simple")).split(b"\n")[2] == b"args " + cmdline
    words = shlex.split(encode(decode(qemu.render(saying(cmdline), OutputRequest(GUEST)))).decode("latin-1"))
    assert words[words.index("-append") + 1].encode("latin-1") == cmdline
    assert encode(json.loads(json_report.render(saying(cmdline), OutputRequest(GUEST)))["cmdline"]) == cmdline


def test_35_line_feed() -> None:
    """An item of simple0 may hold one; a line of simple ends there."""
    assert libxl(xen.render(saying(b"a\nb"), OutputRequest(GUEST, "simple0")))["args"] == b"a\nb"
    with pytest.raises(HandoverError, match="line feed"):
        xen.render(saying(b"a\nb"), OutputRequest(GUEST, "simple"))
    assert xen.render(saying(b"a\nb"), OutputRequest(GUEST, "sxp")).endswith(rb"(args 'a\nb')")
    assert shlex.split(qemu.render(saying(b"a\nb"), OutputRequest(GUEST)).decode())[-1] == "a\nb"


@pytest.mark.parametrize("form", ["simple0", "simple", "sxp", "qemu"])
def test_35_nul(form: str) -> None:
    with pytest.raises(HandoverError, match="NUL"):
        if form == "qemu":
            qemu.render(saying(b"a\0b"), OutputRequest(GUEST))
        else:
            xen.render(saying(b"a\0b"), OutputRequest(GUEST, form))


@pytest.mark.parametrize("blank", [b" ", b"\t", b"\n", b"\v", b"\f", b"\r"])
def test_35_leading_blank_would_be_lost(blank: bytes) -> None:
    with pytest.raises(HandoverError):
        xen.render(saying(blank + b"a"), OutputRequest(GUEST, "simple0"))


def test_35_item_of_8191_bytes_and_of_one_more() -> None:
    whole = xen.render(saying(b"x" * (8191 - 5)), OutputRequest(GUEST, "simple0", "pvh"))
    assert len(libxl(whole)["args"]) == 8186
    for form in ("simple0", "simple"):
        with pytest.raises(HandoverError, match="8192") as caught:
            xen.render(saying(b"x" * 8187), OutputRequest(GUEST, form, "pvh"))
        assert caught.value.hint and "APPEND" in caught.value.hint
    with pytest.raises(HandoverError):
        xen.render(saying("ü".encode() * 4094), OutputRequest(GUEST, "simple0", "pvh"))


def test_35_path_that_is_too_long() -> None:
    long = replace(BOOT, kernel=replace(KERNEL, path="/" + "d" * 8190))
    with pytest.raises(HandoverError) as caught:
        xen.render(long, OutputRequest(GUEST, "simple0"))
    assert caught.value.hint and "--output-directory" in caught.value.hint


def test_pv_guests_take_1023_bytes() -> None:
    for form in ("simple0", "simple", "sxp"):
        assert xen.render(saying(b"x" * 1023), OutputRequest(GUEST, form, "pv"))
        with pytest.raises(HandoverError, match="1024"):
            xen.render(saying(b"x" * 1024), OutputRequest(GUEST, form, "pv"))
        assert xen.render(saying(b"x" * 1024), OutputRequest(GUEST, form, "pvh"))
        assert xen.render(saying(b"x" * 1024), OutputRequest(GUEST, form))


@pytest.mark.parametrize("form", ["simple0", "simple", "sxp"])
def test_what_xen_cannot_boot(form: str) -> None:
    for wrong in (replace(BOOT, kernel=None), MULTIBOOT):
        with pytest.raises(HandoverError):
            xen.render(wrong, OutputRequest(GUEST, form))


@given(st.binary(max_size=60), st.sampled_from(["simple0", "simple", "sxp"]))
@settings(max_examples=300)
def test_any_command_line_is_read_back_or_refused(cmdline: bytes, form: str) -> None:
    try:
        data = xen.render(saying(cmdline), OutputRequest(GUEST, form))
    except HandoverError:
        assert b"\0" in cmdline or b"\n" in cmdline or cmdline[:1].isspace()
        return
    if form == "simple0":
        assert libxl(data).get("args", b"") == cmdline
    elif form == "sxp":
        text = decode(cmdline)
        assert data.endswith(encode(f"(args {text!r})") if text else b"2')")
