"""From DHCP to a kernel that runs: what a real run hands over is booted in QEMU, by software emulation."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, Site, arm64, kernels, servers, tools
from tests.support.ground.net import Run
from tests.support.ground.servers import Offer
from tests.support.ground.simple import INITRDS, JOINED, kernel_of, serve
from tests.support.samples.uki import of_systemd

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
    words = words_of(as_format(probed, "qemu"), QEMU[0])
    check(kernels.run_probe(qemu(*words[1:]), probed.directory))


def test_a_unified_kernel_image_boots(
    site: Site, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """One that is made with systemd's stub: its kernel, its initrd, and its command line."""
    sections = [(".cmdline", b"own words"), (".initrd", JOINED), (".linux", probe_kernel("over the wire"))]
    config = "DEFAULT a\nLABEL a\n KERNEL linux.efi\n"
    files = {"pxelinux.cfg/default": config.encode(), "linux.efi": of_systemd(tmp_path, sections)}
    serve(site, files=files)
    words = words_of(as_format(site, "qemu"), QEMU[0])
    check(kernels.run_probe(qemu(*words[1:]), site.directory), "own words")


@contextmanager
def running(argv: Sequence[str], serial: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [tools.need(argv[0]), *argv[1:], "-serial", f"file:{serial}"]
    machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield machine
    finally:
        machine.kill()
        machine.communicate()


def until(machine: subprocess.Popen[bytes], serial: Path, text: bytes, seconds: float) -> None:
    """Wait until the machine has written ``text``."""
    deadline = time.monotonic() + seconds
    while text not in (serial.read_bytes() if serial.exists() else b""):
        assert machine.poll() is None, machine.communicate()
        assert time.monotonic() < deadline, serial.read_text("latin-1")[-2000:]
        time.sleep(0.5)


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
    with running([*QEMU[:-1], "1024", *words, "-display", "none"], serial) as machine:
        until(machine, serial, b"Select a language", 300)


def test_debian_installer_comes_to_its_first_screen_by_its_grub(site: Site, cache: Path) -> None:
    """What DHCP names is shim, which starts the GRUB beside it, and that knows where its files are."""
    tree = netboot_tree(cache)
    servers.dnsmasq(site, tree, Offer(filename="debian-installer/amd64/bootnetx64.efi"))
    listed = site.boot("-l").ok().result["entries"]
    assert [(entry["title"], entry["menu"]) for entry in listed[:2]] == [
        ("Install", []),
        ("... Expert install", ["Advanced options ..."]),
    ]
    run = site.boot("--label", "Install", "--append", "console=ttyS0", timeout=120)
    result = run.ok().result
    assert kernel_of(run) == (tree / "debian-installer/amd64/linux").read_bytes()
    assert result["cmdline"] == "BOOT_IMAGE=/debian-installer/amd64/linux vga=788 --- quiet console=ttyS0"
    serial = site.directory / "serial.txt"
    words = ["-kernel", result["kernel"]["path"], "-initrd", result["ramdisk"]["path"]]
    words += ["-append", result["cmdline"], "-display", "none"]
    with running([*QEMU[:-1], "1024", *words], serial) as machine:
        until(machine, serial, b"Select a language", 300)


def words_of(run: Run, *names: str) -> list[str]:
    """The words of a run's result, without the network that only a host with the bridge has."""
    words = shlex.split(run.ok().stdout.decode())
    network = next(at for at, word in enumerate(words) if word.startswith("bridge,"))
    assert f"br={BRIDGE}" in words[network] and any(f"mac={MAC}" in word for word in words)
    words[network] = words[network].replace("bridge,", "user,restrict=on,").replace(f",br={BRIDGE}", "")
    assert words[0] in names
    return words


def as_format(site: Site, form: str, *args: str) -> Run:
    base = ("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    return site.pypxeboot(*base, "--output-format", form, *args)


def test_the_qemu_microvm_form_boots(probed: Site) -> None:
    words = words_of(as_format(probed, "qemu-microvm"), QEMU[0])
    check(kernels.run_probe([tools.need(words[0]), "-nodefaults", *words[1:]], probed.directory))


@pytest.fixture
def image(tmp_path: Path) -> bytes:
    return kernels.tagged(arm64.build(tmp_path), "over the wire")


@pytest.mark.parametrize("kind", ["Image", "Image.gz", "zboot"])
def test_the_qemu_form_of_arm64_boots(site: Site, image: bytes, kind: str) -> None:
    data = {"Image": image, "Image.gz": gzip.compress(image), "zboot": arm64.zboot(image)}[kind]
    serve(site, files={"pxelinux.cfg/default": CONFIG.encode(), "vmlinuz": data, **INITRDS})
    words = words_of(as_format(site, "qemu", "--arch", "arm64"), "qemu-system-aarch64")
    said = arm64.run([tools.need(words[0]), "-nodefaults", *words[1:]], site.directory)
    assert (said.tag, said.cmdline, said.ramdisk) == ("over the wire", CMDLINE, len(JOINED))


def test_a_kernel_of_another_architecture_is_refused(site: Site, image: bytes) -> None:
    serve(site, files={"pxelinux.cfg/default": CONFIG.encode(), "vmlinuz": image, **INITRDS})
    run = as_format(site, "qemu", "--arch", "x86_64")
    assert run.rc == 7 and "is one of arm64, and the guest is one of x86_64" in run.stderr
    site.assert_nothing_left(within=1)
    assert as_format(site, "qemu", "--arch", "x86_64", "--no-kernel-check").rc == 0


def test_the_kernel_of_the_firecracker_form_is_unpacked_and_boots(site: Site, cache: Path) -> None:
    """QEMU boots the vmlinux by its PVH note, as Firecracker does since 1.12."""
    tree = netboot_tree(cache)
    servers.dnsmasq(site, tree, Offer())
    run = as_format(site, "firecracker", "--label", "install", "--append", "console=ttyS0 ignore_loglevel")
    source = json.loads(run.ok().stdout)["boot-source"]
    kernel = Path(source["kernel_image_path"])
    with kernel.open("rb") as file:
        assert file.read(4) == b"\x7fELF"
    assert [path.name.split(".")[0] for path in sorted(site.out.iterdir())] == ["ramdisk", "unpacked-kernel"]
    serial = site.directory / "serial.txt"
    argv = [*QEMU[:-1], "512", "-kernel", str(kernel), "-append", source["boot_args"], "-display", "none"]
    with running(argv, serial) as machine:
        until(machine, serial, b"Command line: " + source["boot_args"].encode(), 60)
