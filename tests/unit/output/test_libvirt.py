"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.errors import HandoverError
from pypxeboot.guest import Guest
from pypxeboot.output import libvirt
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult, DeviceTree
from pypxeboot.text import decode
from tests.support.samples.formats import LOCAL
from tests.support.samples.results import BOOT, GUEST, saying

# ---- libvirt


def system(result: BootResult, guest: Guest = GUEST, guest_type: Optional[str] = None) -> dict[str, Any]:
    element = ElementTree.fromstring(libvirt.render(result, OutputRequest(guest, guest_type=guest_type)))
    assert element.tag == "os"
    return {child.tag: child.text or child.attrib for child in element}


def test_libvirt() -> None:
    assert system(BOOT) == {
        "type": "hvm",
        "kernel": "/run/d/kernel.1",
        "initrd": "/run/d/ramdisk.2",
        "cmdline": "BOOT_IMAGE=k x=1",
    }
    assert system(replace(BOOT, ramdisk=None, cmdline="", dtb=DeviceTree("u", "/d/t", 1, "0"))) == {
        "type": "hvm",
        "kernel": "/run/d/kernel.1",
        "dtb": "/d/t",
    }
    assert system(LOCAL) == {"type": "hvm", "boot": {"dev": "hd"}}
    assert b'<os firmware="efi">' in libvirt.render(LOCAL, OutputRequest(replace(GUEST, arch="arm64")))
    assert b'<type arch="aarch64">' in libvirt.render(BOOT, OutputRequest(replace(GUEST, arch="arm64")))


def test_libvirt_on_xen() -> None:
    guest = replace(GUEST, hypervisor="xen")
    assert system(BOOT, guest)["type"] == "xenpvh" and system(BOOT, guest, "pv")["type"] == "xen"


@given(st.binary(max_size=60))
def test_libvirt_command_lines_are_read_back_or_refused(cmdline: bytes) -> None:
    try:
        found = system(saying(cmdline)).get("cmdline", "")
    except HandoverError:
        text = cmdline.decode("utf-8", "surrogateescape")
        assert any(char < " " or char >= "\ud800" for char in text)
        return
    assert found == decode(cmdline)


@pytest.mark.parametrize("cmdline", [b"a\rb", b"\x1b[2J", b"caf\xe9", b"a\0b", b"\xef\xbf\xbf"])
def test_libvirt_what_xml_cannot_hold(cmdline: bytes) -> None:
    with pytest.raises(HandoverError, match="XML"):
        libvirt.render(saying(cmdline), OutputRequest(GUEST))


def test_libvirt_markup_is_text() -> None:
    hostile = "x</cmdline><kernel>/etc/shadow</kernel>&amp; <!-- \"' ]]>"
    assert system(saying(hostile.encode()))["cmdline"] == hostile
