"""Text of servers that Python converts and the protocols do not, or the other way round."""

from __future__ import annotations

import sys

import pytest

from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.net import Server
from tests.support.ground.servers import Offer
from tests.support.ground.simple import asked, check_stderr, kernel_of, serve, tree
from tests.support.peers import http as peer

USER = "u\udc80:p\udcff@"
"""A user and a password that are bytes, not UTF-8."""
SHOWN = f"http://u%80@{SERVER}"
"""The server's URL with that user, without the password."""


def config_of(*lines: str) -> bytes:
    """A configuration whose first entry is LINES, and whose ONERROR boots the disk."""
    text = "\n".join(["DEFAULT a", "ONERROR b", "LABEL a", *lines, "LABEL b", " LOCALBOOT 0", ""])
    return text.encode("utf-8", "surrogateescape")


def boot_config(site: Site, *lines: str) -> Run:
    """Boot that configuration by TFTP, beside a web server with the same files."""
    files = {**tree(), "pxelinux.cfg/default": config_of(*lines)}
    serve(site, files=files)
    servers.nginx(site, site.directory / "root")
    return site.boot("-v")


def boot_script(site: Site, *lines: str) -> Run:
    """Boot an iPXE script likewise."""
    script = "\n".join(["#!ipxe", *lines, ""]).encode("utf-8", "surrogateescape")
    root = servers.plant(site.directory / "root", {"vmlinuz": dummy("vmlinuz"), "boot.ipxe": script})
    servers.dnsmasq(site, root, Offer(filename="boot.ipxe"))
    servers.nginx(site, root)
    return site.boot("-v")


def test_36_a_user_of_bytes_in_a_configuration(site: Site) -> None:
    run = boot_config(site, f" KERNEL http://{USER}{SERVER}/vmlinuz", f" INITRD http://{USER}{SERVER}/i1")
    assert kernel_of(run) == dummy("vmlinuz")
    assert run.result["kernel"]["url"] == f"{SHOWN}/vmlinuz"
    assert [initrd["url"] for initrd in run.result["initrds"]] == [f"{SHOWN}/i1"]
    check_stderr(run)


@pytest.mark.parametrize("word", ["KERNEL", "INITRD"])
def test_36_a_file_of_such_a_user_that_is_not_there(site: Site, word: str) -> None:
    kernel = [] if word == "KERNEL" else [" KERNEL vmlinuz"]
    run = boot_config(site, *kernel, f" {word} http://{USER}{SERVER}/gone").ok()
    assert (run.result["action"], run.result["reason"]) == ("localboot", "onerror")
    assert (f"{SHOWN}/gone", "not-found") in asked(run)
    check_stderr(run)


def test_36_a_user_of_bytes_in_a_script(site: Site) -> None:
    url = f"http://{USER}{SERVER}"
    run = boot_script(site, f"kernel {url}/gone || kernel {url}/vmlinuz ok=1", "boot")
    assert kernel_of(run) == dummy("vmlinuz") and run.result["cmdline"] == "ok=1"
    assert asked(run)[-2:] == [(f"{SHOWN}/gone", "not-found"), (f"{SHOWN}/vmlinuz", "ok")]
    check_stderr(run)


def misbehaving(site: Site, name: str) -> Server:
    """A web server that says what SCRIPTS has under ``name``."""
    argv = [sys.executable, "-m", peer.__name__, SERVER, name]
    return site.spawn(argv, "peer.log").wait_for("serving")


@pytest.mark.parametrize("name", sorted(peer.SCRIPTS))
def test_27_28_answers_that_only_python_takes(site: Site, name: str) -> None:
    """The file is not there, whatever Python would make of it; and the other way is taken."""
    script = f"#!ipxe\nkernel http://{SERVER}/k || goto other\nboot\n:other\nkernel vmlinuz other=1\nboot\n"
    files = {**tree(config_of(f" KERNEL http://{SERVER}/k").decode()), "boot.ipxe": script.encode()}
    serve(site, files=files)
    misbehaving(site, name)
    run = site.boot("-v").ok()
    assert (run.result["action"], run.result["reason"]) == ("localboot", "onerror"), str(run)
    check_stderr(run)
    run = site.boot("-v", "--bootfile", f"tftp://{SERVER}/boot.ipxe")
    assert kernel_of(run) == dummy("vmlinuz") and run.result["cmdline"] == "other=1"
    assert "internal error" not in run.stderr
    check_stderr(run)
