"""Boots by a PXE server made by hand; numbers are of the table of bad inputs."""

from __future__ import annotations

import pytest

from tests.support.ground import SERVER, Site, servers
from tests.support.ground.net import Server
from tests.support.ground.servers import Offer
from tests.support.ground.simple import check_simple, check_stderr, tree
from tests.support.peers import pxe as pxe_peers


def serve(site: Site, script: str) -> Server:
    """Addresses by dhcpd, the rest by a PXE server with a TFTP server beside it."""
    servers.dhcpd(site, Offer(filename="", next_server=SERVER))
    namespace, link = servers.beside(site, pxe_peers.ADDRESS)
    root = servers.plant(site.directory / "root", tree())
    server = pxe_peers.start(site, script, link, namespace)
    servers.dnsmasq(site, root, None, namespace=namespace, link=link)
    return server


@pytest.mark.parametrize("script", [name for name in pxe_peers.OFFERS if name != "14-huge-menu"])
def test_boots(site: Site, script: str) -> None:
    peer = serve(site, script)
    run = site.boot("-v", "--timeout", "30")
    check_stderr(run)
    check_simple(site, run, f"tftp://{pxe_peers.ADDRESS}/")
    assert run.result["lease"]["server_id"] == SERVER
    if script in ("multicast", "listed", "13-strangers"):
        assert "type 3 comes by 4011" in peer.text()
    if script == "broadcast":
        assert peer.text().count("type 3 comes by broadcast") == 2, (
            "one for the address, one for the boot file"
        )


def test_14_menu_that_fills_the_message(site: Site) -> None:
    serve(site, "14-huge-menu")
    run = site.boot("-v", "--timeout", "30")
    check_stderr(run)
    assert run.rc in (0, 4), str(run)
    assert max(map(len, run.stderr.splitlines())) < 1000
