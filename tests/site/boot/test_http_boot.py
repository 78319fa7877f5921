"""UEFI HTTP boot: the client says HTTPClient, the server too, and the boot file is a URL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import check_stderr, kernel_of, tree

NO_BOOT_FILE = Offer(filename="")
SCRIPT = f"#!ipxe\nkernel http://{SERVER}/vmlinuz x=1\nboot\n"


def serve(site: Site, kind: str, url: str, arch: int) -> Path:
    """A site whose DHCP answers HTTP boot, and PXE with a name of a file that is not there."""
    root = servers.plant(site.directory / "root", {**tree(), "boot.ipxe": SCRIPT})
    servers.nginx(site, root)
    if kind == "dnsmasq":
        extra = ["--dhcp-vendorclass=set:http,HTTPClient", f"--dhcp-match=set:arch,option:client-arch,{arch}"]
        extra += ["--tag-if=set:right,tag:http,tag:arch", "--dhcp-option-force=tag:http,60,HTTPClient"]
        extra += [f"--dhcp-boot=tag:right,{url}", "--dhcp-boot=tag:!right,nowhere.0"]
        servers.dnsmasq(site, None, NO_BOOT_FILE, extra=extra)
    else:
        classes = f"""
            option arch code 93 = string;
            class "http" {{
              match if substring(option vendor-class-identifier, 0, 10) = "HTTPClient";
              option vendor-class-identifier "HTTPClient";
              if option arch = 00:{arch:02x} {{ filename "{url}"; }}
            }}"""
        servers.dhcpd(site, NO_BOOT_FILE, extra=classes)
    return root


ARCHS = {"x86_64": 16, "i386": 15, "arm64": 19}


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd"])
@pytest.mark.parametrize("arch", ARCHS)
def test_boot_file_by_url(site: Site, kind: str, arch: str) -> None:
    serve(site, kind, f"http://{SERVER}/boot.ipxe", ARCHS[arch])
    run = site.boot("--profile", "http", "--arch", arch, "--no-kernel-check")  # it is one of a PC
    assert kernel_of(run) == dummy("vmlinuz")
    assert (run.result["loader"], run.result["cmdline"]) == ("ipxe", "x=1")
    check_stderr(run)


@pytest.mark.parametrize("name", ["vmlinuz", "pxelinux.0"])
def test_kernel_or_loader_by_url(site: Site, name: str) -> None:
    serve(site, "dnsmasq", f"http://{SERVER}/{name}", 16)
    run = site.boot("--profile", "http")
    assert kernel_of(run) == dummy("vmlinuz")
    assert {url.partition(":")[0] for url in re.findall(r'"url": "(.*?)"', run.stdout.decode())} == {"http"}


def refused(site: Site, *words: str) -> Run:
    run = site.boot(*words)
    assert run.rc == 4, str(run)
    check_stderr(run)
    return run


def test_server_that_knows_pxe_only(site: Site) -> None:
    servers.dhcpd(site, Offer(filename="pxelinux.0"))
    run = refused(site, "--profile", "http")
    assert "pxelinux.0 is not for HTTP boot" in run.stderr
