"""IPv6 without DHCP: addresses given by hand, TFTP, HTTP and names."""

from __future__ import annotations

import json
import shutil
from typing import Optional

import pytest

from tests.support.ground import servers, site6
from tests.support.ground.net import SERVER, Site
from tests.support.ground.servers import Tree
from tests.support.ground.simple import asked, check_simple, check_stderr, tree
from tests.support.ground.site6 import ADDRESS6, BASE6, ROUTER6, SERVER6

IP6 = ("--ip", f"{ADDRESS6}/64")


@pytest.fixture
def site6_(site: Site) -> Site:
    """A server that has IPv6 as well."""
    site6.join(site)
    return site


def serve(site: Site, files: Optional[Tree] = None) -> None:
    site6.tftp(site, site6.plant(site, files))


def test_tftp(site6_: Site) -> None:
    serve(site6_)
    run = site6_.boot(*IP6, "--server", SERVER6, "--bootfile", "pxelinux.0")
    check_simple(site6_, run, BASE6)
    assert run.result["lease"] is None
    assert f"getting cfg for IP {ADDRESS6} from server {SERVER6}" in run.stderr


@pytest.mark.parametrize("host", ["[fe80::1]", "[fe80::1%25net0]", "[fe80::1%net0]"])
def test_a_server_known_by_its_address_on_the_link(site6_: Site, host: str) -> None:
    """Zones are of the machine that wrote them down; here there is but one link."""
    root = site6.plant(site6_)
    site6.tftpd_hpa(site6_, root)
    servers.nginx(site6_, root, addresses=["[::]"])
    run = site6_.boot(*IP6, "--config", f"tftp://{host}/pxelinux.cfg/default")
    check_simple(site6_, run, f"tftp://[{ROUTER6}]/")
    shutil.rmtree(site6_.out)
    run = site6_.boot(*IP6, "--config", f"http://{host}/pxelinux.cfg/default")
    check_simple(site6_, run, f"http://[{ROUTER6}]/")


def test_http_and_a_redirect(site6_: Site) -> None:
    root = site6.plant(site6_)
    moved = f"location /old {{ return 302 http://[{SERVER6}]/pxelinux.cfg/default; }}"
    servers.nginx(site6_, root, moved, addresses=[f"[{SERVER6}]"])
    run = site6_.boot(*IP6, "--config", f"http://[{SERVER6}]/old", "--path-prefix", f"http://[{SERVER6}]/")
    check_simple(site6_, run, f"http://[{SERVER6}]/")


def test_names_of_hosts(site6_: Site) -> None:
    """A server that is asked on the link; of a host that has both families the address of this one counts."""
    root = site6.plant(site6_)
    both = "--address=/boot.example/10.99.0.1"
    servers.dnsmasq(site6_, root, None, names={"boot.example": SERVER6}, extra=[both])
    run = site6_.boot(*IP6, "--dns", ROUTER6, "--config", "tftp://boot.example/pxelinux.cfg/default")
    check_simple(site6_, run, "tftp://boot.example/")


def test_a_server_behind_a_gateway_on_the_link(site6_: Site) -> None:
    far = "2001:db8:99::1"
    site6_.ip(f"addr add {far}/128 dev lo nodad", namespace=site6_.srv)
    serve(site6_)
    config = ("--config", f"tftp://[{far}]/pxelinux.cfg/default")
    check_simple(site6_, site6_.boot(*IP6, "--gateway", ROUTER6, *config), f"tftp://[{far}]/")
    run = site6_.boot(*IP6, *config, "--timeout", "20")
    assert run.rc == 6 and "unreachable" in run.stderr.lower(), str(run)
    check_stderr(run)


def test_names_of_configurations_and_what_is_appended(site6_: Site) -> None:
    """No PXELINUX has IPv6: the names are those of UUID and MAC, and there is no ip=."""
    config = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n IPAPPEND 3\n"
    serve(site6_, tree(config))
    run = site6_.boot(*IP6, "--server", SERVER6, "--bootfile", "pxelinux.0", "-n").ok()
    names = [url.rpartition("/")[2] for url, _result in asked(run)]
    assert names == ["pxelinux.0", "01-52-54-00-ab-cd-ef", "default"]
    assert run.result["cmdline"].split() == ["BOOT_IMAGE=vmlinuz", "BOOTIF=01-52-54-00-ab-cd-ef"]


WRONG = {
    "no-prefix": ("--ip", ADDRESS6),
    "multicast": ("--ip", "ff02::1/64"),
    "loopback": ("--ip", "::1/64"),
    "mapped": ("--ip", "::ffff:10.77.0.1/64"),
    "gateway-of-the-other": (*IP6, "--gateway", SERVER),
    "other-with-this-gateway": ("--ip", "10.77.0.9/24", "--gateway", ROUTER6),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage(site: Site, case: str) -> None:
    run = site.boot(*WRONG[case], "--server", SERVER6, "--bootfile", "pxelinux.0")
    assert run.rc == 2 and json.loads(run.stdout)["error"]["kind"] == "UsageError", str(run)
    check_stderr(run)
    site.assert_nothing_left()
