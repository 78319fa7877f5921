"""Unified kernel images (UKI): kernel, initrds and command line are taken out of one file, and boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import asked, check_stderr, kernel_of, ramdisk_of, serve, tree
from tests.support.samples.signatures import Authority
from tests.support.samples.uki import of_systemd, unified

KERNEL, UCODE, INITRD = dummy("inside"), b"070701ucode", b"070701initrd-of-the-image"
OWN = "root=/dev/vda quiet"
PARTS = [(".linux", KERNEL), (".cmdline", OWN.encode()), (".initrd", INITRD), (".ucode", UCODE)]
IMAGE = unified(PARTS)
URL = f"tftp://{SERVER}/linux.efi"
BOTH = UCODE + b"\0" + INITRD
CONFIG = "DEFAULT a\nLABEL a\n KERNEL linux.efi\n"


def boot(site: Site, config: str = CONFIG, image: bytes = IMAGE, *args: str) -> Run:
    serve(site, files={**tree(config), "linux.efi": image})
    return site.boot("-v", *args)


def test_all_of_it_boots(site: Site, tmp_path: Path) -> None:
    run = boot(site, CONFIG, of_systemd(tmp_path, PARTS))
    assert (kernel_of(run), ramdisk_of(run)) == (KERNEL, BOTH)
    result = run.result
    assert (result["cmdline"], result["kernel"]["format"]) == (OWN, "bzImage")
    assert [part["url"] for part in result["initrds"]] == [f"{URL}#.ucode", f"{URL}#.initrd"]
    assert [part["size"] for part in result["initrds"]] == [len(UCODE), len(INITRD)]
    check_stderr(run)
    line = f"pypxeboot: {URL} is a unified kernel image (UKI): kernel ("
    said = run.stderr.splitlines()
    assert any(one.startswith(line) and one.endswith("a command line are in it") for one in said), str(run)
    kept = [Path(result[name]["path"]) for name in ("kernel", "ramdisk")]
    site.assert_nothing_left([*(str(path.relative_to(site.out)) for path in kept), kept[0].parent.name])


def test_others_go_behind_its_own_initrds(site: Site) -> None:
    """Microcode has to be the first of a ramdisk, and whoever adds an initrd wants its files to count."""
    run = boot(site, CONFIG + " INITRD i1,i2\n", IMAGE, "--append", "console=hvc0")
    padded = BOTH + bytes(-len(BOTH) % 4)
    assert ramdisk_of(run) == padded + b"INITRD-ONE\n\0INITRD-TWO-22\n"
    names = [part["url"].rpartition("/")[2] for part in run.result["initrds"]]
    assert names == ["linux.efi#.ucode", "linux.efi#.initrd", "i1", "i2"]
    assert run.result["cmdline"] == f"{OWN} console=hvc0"


def test_the_configuration_s_command_line_counts(site: Site) -> None:
    """As systemd-stub has it where there is no Secure Boot."""
    run = boot(site, CONFIG + " APPEND root=/dev/nfs\n")
    assert run.ok().result["cmdline"] == "BOOT_IMAGE=linux.efi root=/dev/nfs"
    assert "the command line of the configuration counts, not the image's own" in run.stderr


def test_an_ipxe_script(site: Site) -> None:
    script = f"#!ipxe\nkernel http://{SERVER}/linux.efi\ninitrd http://{SERVER}/i1\nboot\n"
    root = servers.plant(site.directory / "root", {**tree(), "boot.ipxe": script, "linux.efi": IMAGE})
    servers.dnsmasq(site, root, Offer(filename="boot.ipxe"))
    servers.nginx(site, root)
    run = site.boot()
    assert kernel_of(run) == KERNEL
    assert ramdisk_of(run) == BOTH + bytes(-len(BOTH) % 4) + b"INITRD-ONE\n"
    assert run.result["cmdline"] == OWN


@pytest.mark.parametrize("words", ["", " root=b"])
def test_grub_chainloads_it(site: Site, words: str) -> None:
    files = {"grub/grub.cfg": f"chainloader /linux.efi{words}\nboot\n", "linux.efi": IMAGE}
    root = servers.plant(site.directory / "root", {**files, "grub/grubx64.efi": b"MZ GRUB"})
    servers.dnsmasq(site, root, Offer(filename="grub/grubx64.efi"))
    run = site.boot("-v")
    assert (kernel_of(run), ramdisk_of(run)) == (KERNEL, BOTH)
    assert run.result["cmdline"] == (words.strip() or OWN)


def test_the_boot_file_itself(site: Site) -> None:
    root = servers.plant(site.directory / "root", {"linux.efi": IMAGE})
    servers.dnsmasq(site, root, Offer(filename="linux.efi"))
    run = site.boot()
    assert (kernel_of(run), ramdisk_of(run)) == (KERNEL, BOTH)


def test_what_is_taken_out_is_under_the_limits(site: Site) -> None:
    run = boot(site, CONFIG, IMAGE, "--max-ramdisk", "20")
    assert (run.rc, run.result["error"]["hint"]) == (7, "--max-ramdisk SIZE allows more")
    check_stderr(run)
    site.assert_nothing_left()


def test_one_that_is_cut_short(site: Site) -> None:
    run = boot(site, CONFIG, IMAGE[:2048])
    assert run.rc == 7 and "a unified kernel image (UKI) that is cut short" in run.stderr
    site.assert_nothing_left()


def test_verified_boot(site: Site, authority: Authority) -> None:
    """The signature of the image vouches for all that is in it; the words are the host's all the same."""
    root = serve(
        site, files={**tree(CONFIG), "linux.efi": IMAGE, "linux.efi.sig": authority.sign_file(IMAGE)}
    )
    out = ("--output-directory", str(site.out), "--output-format", "json")
    trust = ("--verify", "required", "--trust", str(authority.directory / "root.pem"), "--append", "ro")
    run = site.pypxeboot("--mac", MAC, "--bridge", BRIDGE, *out, *trust)
    assert (kernel_of(run), ramdisk_of(run), run.result["cmdline"]) == (KERNEL, BOTH, "ro")
    assert [url for url, _ in asked(run) if url.endswith(".sig")] == [f"{URL}.sig"]
    for path in site.out.iterdir():
        for file in path.iterdir() if path.is_dir() else ():
            file.unlink()
        path.rmdir() if path.is_dir() else path.unlink()
    (root / "linux.efi").write_bytes(IMAGE.replace(INITRD, INITRD.upper()))
    run = site.pypxeboot("--mac", MAC, "--bridge", BRIDGE, *out, *trust)
    assert run.rc == 7 and "kernel tftp://10.77.0.1/linux.efi is not vouched for" in run.stderr
    site.assert_nothing_left()
