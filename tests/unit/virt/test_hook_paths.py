"""What the hook writes for QEMU's -readconfig, and where a domain's XML may name it."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from pypxeboot.virt import domain_xml as domainxml
from pypxeboot.virt import hook_paths
from pypxeboot.virt.hook_paths import HookFiles
from tests.support.ground.libvirt import domain_xml

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
