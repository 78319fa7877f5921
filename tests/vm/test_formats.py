"""The formats of direct kernel boot, as real runs hand them over."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, Run, Site
from tests.support.ground.kernels import dummy, xen_elf
from tests.support.ground.servers import Offer
from tests.support.ground.simple import INITRDS, JOINED, SIMPLE, serve, tree

LOCAL = "DEFAULT local\nLABEL local\n LOCALBOOT 0\n"


def handed(site: Site, form: str, *args: str) -> Run:
    base = ("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    return site.pypxeboot(*base, "--output-format", form, "--arch", "x86_64", *args)


def test_firecracker_gets_the_kernel_unpacked(site: Site) -> None:
    serve(site)
    source = json.loads(handed(site, "firecracker").ok().stdout)["boot-source"]
    kernel, initrd = Path(source["kernel_image_path"]), Path(source["initrd_path"])
    assert kernel.read_bytes() == xen_elf() and initrd.read_bytes() == JOINED
    assert source["boot_args"] == "BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2"
    site.assert_nothing_left((kernel.name, initrd.name))


def test_firecracker_gets_the_kernel_of_a_script_unpacked(site: Site) -> None:
    script = "#!ipxe\nkernel vmlinuz x=1 && initrd i1 && boot\n"
    files = {"boot.ipxe": script.encode(), "vmlinuz": dummy("a"), **INITRDS}
    serve(site, files=files, offer=Offer(filename="boot.ipxe"))
    source = json.loads(handed(site, "firecracker").ok().stdout)["boot-source"]
    kernel, initrd = Path(source["kernel_image_path"]), Path(source["initrd_path"])
    assert kernel.read_bytes() == xen_elf() and initrd.read_bytes() == INITRDS["i1"]
    site.assert_nothing_left((kernel.name, initrd.name))


def test_cloud_hypervisor_gets_it_as_it_is_served(site: Site) -> None:
    wide = bytearray(dummy("wide"))
    wide[0x206:0x208], wide[0x236] = b"\x0f\x02", 1  # boot protocol 2.15, with an entry in 64 bits
    serve(site, files={**tree(), "vmlinuz": bytes(wide)})
    words = shlex.split(handed(site, "cloud-hypervisor").ok().stdout.decode())
    assert Path(words[words.index("--kernel") + 1]).read_bytes() == bytes(wide)


def test_a_kernel_that_cannot_boot_goes_on_to_the_next(site: Site) -> None:
    """As one that is not there: ONERROR is for both."""
    config = SIMPLE.replace("KERNEL vmlinuz", "KERNEL broken") + "ONERROR b\n"
    serve(site, files={**tree(config), "broken": bytes(0x38) + b"ARM\x64" + bytes(100)})
    run = handed(site, "shell", "--no-kernel-check").ok()
    assert "PXE_LABEL=a" in run.stdout.decode()
    run = handed(site, "shell").ok()
    assert "PXE_LABEL=b" in run.stdout.decode() and "is for arm64, and the guest is x86_64" in run.stderr
    run = handed(site, "firecracker").ok()
    assert "boot_args" in json.loads(run.stdout)["boot-source"]
    assert "is one of arm64, and the guest is one of x86_64" in run.stderr


def test_shell_evaluates_what_was_booted(site: Site) -> None:
    serve(site)
    run = handed(site, "shell", "--append", "$(touch owned) 'x y'").ok()
    script = run.stdout + b'cat "$PXE_KERNEL"; printf "%s\\n" "$PXE_CMDLINE" >&2\n'
    done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, cwd=site.directory)
    assert done.stdout == dummy("vmlinuz") and not (site.directory / "owned").exists()
    assert done.stderr.decode() == "BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2 $(touch owned) 'x y'\n"


@pytest.mark.parametrize(
    ("form", "disk", "rc"),
    [
        ("shell", None, 0),
        ("libvirt", None, 0),
        ("qemu", "/disk", 0),
        ("qemu", None, 4),
        ("qemu-microvm", "/disk", 4),
        ("firecracker", "/disk", 4),
        ("cloud-hypervisor", "/disk", 4),
    ],
)
def test_local_disk(site: Site, form: str, disk: str, rc: int) -> None:
    serve(site, files=tree(LOCAL))
    run = handed(site, form, *([disk] if disk else []))
    assert run.rc == rc and bool(run.stdout) is (rc == 0)
    site.assert_nothing_left()


@pytest.mark.parametrize(("form", "rc"), [("shell", 0), ("qemu", 9), ("firecracker", 9), ("libvirt", 9)])
def test_not_really(site: Site, form: str, rc: int) -> None:
    serve(site)
    run = handed(site, form, "-n")
    assert run.rc == rc and "leave -n out" in run.stderr or rc == 0
    site.assert_nothing_left()
