"""Mistakes that people ask strangers about: what the boot and the doctor say of each leads to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.net import SECOND_SERVER, command
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, check_stderr, serve, tree
from tests.support.ground.tools import need


def failed(site: Site, *args: str) -> tuple[int, str, str]:
    """Code, message and hint of a boot that fails: the last lines of its log. It leaves nothing."""
    run = site.boot(*args)
    error: dict[str, Any] = run.result["error"]
    assert run.rc == error["code"] and run.rc, str(run)
    assert run.stderr.splitlines()[-1] == f"pypxeboot: hint: {error['hint']}", str(run)
    check_stderr(run)
    site.assert_nothing_left(within=2)
    return error["code"], error["message"], error["hint"]


def examined(site: Site, *args: str) -> str:
    """What the doctor says, which is no traceback."""
    run = site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE, *args)
    assert "Traceback" not in run.stderr, str(run)
    return run.stdout.decode()


def script_failure(site: Site, script: str, **files: bytes) -> tuple[str, str]:
    """Message and hint of an iPXE script that fails, or warnings of one that does not."""
    serve(site, "dhcpd+hpa", {**tree(), **files, "boot.ipxe": script}, Offer(filename="boot.ipxe"))
    result = site.boot().ok().result
    told = {"message": " ".join(result["warnings"]), "hint": None}
    failure: Mapping[str, Any] = result.get("failure", told)
    return failure["message"], failure["hint"] or ""


_ELSEWHERE = """
import socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("", 69))
print("ready", flush=True)
while True:
    _, who = door.recvfrom(2000)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind((sys.argv[1], 0))
    line.sendto(b"\\0\\5\\0\\1File not found\\0", who)
"""


def test_a_tftp_server_that_answers_from_another_address(site: Site) -> None:
    """A host with several addresses, and a server that binds to none: loaders do not listen to it."""
    servers.dhcpd(site, Offer(next_server=SECOND_SERVER))
    site.spawn([sys.executable, "-c", _ELSEWHERE, SERVER], "tftp.log").wait_for("ready")
    code, message, hint = failed(site, "--timeout", "8")
    assert code == 6 and f"but one came from {SERVER}" in message
    assert hint.startswith("a server has to answer from the address that was asked")
    assert f"or ask {SERVER} (--server)" in examined(site, "--timeout", "20")


def test_a_tftp_server_that_does_not_hear_what_it_is_told(site: Site) -> None:
    """Its firewall lets requests in, and no acknowledgements to the ports that it answers from."""
    serve(site, "dhcpd+hpa")
    rule = "INPUT -p udp --dport 1024:65535 -j DROP"
    command("ip", "netns", "exec", site.srv, need("iptables"), "-A", *rule.split())
    code, message, hint = failed(site, "--timeout", "8")
    assert code == 6 and "not finished in time (0 B" in message
    assert hint.startswith("the server has answered, and then sent no data: does its firewall drop UDP")


@pytest.mark.parametrize(
    ("bootfile", "planted", "said"),
    [
        (
            "/var/lib/tftpboot/pxelinux.0",
            "pxelinux.0",
            f"the boot file tftp://{SERVER}//var/lib/tftpboot/pxelin",
        ),
        ("bios/pxelinux.0", "bios/pxelinux.0", f"has to lie beside it, in tftp://{SERVER}/bios/, or a path"),
    ],
)
def test_a_configuration_that_lies_elsewhere(site: Site, bootfile: str, planted: str, said: str) -> None:
    files = tree()
    files[planted] = files.pop("pxelinux.0")
    serve(site, "dhcpd+hpa", files, Offer(filename=bootfile))
    code, _message, hint = failed(site)
    assert code == 4 and hint.startswith("the boot file ") and said in hint
    assert ("is not there, either" in hint) is (planted != bootfile)
    assert said in examined(site)


def test_a_boot_file_for_clients_of_another_kind(site: Site) -> None:
    """Sites of UEFI alone name none to a BIOS."""
    servers.tftpd_hpa(site, servers.plant(site.directory / "root", tree()))
    arch = 'option arch code 93 = unsigned integer 16; if option arch = 00:07 { filename "pxelinux.0"; }'
    servers.dhcpd(site, Offer(filename=""), arch)
    code, message, hint = failed(site)
    assert code == 4 and message == "the DHCP server names no boot file"
    assert "--profile efi, http or ipxe" in hint
    assert site.boot("--profile", "efi").ok().result["label"] == "a"


def test_a_dhcp_server_that_says_nak(site: Site) -> None:
    program = [sys.executable, "-m", "tests.support.ground.scripted_dhcp", site.server_link, SERVER]
    site.spawn([*program, "10.77.0.150", "pxelinux.0", "offer", "nak"], "dhcp.log").wait_for("ready")
    code, message, hint = failed(site, "--timeout", "8")
    assert code == 3 and message.startswith(f"DHCP server {SERVER} says NAK; no other offer")
    assert hint.startswith("do two DHCP servers answer for this network")


@pytest.mark.parametrize("address", ["127.0.1.1", "0.0.0.0"])
def test_a_name_that_is_the_asker_itself(site: Site, address: str) -> None:
    """A DNS server reads its own /etc/hosts, where its name is 127.0.1.1; a filter says 0.0.0.0."""
    root, offer = servers.plant(site.directory / "root", tree()), Offer(options={210: "http://files.lab/"})
    servers.dnsmasq(site, root, offer, names={"files.lab": address})
    code, message, hint = failed(site)
    assert code == 6 and message.endswith("Connection refused")
    assert hint.startswith(f"to the DNS files.lab is {address}, which is whoever asks")
    assert f"to the DNS files.lab is {address}" in examined(site)


@pytest.mark.parametrize(
    ("kernel", "hint"),
    [
        (f"http:/{SERVER}/vmlinuz", "a name that begins so is a URL with two slashes"),
        ("images\\vmlinuz", "a backslash is a letter like others there"),
        ('"vmlinuz"', "quotes are letters of the name there"),
        ("vmlinuz\u00a0", "look at the name: a no-break space"),
        ("images", "that is a directory: name a file in it"),
        ("linked", "look below the server's root for that name"),
    ],
)
def test_a_kernel_by_an_odd_name(site: Site, kernel: str, hint: str) -> None:
    files = {**tree(f"DEFAULT a\nLABEL a\nKERNEL {kernel}\n"), "images/vmlinuz": dummy("vmlinuz")}
    root = serve(site, "dhcpd+hpa", files)
    (root / "linked").symlink_to(site.directory / "outside")
    (site.directory / "outside").write_bytes(dummy("vmlinuz"))
    code, _message, told = failed(site)
    assert code == 6 and told.startswith(hint)
    assert kernel != "linked" or "a symbolic link must not lead out of it" in told


@pytest.mark.parametrize(
    ("rule", "place", "hint"),
    [
        ("location /k { return 302 /k; }", f"http://{SERVER}/k", "the web server leads from one URL"),
        ("listen 443 ssl; ssl_certificate CERT; ssl_certificate_key KEY;", f"http://{SERVER}:443/vmlinuz",
         "does the server speak TLS on that port? then it is https://"),
        ("location /k { return 429; }", f"http://{SERVER}/k", "the web server's log says more"),
        ("", f"http://{SERVER}/images/", "that is a directory: name a file in it"),
    ],
)  # fmt: skip
def test_a_web_server_that_says_something_else(
    site: Site, tmp_path: Path, rule: str, place: str, hint: str
) -> None:
    from tests.support.peers.http import certificate

    cert, key = certificate(tmp_path, f"IP:{SERVER}")
    files = {**tree(f"DEFAULT a\nLABEL a\nKERNEL {place}\n"), "images/x": b"1"}
    servers.nginx(site, serve(site, files=files), rule.replace("CERT", str(cert)).replace("KEY", str(key)))
    code, _message, told = failed(site)
    assert code == 6 and told.startswith(hint), told


def test_files_that_are_not_whole(site: Site) -> None:
    """A kernel that is cut short boots into silence, as the real one has it, and one is told."""
    root = serve(site, "dhcpd+hpa", {**tree(), "vmlinuz": dummy("vmlinuz")[:1540]})
    (warning,) = site.boot().ok().result["warnings"]
    assert warning.startswith(f"kernel tftp://{SERVER}/vmlinuz is cut short, ") and "missing" in warning
    assert "it boots, with 1 warning" in examined(site)
    (root / "vmlinuz").write_bytes(dummy("vmlinuz"))
    (root / "i2").write_bytes(b"")
    for left in site.out.iterdir():
        left.unlink()
    code, message, hint = failed(site)
    assert (
        code == 6
        and message.endswith("i2 is empty")
        and hint.startswith("the file has no byte on the server")
    )


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ("\ufeffDEFAULT a\nLABEL a\nKERNEL vmlinuz\n", 5, "it begins with a byte order mark: save the file"),
        ("DEFAULT a\nINCLUDE labels.cfg\n", 6, "there is none; INCLUDE labels.cfg: not there, skipped"),
    ],
)
def test_a_default_that_is_lost(site: Site, config: str, code: int, said: str) -> None:
    serve(site, "dhcpd+hpa", tree(config))
    found, _message, hint = failed(site)
    assert found == code and said in hint
    assert said in examined(site)


def test_a_default_of_a_menu_that_is_no_label(site: Site) -> None:
    """menu.c32 goes on with its first entry, and says nothing."""
    config = f"UI menu.c32\nTIMEOUT 10\n{SIMPLE}".replace("DEFAULT a", "DEFAULT aa")
    serve(site, "dhcpd+hpa", tree(config))
    result = site.boot().ok().result
    assert result["label"] == "a"
    assert result["warnings"] == ["DEFAULT aa: no label has that name, and the menu chooses another"]


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        ("set base x\nkernel ${bsae}/vmlinux x=1\nboot", "line 3: /vmlinux: Not found", "${bsae} is not set"),
        ("kernel http://${next_server}/k", "http:///k", "${next_server} is not set"),
        (
            "chain nosuch.ipxe || shell",
            "before: tftp://10.77.0.1/boot.ipxe, line 2: nosuch.ipxe",
            "look below",
        ),
        ("isset ${x} || shell", "nobody is there to use a command line)", ""),
        (
            "kernel i1\nboot",
            "i1: not a kernel: it looks like an HTML page",
            "is that a page of the web server",
        ),
        (
            "kernel nfs://10.77.0.1/k",
            "nfs is no scheme that is known here",
            "serve the file over one of tftp",
        ),
        ("kernel vmlinuz", "has loaded vmlinuz, and boots nothing: is 'boot' missing at its end?", ""),
    ],
)
def test_a_script_that_boots_nothing(site: Site, script: str, message: str, hint: str) -> None:
    page = b"<!DOCTYPE html><html></html>"
    said, told = script_failure(site, f"#!ipxe\n{script}\n", i1=page)
    assert message in said and (told.startswith(hint) if hint else not told), (said, told)
    assert message in examined(site)


def test_a_script_that_leaves_on_purpose(site: Site) -> None:
    assert script_failure(site, "#!ipxe\nisset ${nosuch} || exit\n") == ("", "")


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        ("menuentry a {\n linux /vmlinux\n initrd /i1\n}", "linux: file `/vmlinux' not found", "look below"),
        ("menuentry a {\n linux $bsae/vmlinux\n}", "linux: file `/vmlinux' not found", "$bsae is not set"),
        ("menuentry a {\n linuxefi /vmlinuz\n initrdefi /i1\n}", "can't find command `linuxefi'", "GRUB"),
        ("# a\n\nif [ a = b ]; then\nmenuentry a {\n linux /vmlinuz\n}\n",
         "syntax error: unexpected end of file, in what begins at line 3", "close what is open there"),
        (SIMPLE, "can't find command `DEFAULT'", "that is a word of PXELINUX's configuration"),
    ],
)  # fmt: skip
def test_a_grub_cfg_that_boots_nothing(site: Site, config: str, message: str, hint: str) -> None:
    serve(site, "dhcpd+hpa", {**tree(), "grub.0": b"GRUB", "grub.cfg": config}, Offer(filename="grub.0"))
    code, said, told = failed(site)
    assert (code, said) == (5, message) and told.startswith(hint), told
    assert f"it fails at config: {message}" in examined(site)


def test_a_server_that_a_grub_cfg_cannot_reach(site: Site) -> None:
    """The boot says what the doctor does, and ends with the same code."""
    config = f"menuentry a {{\n linux (http,{SERVER})/vmlinuz\n}}\n"
    serve(site, "dhcpd+hpa", {**tree(), "grub.0": b"GRUB", "grub.cfg": config}, Offer(filename="grub.0"))
    code, _message, hint = failed(site)
    assert code == 6 and hint.startswith(
        f"{SERVER} is on, but does a web server listen on TCP port 80 there?"
    )


@pytest.mark.parametrize("root", ["set root=(hd0,1)", "search --no-floppy --fs-uuid --set=root 1-2"])
def test_a_kernel_that_a_grub_cfg_looks_for_on_a_disk(site: Site, root: str) -> None:
    """The guest's own disk boots, which is right where that is meant, and one is told."""
    config = f"menuentry a {{\n{root}\nlinux /vmlinux\n}}\n"
    serve(site, "dhcpd+hpa", {**tree(), "grub.0": b"GRUB", "grub.cfg": config}, Offer(filename="grub.0"))
    result = site.boot().ok().result
    assert result["action"] == "localboot"
    (warning,) = result["warnings"]
    assert warning.startswith("GRUB: linux: ") and "and so the guest's own disk boots" in warning


@pytest.mark.parametrize("options", ["ro", "nr_inodes=1", "file"])
def test_an_output_directory_that_takes_nothing(site: Site, options: str) -> None:
    serve(site)
    place = site.directory / "place"
    if options == "file":
        place.write_text("")
    else:
        place.mkdir()
        command("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place))
    try:
        run: Run = site.boot("--output-directory", str(place))
    finally:
        command("umount", str(place), check=False)
    assert run.rc == 9 and "--output-directory" in run.stderr.splitlines()[-1], str(run)
    check_stderr(run)
