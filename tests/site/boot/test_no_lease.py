"""What users of other network boot tools complain about, where no other test shows that it is handled."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Site, servers, tools, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.net import command
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, asked, check_simple, kernel_of, serve, tree
from tests.support.peers.http import certificate


def test_a_switch_port_that_forwards_late(site: Site) -> None:
    """STP or LACP beyond the bridge: the first DISCOVER is lost, and nobody says so."""
    serve(site)
    site.ip("link set srv0 down", namespace=site.srv)
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), "-v")
    process = site.start(*base)
    try:
        wait_until(lambda: site.learned(), 30, "a DISCOVER on the bridge")
        site.ip("link set srv0 up", namespace=site.srv)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    assert b"DHCPDISCOVER, try 2" in errors and json.loads(output)["label"] == "a"


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd+hpa"])
@pytest.mark.parametrize("who", ["same-mac", "client-identifier"])
def test_the_guest_gets_the_same_address_later(site: Site, tmp_path: Path, kind: str, who: str) -> None:
    """The system in the guest asks again, as itself: no option 61 of ours stands between it and the lease."""
    serve(site, kind, offer=Offer(hosts={}))
    address = site.boot().ok().result["lease"]["address"]
    guest = site.namespace("guest")
    site.ip(
        f"link add vif1 type veth peer name eth0 address {MAC} netns {guest}",
        f"link set vif1 master {BRIDGE} up",
    )
    site.adopt("vif1")
    site.ip("link set eth0 up", namespace=guest)
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\n[ "$1" != bound ] || echo "got $ip"\n')
    script.chmod(0o755)
    own = ["-C"] if who == "same-mac" else ["-x", f"0x3d:01{MAC.replace(':', '')}"]
    argv = [tools.need("busybox"), "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", str(script), *own]
    assert f"got {address}" in command("ip", "netns", "exec", guest, *argv)


def test_a_server_on_the_side_that_is_silent(site: Site) -> None:
    """Texts and includes of a server that is gone: it is waited for once, and the default boots."""
    lost = "DISPLAY 10.77.0.99::one\nINCLUDE 10.77.0.99::two\nF1 10.77.0.99::three\n"
    serve(site, files=tree(lost + SIMPLE))
    begun = time.monotonic()
    run = site.boot()
    check_simple(site, run)
    silent = [result for url, result in asked(run) if "10.77.0.99" in url]
    assert len(silent) == 1 and time.monotonic() - begun < 25, silent


def test_payloads_by_http_where_the_site_says_tftp(site: Site) -> None:
    """One option of the host's, and not a line on the servers: only the configuration's names move."""
    root = serve(site)
    servers.nginx(site, root)
    run = site.boot("--path-prefix", f"http://{SERVER}/")
    assert kernel_of(run) == dummy("vmlinuz")
    assert all(url.startswith("http:") for url, result in asked(run) if result == "ok"), asked(run)


def test_the_nic_that_the_installer_wants(site: Site) -> None:
    """BOOTIF, by IPAPPEND and by SYSAPPEND; and the guest's own address without DHCP in the installer."""
    serve(site, files=tree(SIMPLE.replace(" APPEND x=1\n", " APPEND x=1\n IPAPPEND 3\n")))
    words = site.boot().ok().result["cmdline"].split()
    assert "BOOTIF=01-52-54-00-ab-cd-ef" in words
    assert any(
        re.fullmatch(r"ip=10\.77\.0\.173:10\.77\.0\.1:10\.77\.0\.1:255\.255\.255\.0", word) for word in words
    )


def test_a_mistake_in_a_script_of_ones_own_is_told_with_its_place(site: Site) -> None:
    script = f"#!ipxe\nset base http://{SERVER}\nkernal ${{base}}/vmlinuz\nboot\n"
    root = serve(site, files={**tree(), "own.ipxe": script}, offer=Offer(filename="own.ipxe"))
    servers.nginx(site, root)
    result = site.boot().ok().result
    assert result["action"] == "localboot", "what firmware does when its iPXE gives up"
    (told,) = result["warnings"]
    assert re.search(r"own\.ipxe, line 3: kernal: command not found", told), told
    assert len(result["requests"]) == 1, "no loop"


def test_an_authority_of_ones_own(site: Site, tmp_path: Path) -> None:
    """Added when it is needed, by an option: nothing is built anew, and without it nothing is believed."""
    cert, key = certificate(tmp_path, f"IP:{SERVER}")
    tmp_path.chmod(0o700)  # as root's home is
    root = serve(site, offer=Offer(options={210: f"https://{SERVER}/"}))
    servers.nginx(site, root, f"listen {SERVER}:443 ssl; ssl_certificate {cert}; ssl_certificate_key {key};")
    run = site.boot("--tls-ca", str(cert))
    assert kernel_of(run) == dummy("vmlinuz") and run.result["kernel"]["url"] == f"https://{SERVER}/vmlinuz"
    refused = site.boot()
    assert refused.rc == 6, str(refused)
    told = json.dumps(refused.result["error"])
    assert "TLS" in told and "--tls-ca" in told, told
    cert.write_text("none")
    wrong = site.boot("--tls-ca", str(cert))
    assert wrong.rc == 2 and "--tls-ca" in wrong.result["error"]["message"], str(wrong)
