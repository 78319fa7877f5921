"""ICMP errors that are far larger than a router sends them, about every datagram of a boot."""

from __future__ import annotations

import sys

import pytest

from tests.support.ground import SERVER, Site, servers, tools
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS
from tests.support.ground.simple import JOINED, SIMPLE, check_stderr, kernel_of, ramdisk_of, serve, tree
from tests.support.peers import icmp


@pytest.mark.parametrize("over", ["tftp", "http"])
def test_a_boot_under_oversized_errors(site: Site, over: str) -> None:
    """UEFI's PXE client could be taken over by them; here the kernel takes them, and a boot goes on."""
    base = "" if over == "tftp" else f"http://{SERVER}/"
    config = SIMPLE.replace("vmlinuz", f"{base}vmlinuz").replace("i1,i2", f"{base}i1,{base}i2")
    root = serve(site, files=tree(config))
    servers.nginx(site, root)
    argv = [sys.executable, "-m", icmp.__name__, "srv0", ADDRESS, SERVER]
    environment = {"PYTHONPATH": str(tools.ROOT)}
    site.spawn(argv, "icmp.log", namespace=site.srv, env=environment).wait_for("listening")
    run = site.boot("--timeout", "30")
    check_stderr(run)
    if run.rc:  # "destination unreachable" is an answer: an error in words, in time, and nothing left
        assert run.rc in (4, 6) and run.result["error"]["message"], str(run)
        site.assert_nothing_left(within=2)
    else:
        assert kernel_of(run) == dummy("vmlinuz") and ramdisk_of(run) == JOINED
