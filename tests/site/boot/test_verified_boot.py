"""Verified boot (``verify = required``): what is vouched for boots, and nothing else does."""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

import pytest

from tests.support.configuration_files import Write
from tests.support.ground import BRIDGE, MAC, SERVER, UUID, Run, Site, servers, tools
from tests.support.ground.kernels import dummy, xen_elf
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import (
    INITRDS,
    JOINED,
    asked,
    check_stderr,
    kernel_of,
    ramdisk_of,
    serve,
    tree,
)
from tests.support.samples.packed_kernels import image
from tests.support.samples.signatures import Authority
from tests.support.samples.xl import VIF, booted, xl

FILES = {"vmlinuz": dummy("vmlinuz"), **INITRDS}
NETWORK_WORDS = "init=/bin/sh"
CONFIG = f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND {NETWORK_WORDS}\n INITRD i1,i2\n"
WORDS = "root=/dev/vda ro"


def signed(authority: Authority, files: Mapping[str, bytes] = FILES) -> dict[str, bytes]:
    """``files`` with a good signature beside each."""
    return {**files, **{f"{name}.sig": authority.sign_file(data) for name, data in files.items()}}


def policed(site: Site, *args: str, form: str = "json") -> Run:
    """A boot under the policy, with nothing of an earlier one in the output directory."""
    for path in site.out.iterdir():
        path.unlink()
    out = ("--output-directory", str(site.out), "--output-format", form)
    return site.pypxeboot("--mac", MAC, "--bridge", BRIDGE, *out, "--verify", "required", *args)


def verified(site: Site, authority: Authority, *args: str, form: str = "json") -> Run:
    """The same, by the root of ``authority``."""
    trust = ("--trust", str(authority.directory / "root.pem"))
    return policed(site, *trust, "--append", WORDS, *args, form=form)


def check_refused(site: Site, run: Run, *words: str) -> None:
    """That nothing was handed over, and why."""
    assert run.rc == 7, str(run)
    (line,) = (line for line in run.stderr.splitlines() if "error: " in line)
    for word in words:
        assert word in line, str(run)
    check_stderr(run)
    assert run.result["error"]["kind"] == "Refused"
    site.assert_nothing_left()


def check_booted(run: Run, base: str = f"tftp://{SERVER}/") -> None:
    """That kernel and both initrds were handed over, with the words of the host."""
    assert run.ok().result["cmdline"] == WORDS
    assert (kernel_of(run), ramdisk_of(run)) == (FILES["vmlinuz"], JOINED)
    names = [url[len(base) :] for url, result in asked(run) if url.endswith(".sig") and result == "ok"]
    assert names == ["vmlinuz.sig", "i1.sig", "i2.sig"]


def test_pxelinux_with_two_initrds(site: Site, authority: Authority) -> None:
    serve(site, files={**tree(CONFIG), **signed(authority)})
    run = verified(site, authority, "-v")
    check_booted(run)
    check_stderr(run)
    assert "kernel tftp://10.77.0.1/vmlinuz: vouched for by its signature" in run.stderr
    assert f"the command line is this host's, not 'BOOT_IMAGE=vmlinuz {NETWORK_WORDS}" in run.stderr
    sev = run.result["sev"]
    assert sev == {
        "kernel": hashlib.sha256(FILES["vmlinuz"]).hexdigest(),
        "initrd": hashlib.sha256(JOINED).hexdigest(),
        "cmdline": hashlib.sha256(WORDS.encode() + b"\0").hexdigest(),
    }


def test_an_ipxe_script_by_http(site: Site, authority: Authority) -> None:
    base = f"http://{SERVER}/"
    script = f"#!ipxe\nkernel {base}vmlinuz {NETWORK_WORDS}\ninitrd {base}i1\ninitrd {base}i2\nboot\n"
    root = servers.plant(site.directory / "root", {"boot.ipxe": script, **signed(authority)})
    servers.dnsmasq(site, root, Offer(filename="boot.ipxe"))
    servers.nginx(site, root)
    run = verified(site, authority)
    assert run.ok().result["cmdline"] == WORDS and run.result["loader"] == "ipxe"
    assert kernel_of(run) == FILES["vmlinuz"]
    assert ramdisk_of(run) == INITRDS["i1"].ljust(4096, b"\0") + INITRDS["i2"]
    (root / "i2").write_bytes(b"changed")
    check_refused(
        site, verified(site, authority), f"initrd {base}i2", "not that of this file", f"{base}i2.sig"
    )
    wrapped = f"#!ipxe\nkernel {base}vmlinuz\ninitrd {base}i1 /etc/shadow\nboot\n"
    (root / "boot.ipxe").write_text(wrapped)
    check_refused(site, verified(site, authority), "bytes beside its initrds that nobody vouches for")
    (root / "boot.ipxe").write_text(f"#!ipxe\nkernel {base}vmlinuz\ninitrd {base}i1\nboot\n")
    assert ramdisk_of(verified(site, authority)) == INITRDS["i1"]


def test_a_boot_file_that_is_a_kernel(site: Site, authority: Authority) -> None:
    files = signed(authority, {"vmlinuz": FILES["vmlinuz"]})
    serve(site, files=files, offer=Offer(filename="vmlinuz"))
    assert kernel_of(verified(site, authority)) == FILES["vmlinuz"]


def test_uboot_with_a_device_tree(site: Site, authority: Authority) -> None:
    tree_blob = b"\xd0\x0d\xfe\xed" + bytes(60)
    config = "LABEL a\n KERNEL vmlinuz\n INITRD i1\n FDT board.dtb\nDEFAULT a\n"
    files = {"vmlinuz": FILES["vmlinuz"], "i1": INITRDS["i1"], "board.dtb": tree_blob}
    root = serve(site, files={**tree(config), **signed(authority, files)})
    run = verified(site, authority, "--dialect", "uboot").ok()
    assert Path(run.result["dtb"]["path"]).read_bytes() == tree_blob
    (root / "board.dtb.sig").unlink()
    check_refused(site, verified(site, authority, "--dialect", "uboot"), "device tree", "no signature")


def test_pinned_digests(site: Site, authority: Authority) -> None:
    serve(site, files=tree(CONFIG))
    pins = [f"--sha256={hashlib.sha256(data).hexdigest()}" for data in FILES.values()]
    run = policed(site, *pins, "--append", WORDS).ok()
    assert (kernel_of(run), ramdisk_of(run)) == (FILES["vmlinuz"], JOINED)
    assert not [url for url, _ in asked(run) if url.endswith(".sig")]
    refused = policed(site, *pins[:2])
    digest = hashlib.sha256(INITRDS["i2"]).hexdigest()
    check_refused(site, refused, f"initrd tftp://{SERVER}/i2 is not vouched for: its SHA-256 {digest}")
    check_refused(site, verified(site, authority, *pins[:2]), "i2.sig (not-found)", "there is no signature")


def change(files: dict[str, bytes], what: str, authority: Authority) -> Optional[str]:
    """Do to ``files`` what is wrong; the name of the file that is refused for it."""
    kernel = files["vmlinuz"]
    if what == "missing signature":
        del files["i1.sig"]
        return "i1"
    if what == "signature of another file":
        files["i1.sig"] = files["i2.sig"]
        return "i1"
    if what == "no signature but junk":
        files["vmlinuz.sig"] = b"junk"
    elif what == "too large a signature":
        files["vmlinuz.sig"] = bytes((64 << 10) + 1)
    elif what == "untrusted authority":
        files["vmlinuz.sig"] = authority.sign_file(kernel, "under-twin", chain="twin")
    elif what == "not for code":
        files["vmlinuz.sig"] = authority.sign_file(kernel, "web")
    elif what == "expired":
        files["vmlinuz.sig"] = authority.sign_file(kernel, "expired")
    elif what == "changed kernel":
        files["vmlinuz"] = kernel[:-1] + b"!"
    elif what == "unsigned initrd":
        files["pxelinux.cfg/default"] = CONFIG.replace("i1,i2", "i1,i2,i3").encode()
        files["i3"] = b"of a stranger"
        return "i3"
    return "vmlinuz"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("missing signature", "there is no signature"),
        ("signature of another file", "the signature is not that of this file"),
        ("no signature but junk", "it is not a signature in DER or PEM"),
        ("too large a signature", "there is no signature"),
        ("untrusted authority", "no authority of that name has signed it"),
        ("not for code", "its certificate is not for code signing"),
        ("expired", "a certificate has expired on "),
        ("changed kernel", "the signature is not that of this file"),
        ("unsigned initrd", "there is no signature"),
    ],
)
def test_what_is_refused(site: Site, authority: Authority, what: str, why: str) -> None:
    files = {**tree(CONFIG), **signed(authority)}
    name = change(files, what, authority)
    serve(site, files=files)
    run = verified(site, authority)
    check_refused(site, run, f"tftp://{SERVER}/{name} is not vouched for: ", why, f"/{name}.sig")
    assert hashlib.sha256(files[str(name)]).hexdigest() in run.stderr


def test_packed_files_are_refused(site: Site, authority: Authority) -> None:
    config = "DEFAULT linux.c32 vmlinuz initrdfile=i1\n"
    serve(site, files={**tree(config), **signed(authority)})
    check_refused(site, verified(site, authority), "bytes beside its initrds that nobody vouches for")


def test_the_words_of_the_guest(site: Site, authority: Authority) -> None:
    serve(site, files={**tree(CONFIG), **signed(authority)})
    allow = [f"--cmdline-allow={name}" for name in ("ip", "BOOTIF", "SYSUUID")]
    run = verified(site, authority, *allow, "--uuid", UUID).ok()
    assert run.result["cmdline"] == (
        f"{WORDS} ip={ADDRESS}::{SERVER}:255.255.255.0 BOOTIF=01-52-54-00-ab-cd-ef "
        "SYSUUID=2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b"
    )
    assert policed(site, f"--trust={authority.directory}/root.pem").ok().result["cmdline"] == ""


def test_nothing_is_judged_where_nothing_is_downloaded(site: Site, authority: Authority) -> None:
    serve(site, files=tree(CONFIG + "LABEL disk\n LOCALBOOT 0\n"))
    run = verified(site, authority, "-n").ok()
    assert run.result["cmdline"] == WORDS and run.result["sev"] is None
    assert verified(site, authority, "-l").ok()
    assert verified(site, authority, "--label", "disk").ok().result["action"] == "localboot"


def test_the_section_of_a_guest(site: Site, authority: Authority, write: Write) -> None:
    """Under Xen, as xl starts it: nothing but the section says what is demanded."""
    root = serve(site, files={**tree(CONFIG), **signed(authority)})
    pinned = hashlib.sha256(b"a kernel without a signature").hexdigest()
    policy = f"verify = required\ntrust = {authority.directory}/root.pem\nsha256 = {pinned} {'0' * 64}\n"
    file = write(f"[defaults]\n{policy}[web]\nappend = {WORDS}\ncmdline-allow = BOOTIF ip\n")
    run = xl(site, f"name = 'web'\n{VIF}", file)
    assert booted(run)
    words = f"{WORDS} ip={ADDRESS}::{SERVER}:255.255.255.0 BOOTIF=01-52-54-00-ab-cd-ef"
    assert f"\0args {words}\0".encode() in run.stdout
    (root / "i2").write_bytes(b"changed")
    refused = xl(site, f"name = 'web'\n{VIF}", file)
    assert refused.rc == 7 and not refused.stdout and "initrd tftp://10.77.0.1/i2" in refused.stderr
    assert xl(site, f"name = 'web'\n{VIF}", file, "--verify=off").rc == 0, "the administrator may"


def test_what_the_page_tells_to_do(site: Site) -> None:
    """Its commands make an authority, a signer, and signatures that boot."""
    page = (tools.ROOT / "docs/verified-boot.md").read_text()
    blocks = re.findall("```sh\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    config = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD initrd.img\n"
    root = serve(site, files={**tree(config), "initrd.img": b"an initrd"})
    subprocess.run(["sh", "-e", "-c", "\n".join(blocks)], cwd=root, check=True, capture_output=True)
    run = policed(site, f"--trust={root}/boot-ca.pem", "-v").ok()
    assert run.stderr.count("vouched for by its signature") == 2
    assert (kernel_of(run), ramdisk_of(run)) == (FILES["vmlinuz"], b"an initrd")


@pytest.mark.parametrize("form", ["simple0", "sxp", "libvirt", "qemu"])
def test_every_form_is_under_the_policy(site: Site, authority: Authority, form: str) -> None:
    root = serve(site, files={**tree(CONFIG), **signed(authority)})
    out = verified(site, authority, form=form).ok().stdout.decode()
    assert WORDS.partition(" ")[0] in out and NETWORK_WORDS not in out
    (root / "i1.sig").unlink()
    run = verified(site, authority, form=form)
    assert run.rc == 7 and not run.stdout, str(run)


def test_a_kernel_that_is_unpacked(site: Site, authority: Authority) -> None:
    """What is signed is what is served: the judge unpacks it once more."""
    packed = image(gzip.compress(xen_elf()))
    files = signed(authority, {**FILES, "vmlinuz": packed})
    root = serve(site, files={**tree(CONFIG), **files})

    def boot(*args: str) -> Run:
        return verified(site, authority, "--arch", "x86_64", *args, form="firecracker")

    def check_unpacked(run: Run) -> None:
        run.ok()
        (kernel,) = site.out.glob("unpacked-kernel.*")
        assert kernel.read_bytes() == xen_elf()
        assert [path.name.partition(".")[0] for path in sorted(site.out.iterdir())] == [
            "ramdisk",
            kernel.stem,
        ]

    check_unpacked(boot())
    (root / "boot.ipxe").write_text("#!ipxe\nkernel vmlinuz\ninitrd i1\nboot\n")
    check_unpacked(boot("--bootfile", f"tftp://{SERVER}/boot.ipxe"))
    (root / "vmlinuz").write_bytes(packed + b"!")
    assert boot().rc == 7


def test_the_doctor_is_told(site: Site, authority: Authority) -> None:
    """It boots as any boot does: what the policy refuses is what it finds."""
    serve(site, files=tree(CONFIG))
    trust = f"--trust={authority.directory}/root.pem"
    run = site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE, "--verify=required", trust)
    assert run.rc == 7 and b"vmlinuz is not vouched for: there is no signature" in run.stdout, str(run)
