"""IPv6 with real DHCPv6 servers and routers."""

from __future__ import annotations

import pytest
from ground import site6
from ground.net import Site
from ground.simple import check_simple
from ground.site6 import ADDRESS6, BASE6, ROUTER6, SERVER6

pytestmark = pytest.mark.netns


@pytest.fixture
def dual(site: Site) -> Site:
    """A site whose server has IPv6, too."""
    site6.join(site)
    return site


def test_dhcp_and_router_of_dnsmasq(dual: Site) -> None:
    site6.dnsmasq(dual, site6.plant(dual))
    run = dual.boot("-6", "-v")
    check_simple(dual, run, BASE6)
    lease = run.result["lease"]
    assert (lease["address"], lease["netmask"], lease["next_server"]) == (ADDRESS6, "", SERVER6)
    assert (lease["bootfile"], lease["gateway"]) == (f"{BASE6}pxelinux.0", ROUTER6)
