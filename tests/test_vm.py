"""From DHCP to a kernel that runs: what a real run hands over is booted in QEMU, by software emulation."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ground import BRIDGE, MAC, Site, kernels, servers, tools
from ground.servers import Offer
from ground.simple import INITRDS, JOINED, kernel_of, serve

pytestmark = [pytest.mark.netns, pytest.mark.vm]

CONFIG = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND x=1  y='2'\n INITRD i1,i2\n IPAPPEND 2\n"
CMDLINE = "BOOT_IMAGE=vmlinuz x=1  y='2' initrd=i1,i2 BOOTIF=01-52-54-00-ab-cd-ef"
QEMU = ("qemu-system-x86_64", "-nodefaults", "-machine", "q35,accel=tcg", "-m", "64")


@pytest.fixture
def probed(site: Site, probe_kernel: Callable[[str], bytes]) -> Site:
    """A site that serves the probe kernel."""
    files = {"pxelinux.cfg/default": CONFIG.encode(), "vmlinuz": probe_kernel("over the wire"), **INITRDS}
    serve(site, files=files)
    return site


def check(said: kernels.Said, cmdline: str = CMDLINE) -> None:
    """That the kernel that ran is the one that was served, and got all that it should."""
    assert said.tag == "over the wire"
    assert said.cmdline == cmdline
    assert (said.size, said.data, said.checksum) == (len(JOINED), JOINED, kernels.checksum(JOINED))


def qemu(*words: str) -> list[str]:
    return [tools.need(QEMU[0]), *QEMU[1:], *words]


def test_files_of_the_json_result_boot(probed: Site) -> None:
    result = probed.boot().ok().result
    words = [
        "-kernel",
        result["kernel"]["path"],
        "-initrd",
        result["ramdisk"]["path"],
        "-append",
        result["cmdline"],
    ]
    check(kernels.run_probe(qemu(*words), probed.directory))


def test_files_of_simple0_boot(probed: Site) -> None:
    base = ("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(probed.out))
    run = probed.pypxeboot(*base, "--output-format", "simple0", "--append", "console=ttyS0").ok()
    values = dict(item.split(" ", 1) for item in run.stdout.decode().split("\0") if item)
    argv = qemu("-kernel", values["kernel"], "-initrd", values["ramdisk"], "-append", values["args"])
    check(kernels.run_probe(argv, probed.directory), CMDLINE + " console=ttyS0")


def test_the_qemu_form_boots(probed: Site) -> None:
    """The words that ``--output-format qemu`` prints are a piece of a shell's command line."""
    base = ("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(probed.out))
    run = probed.pypxeboot(*base, "--output-format", "qemu").ok()
    words = shlex.split(run.stdout.decode())
    network = next(at for at, word in enumerate(words) if word.startswith("bridge,"))
    assert f"br={BRIDGE}" in words[network] and any(f"mac={MAC}" in word for word in words)
    words[network] = words[network].replace("bridge,", "user,restrict=on,").replace(f",br={BRIDGE}", "")
    argv = qemu(*(words if not words[0].startswith("qemu") else words[1:]))
    check(kernels.run_probe(argv, probed.directory))


def netboot_tree(cache: Path) -> Path:
    """The TFTP root of Debian's network installer, as its package has it."""
    trees = sorted(cache.glob("netboot/usr/lib/debian-installer/images/*/amd64/text"))
    if not trees:
        pytest.skip("no debian-installer-*-netboot-amd64 in the cache (scripts/install-test-tools)")
    return trees[-1]


def test_debian_installer_comes_to_its_first_screen(site: Site, cache: Path) -> None:
    tree = netboot_tree(cache)
    servers.dnsmasq(site, tree, Offer())
    run = site.boot("--label", "install", "--append", "console=ttyS0", timeout=120)
    result = run.ok().result
    assert kernel_of(run) == (tree / "debian-installer/amd64/linux").read_bytes()
    assert result["cmdline"].startswith("BOOT_IMAGE=debian-installer/amd64/linux vga=788 ")
    assert "bzImage" in result["kernel"]["format"]
    serial = site.directory / "serial.txt"
    words = [
        "-kernel",
        result["kernel"]["path"],
        "-initrd",
        result["ramdisk"]["path"],
        "-append",
        result["cmdline"],
    ]
    argv = [tools.need(QEMU[0]), *QEMU[1:-1], "1024", *words, "-display", "none", "-serial", f"file:{serial}"]
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 300
        while b"Select a language" not in (serial.read_bytes() if serial.exists() else b""):
            assert machine.poll() is None, machine.communicate()
            assert time.monotonic() < deadline, serial.read_text("latin-1")[-2000:]
            time.sleep(0.5)
    finally:
        machine.kill()
        machine.communicate()
