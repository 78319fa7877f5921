"""Names of hosts in the guest's network: search lists, addresses of both kinds, names that nobody knows."""

from __future__ import annotations

import pytest

from tests.support.ground import SECOND_SERVER, SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import STANDARD, Offer
from tests.support.ground.simple import SIMPLE, check_simple, check_stderr, kernel_of, tree

NAMES = {
    "web.first.example": "10.77.0.99",
    "web.second.example": SECOND_SERVER,
    "boot.second.example": SERVER,
}


def serve(site: Site, config: str, *extra: str, offer: Offer = STANDARD, dns: str = SERVER) -> None:
    """A site with names, and a web server on its second address."""
    root = servers.plant(site.directory / "root", tree(config))
    given = [f"--dhcp-option=option:dns-server,{dns}", *extra]
    servers.dnsmasq(site, root, offer, names=NAMES, extra=given)
    servers.nginx(site, root, addresses=[SECOND_SERVER])


def kernel_from(host: str) -> str:
    return SIMPLE.replace("vmlinuz", f"http://{host}/vmlinuz")


@pytest.mark.parametrize(
    "option",
    ["option:domain-search,nowhere.example,second.example", "option:domain-name,second.example"],
    ids=["119", "15"],
)
def test_names_without_a_dot(site: Site, option: str) -> None:
    serve(site, kernel_from("web"), f"--dhcp-option-force={option}")
    assert kernel_of(site.boot()) == dummy("vmlinuz")


def test_the_search_list_goes_before_the_domain(site: Site) -> None:
    """RFC 3397: "the domain search list option ... takes precedence"."""
    both = ["option:domain-name,first.example", "option:domain-search,second.example"]
    serve(site, kernel_from("web"), *(f"--dhcp-option-force={option}" for option in both))
    assert kernel_of(site.boot("--timeout", "20")) == dummy("vmlinuz")


def test_boot_server_by_name(site: Site) -> None:
    """Option 66 where siaddr is empty, as some servers have it."""
    offer = Offer(options={66: "boot.second.example"}, next_server="0.0.0.0")
    serve(site, SIMPLE, offer=offer)
    check_simple(site, site.boot("--server", "boot.second.example"), "tftp://boot.second.example/")


def test_ipv6_address_of_a_host_that_also_has_ipv4(site: Site) -> None:
    """The guest has no IPv6 address: what cannot be reached is not waited for."""
    serve(site, kernel_from("both.example"), "--host-record=both.example,10.77.0.3,2001:db8::3")
    assert kernel_of(site.boot("--timeout", "20")) == dummy("vmlinuz")


def check_unknown(run: Run, name: str) -> None:
    assert run.rc == 6 and f"{name}: " in run.stderr and "the boot server is asked instead" in run.stderr, (
        str(run)
    )
    assert run.seconds < 20
    check_stderr(run)


def test_name_that_nobody_knows(site: Site) -> None:
    """PXELINUX asks its boot server then; if the file is not there either, it is ONERROR's turn."""
    serve(site, kernel_from("gone.example"))
    check_unknown(site.boot(), "gone.example")
    (site.directory / "root/pxelinux.cfg/default").write_text(f"ONERROR b\n{kernel_from('gone.example')}")
    run = site.boot()
    assert run.ok().result["reason"] == "onerror" and kernel_of(run) == dummy("other")


def test_nobody_answers_for_names(site: Site) -> None:
    serve(site, kernel_from("web.second.example"), dns="10.77.0.98")
    check_unknown(site.boot("--timeout", "30"), "web.second.example")


def test_dhcp_names_no_name_server(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(kernel_from("web.second.example")))
    servers.dnsmasq(site, root, extra=["--dhcp-option=6"])
    run = site.boot()
    check_unknown(run, "web.second.example")
    assert "DHCP gave no DNS server" in run.stderr
