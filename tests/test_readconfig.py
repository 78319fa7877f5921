"""What the hook writes for QEMU's -readconfig, and where a domain's XML may name it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from ground import kernels, tools
from ground.libvirt import domain_xml
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.errors import HandoverError
from pypxeboot.output import qemu_readconfig
from pypxeboot.text import decode
from pypxeboot.virt import domain_xml as domainxml
from pypxeboot.virt import hook_paths
from pypxeboot.virt.hook_paths import HookFiles

MOST = 1023 - len('  append = ""\n')


def test_files() -> None:
    assert qemu_readconfig.render("/d/k", "/d/i", "a  b=c,d 'e' \\") == (
        b'[machine]\n  kernel = "/d/k"\n  initrd = "/d/i"\n  append = "a  b=c,d \'e\' \\"\n'
    )
    assert qemu_readconfig.render("/d/k", None, "") == b'[machine]\n  kernel = "/d/k"\n'
    assert b"[machine]" not in qemu_readconfig.render(None, None, "")


@pytest.mark.parametrize(
    ("cmdline", "what"),
    [('a="b"', "a quote"), ("a\nb", "a line feed"), ("a\0b", "a NUL byte"), ("x" * (MOST + 1), "takes 1009")],
)
def test_what_the_form_cannot_say(cmdline: str, what: str) -> None:
    with pytest.raises(HandoverError, match=what) as caught:
        qemu_readconfig.render("/d/k", None, cmdline)
    assert caught.value.hint and "pypxeboot-virt" in caught.value.hint
    with pytest.raises(HandoverError, match="path of the kernel"):
        qemu_readconfig.render('/d/"k', None, "")


@given(st.binary(max_size=100))
def test_one_line_for_each_value(cmdline: bytes) -> None:
    try:
        lines = qemu_readconfig.render("/k", None, decode(cmdline)).split(b"\n")
    except HandoverError:
        assert set(cmdline) & set(b'"\n\0')
        return
    assert lines[2:] == ([b'  append = "' + cmdline + b'"', b""] if cmdline else [b""])


@pytest.mark.vm
@pytest.mark.parametrize("cmdline", ["x" * MOST, "a  b=c,d,,e 'f' # %s $x [y] z=\\", "\t=\x7f"])
def test_qemu_reads_it(probe_kernel: Callable[[str], bytes], tmp_path: Path, cmdline: str) -> None:
    kernel, initrd, config = (tmp_path / name for name in ("k", "i", "c"))
    kernel.write_bytes(probe_kernel("config"))
    initrd.write_bytes(b"ramdisk")
    config.write_bytes(qemu_readconfig.render(str(kernel), str(initrd), cmdline))
    argv = [tools.need("qemu-system-x86_64"), "-nodefaults", "-machine", "q35,accel=tcg", "-m", "64"]
    said = kernels.run_probe([*argv, "-readconfig", str(config)], tmp_path)
    assert (said.tag, said.cmdline, said.data) == ("config", cmdline, b"ramdisk")


# ---- the XML


def files(os: str = "", *words: str) -> object:
    return hook_paths.files(domainxml.parse(domain_xml("guest", "52:54:00:00:00:01", os=os, qemu=words)))


def test_names_in_the_xml() -> None:
    ours = "/srv/pypxeboot-hook"
    assert files() is None
    assert files("", "-readconfig", f"{ours}/a.b.cfg", "-S") == HookFiles(
        f"{ours}/a.b.cfg", f"{ours}/a.b.kernel", f"{ours}/a.b.initrd", direct=False
    )
    direct = f"<kernel>{ours}/k</kernel><initrd>{ours}/i</initrd>"
    assert files(direct) == HookFiles(None, f"{ours}/k", f"{ours}/i", direct=True)
    assert files(direct, "-readconfig", f"{ours}/c") == HookFiles(f"{ours}/c", f"{ours}/k", f"{ours}/i", True)
    assert files(f"<kernel>{ours}/k</kernel>") == HookFiles(None, f"{ours}/k", None, direct=True)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/srv/pypxeboot/c",
        "/srv/pypxeboot-hook/../c",
        "/srv/pypxeboot-hook/more/c",
        "srv/pypxeboot-hook/c",
        "/pypxeboot-hook",
    ],
)
def test_files_elsewhere_are_not_the_hooks(path: str) -> None:
    assert files("", "-readconfig", path) is None
    assert files(f"<kernel>{path}</kernel>") is None
    assert files(f"<kernel>{path}</kernel>", "-readconfig", "/srv/pypxeboot-hook/c") is None


def test_left_out_of_the_xml() -> None:
    words = ("-S", "-readconfig", "/srv/pypxeboot-hook/c", "-readconfig", "/etc/mine", "-readconfig")
    root = domainxml.parse(domain_xml("guest", "52:54:00:00:00:01", qemu=words))
    hook_paths.leave_out(root)
    namespace = {"qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}
    left = fromstring(domainxml.serialised(root)).findall("qemu:commandline/qemu:arg", namespace)
    assert [word.get("value") for word in left] == ["-S", "-readconfig", "/etc/mine", "-readconfig"]
