"""IPv6 with real DHCPv6 servers and routers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ground import servers, site6, tools
from tests.support.ground.net import MAC, UUID, Run, Server, Site, command
from tests.support.ground.simple import asked, check_simple, check_stderr, kernel_of, tree
from tests.support.ground.site6 import ADDRESS6, BASE6, OWN6, PREFIX6, ROUTER6, SERVER6
from tests.support.peers import dhcp6

URL = f"{BASE6}pxelinux.0"
POOL = {"pools": [{"pool": "2001:db8:77::100-2001:db8:77::1ff"}]}


@pytest.fixture
def dual(site: Site) -> Site:
    """A site whose server has IPv6, too."""
    site6.join(site)
    return site


def lease_of(run: Run) -> tuple[str, str, str]:
    lease = run.ok().result["lease"]
    return lease["address"], lease["gateway"], lease["bootfile"]


def test_dhcp_and_router_of_dnsmasq(dual: Site) -> None:
    site6.dnsmasq(dual, site6.plant(dual))
    run = dual.boot("-6", "-v")
    check_simple(dual, run, BASE6)
    assert lease_of(run) == (ADDRESS6, ROUTER6, URL)
    lease = run.result["lease"]
    assert (lease["netmask"], lease["next_server"], lease["seconds"]) == ("", SERVER6, 3600)


def test_dhcp_without_a_router(dual: Site) -> None:
    """Nobody says what is on the link: the usual is taken for it."""
    site6.dnsmasq(dual, site6.plant(dual), routers=False)
    check_simple(dual, dual.boot("-6"), BASE6)


def by_name(name: str, value: str) -> dict[str, str]:
    return {"name": name, "data": value}


def test_kea_knows_the_client_by_its_words(dual: Site) -> None:
    """As sites tell firmware apart: by architecture and by class; the host by its UUID."""
    site6.tftp(dual, site6.plant(dual))
    site6.radvd(dual, "AdvManagedFlag on;")
    efi = "option[61].hex == 0x0007 and substring(option[16].hex, 6, 20) == 'PXEClient:Arch:00007'"
    classes = [
        {"name": "efi", "test": efi, "option-data": [by_name("bootfile-url", URL)]},
        {"name": "ipxe", "test": "substring(option[15].hex, 2, 4) == 'iPXE'", "option-data": []},
    ]
    duid = "00:04:" + ":".join(UUID.replace("-", "")[at : at + 2] for at in range(0, 32, 2))
    host = {"duid": duid, "ip-addresses": [ADDRESS6]}
    site6.kea(dual, {**POOL, "reservations": [host]}, **{"client-classes": classes})
    run = dual.boot("-6", "--uuid", UUID)
    assert lease_of(run) == (ADDRESS6, ROUTER6, URL)
    names = [url.rpartition("/")[2] for url, result in asked(run) if result == "not-found"]
    assert names == ["2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b", UUID, "01-52-54-00-ab-cd-ef"]
    check_simple(dual, run, BASE6)


def test_addresses_of_ones_own_and_the_rest_by_kea(dual: Site) -> None:
    site6.tftp(dual, site6.plant(dual))
    site6.radvd(dual, "AdvOtherConfigFlag on; AdvLinkMTU 1400; RDNSS 2001:db8:77::1 { };")
    site6.kea(dual, {"option-data": [by_name("bootfile-url", URL)]})
    run = dual.boot("-6", "-v")
    check_simple(dual, run, BASE6)
    assert lease_of(run) == (OWN6, ROUTER6, URL) and run.result["lease"]["dns"] == [SERVER6]


def test_addresses_of_ones_own_and_the_rest_by_dnsmasq(dual: Site) -> None:
    site6.dnsmasq(dual, site6.plant(dual), range6="2001:db8:77::,ra-stateless", host="")
    run = dual.boot("-6")
    check_simple(dual, run, BASE6)
    assert run.result["lease"]["address"] == OWN6


def test_no_dhcp_for_who_knows_what_to_boot(dual: Site) -> None:
    site6.tftp(dual, site6.plant(dual))
    site6.radvd(dual)
    run = dual.boot("-6", "--config", f"{BASE6}pxelinux.cfg/default")
    check_simple(dual, run, BASE6)
    assert run.result["lease"]["address"] == OWN6


@pytest.fixture
def relayed(site: Site) -> Iterator[Site]:
    """The server is beyond a router, which relays."""
    namespace = site.namespace("far")
    site6.join(site)
    site.ip(f"link add far1 type veth peer name far0 netns {namespace}", namespace=site.srv)
    site.ip("addr add 2001:db8:99::1/64 dev far1 nodad", "link set far1 up", namespace=site.srv)
    route = "route add 2001:db8:77::/64 via 2001:db8:99::1"
    site.ip("link set lo up", "link set far0 up", namespace=namespace)
    site6.join(site, "2001:db8:99::2/64", "fe80::2/64", link="far0", namespace=namespace)
    site.ip(route, namespace=namespace)
    forward = "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
    command("ip", "netns", "exec", site.srv, "sh", "-c", forward)
    site6.radvd(site, "AdvManagedFlag on;")
    yield site


def far(site: Site) -> str:
    return site.srv[:-1].rpartition("-")[0] + "-far"


def test_a_server_beyond_a_relay(relayed: Site) -> None:
    base, namespace = "tftp://[2001:db8:99::2]/", far(relayed)
    root = site6.plant(relayed)
    servers.dnsmasq(relayed, root, None, namespace=namespace, link="far0")
    options = {"option-data": [by_name("bootfile-url", f"{base}pxelinux.0")]}
    subnet = {**POOL, **options, "relay": {"ip-addresses": [SERVER6]}}
    site6.kea(relayed, subnet, link="far0/2001:db8:99::2", namespace=namespace)
    argv = ["dhcrelay", "-6", "-d", "-l", "srv0", "-u", "2001:db8:99::2%far1"]
    relayed.spawn(argv, "relay.log").wait_for("Sending on")
    run = relayed.boot("-6", "-v")
    check_simple(relayed, run, base)
    assert run.result["lease"]["server_id"].startswith("fe80::"), "it is the relay that answers here"


def test_a_kernel_by_http_and_its_parameters(dual: Site) -> None:
    root = site6.plant(dual)
    servers.nginx(dual, root, addresses=[f"[{SERVER6}]"])
    site6.radvd(dual, "AdvManagedFlag on;")
    words = [by_name("bootfile-param", "root=/dev/nfs, quiet")]
    data = [by_name("bootfile-url", f"http://[{SERVER6}]/vmlinuz"), *words]
    site6.kea(dual, {**POOL, "option-data": data})
    run = dual.boot("-6", "--profile", "http", "--append", "more")
    assert kernel_of(run) == tree()["vmlinuz"]
    assert run.result["cmdline"] == "root=/dev/nfs quiet more"


SCRIPT = """#!ipxe
dhcp -c ipv6 || exit 1
ping -c 1 2001:db8:77::1 || exit 2
ping -c 1 fe80::1 || exit 3
isset ${ip} && set family 4 || set family 6
kernel vmlinuz by=${family} ip6=${net0/ip6} gw=${gateway6} mac=${mac:hexhyp}
boot
"""


def test_an_ipxe_program_and_its_script(dual: Site) -> None:
    root = site6.plant(dual, {**tree(), "boot.ipxe": SCRIPT, "ipxe.efi": b"MZ a program for the firmware"})
    servers.nginx(dual, root, addresses=[f"[{SERVER6}]"])
    script = f"http://[{SERVER6}]/boot.ipxe"
    extra = ["--dhcp-userclass=set:ipxe,iPXE", f"--dhcp-option=tag:ipxe,option6:bootfile-url,{script}"]
    extra += [f"--dhcp-option=tag:!ipxe,option6:bootfile-url,{BASE6}ipxe.efi"]
    site6.dnsmasq(dual, root, "", extra=extra)
    run = dual.boot("-6", "-v").ok()
    assert "ipxe.efi is an iPXE program: DHCP once more" in run.stderr
    assert run.result["cmdline"] == f"by=6 ip6={ADDRESS6} gw={ROUTER6} mac=52-54-00-ab-cd-ef"


# Links.


def test_a_plain_nic(dual: Site) -> None:
    dual.ip("link set vsw nomaster", "link set vsw up")
    site6.dnsmasq(dual, site6.plant(dual))
    base = ("--json", "--mac", MAC, "--interface", "vsw", "--output-directory", str(dual.out))
    check_simple(dual, dual.pypxeboot(*base, "-6"), BASE6)


def test_a_host_that_has_ipv6_switched_off(dual: Site) -> None:
    off = "for i in all default; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done"
    command("ip", "netns", "exec", dual.hyp, "sh", "-c", off)
    site6.dnsmasq(dual, site6.plant(dual))
    check_simple(dual, dual.boot("-6"), BASE6)


def test_an_interface_of_the_hosts_own(dual: Site) -> None:
    run = dual.boot("-6", "--link", "host")
    assert run.rc == 2 and "--link host" in run.stderr, str(run)


# Hostile servers.

HOSTILE = {
    "wrong-xid": (3, "no DHCPv6 offer"),
    "garbage": (3, "no IPv6 address by DHCPv6"),
    "denies": (3, "no address (the pool is empty)"),
    "escapes": (4, "names no boot file"),
}


@pytest.mark.parametrize("script", HOSTILE)
def test_a_server_that_does_as_it_likes(dual: Site, script: str) -> None:
    argv = [sys.executable, "-m", dhcp6.__name__, dual.server_link, script]
    dual.spawn(argv, "peer.log").wait_for("ready")
    code, words = HOSTILE[script]
    run = dual.boot("-6", "--timeout", "3" if code == 3 else "10")
    assert run.rc == code and words in run.stderr, str(run)
    check_stderr(run)
    dual.assert_nothing_left()


# Both families.


def capture(site: Site) -> Server:
    """What the guest says in IPv6."""
    argv = ["tcpdump", "-i", "br0", "-nn", "-l", "-U", "ip6 and ether src 52:54:00:ab:cd:ef"]
    return site.spawn(argv, "tcpdump.log", namespace=site.hyp).wait_for("listening on")


def test_ipv4_comes_first_and_alone(dual: Site) -> None:
    root = site6.plant(dual)
    site6.dnsmasq(dual, root)
    servers.dnsmasq(dual, None)
    heard = capture(dual)
    run = dual.boot()
    check_simple(dual, run)
    heard.stop()
    assert "IP6" not in heard.text()


def test_ipv4_comes_first_where_its_server_takes_its_time(dual: Site) -> None:
    """dnsmasq pings an address for three seconds before it offers it."""
    site6.dnsmasq(dual, site6.plant(dual))
    servers.dnsmasq(dual, None, servers.Offer(hosts={}), ping=True)
    run = dual.boot("-v")
    check_simple(dual, run)
    assert "DHCPv6 offer" in run.stderr


def test_a_fifth_of_all_packets_is_lost(dual: Site) -> None:
    """Solicitations of all kinds, offers and blocks are sent again, until there is a boot."""
    chains = (
        f"chain {hook} {{ type filter hook {hook} priority 0; numgen random mod 100 < 20 drop; }}\n"
        for hook in ("input", "output")
    )
    rules = f"table inet loss {{\n{''.join(chains)}}}\n"
    command("ip", "netns", "exec", dual.srv, tools.need("nft"), "-f", "-", stdin=rules)
    site6.dnsmasq(dual, site6.plant(dual))
    check_simple(dual, dual.boot("-6", "--timeout", "100", timeout=110), BASE6)


def test_files_that_only_ipv6_leads_to(dual: Site) -> None:
    """The guest boots by IPv4; where files are on a server of IPv6, it has an address of that, too."""
    config = f"DEFAULT a\nLABEL a\n KERNEL http://[{SERVER6}]/vmlinuz\n INITRD http://six.example/i1\n"
    root = site6.plant(dual, tree(config))
    names = {"six.example": SERVER6}
    servers.dnsmasq(dual, root, names=names)
    servers.nginx(dual, root, addresses=[f"[{SERVER6}]"])
    site6.radvd(dual)
    run = dual.boot("-v")
    assert kernel_of(run) == tree()["vmlinuz"] and run.result["lease"]["address"] == servers.ADDRESS
    assert run.stderr.count("DHCP lease") == 2


def test_files_that_only_ipv6_would_lead_to(dual: Site) -> None:
    config = f"DEFAULT a\nLABEL a\n KERNEL http://[{SERVER6}]/vmlinuz\n"
    servers.dnsmasq(dual, site6.plant(dual, tree(config)))
    run = dual.boot()
    assert run.rc == 6 and "no IPv6 beside IPv4: no DHCPv6 offer" in run.stderr, str(run)
    assert "unreachable" in run.result["error"]["message"]
    check_stderr(run)


def test_a_site_that_has_ipv6_alone(dual: Site) -> None:
    """It costs the four seconds in which a server of IPv4 may ping an address, and no more."""
    site6.dnsmasq(dual, site6.plant(dual))
    run = dual.boot("-v")
    check_simple(dual, run, BASE6)
    assert "DHCPDISCOVER, try 3" not in run.stderr


def test_ipv4_without_a_boot_file(dual: Site) -> None:
    root = site6.plant(dual)
    site6.dnsmasq(dual, root)
    servers.dnsmasq(dual, None, servers.Offer(filename=""))
    run = dual.boot()
    check_simple(dual, run, BASE6)


def test_the_other_family_is_not_asked(dual: Site) -> None:
    root = site6.plant(dual)
    site6.dnsmasq(dual, root)
    run = dual.boot("-4", "--timeout", "3")
    assert run.rc == 3 and "no DHCP offer" in run.stderr, str(run)
    dual.stop_servers()
    servers.dnsmasq(dual, root)
    run = dual.boot("-6", "--timeout", "3")
    assert run.rc == 3 and "no DHCPv6 offer, and no router" in run.stderr, str(run)
    check_stderr(run)


def test_neither_has_anything_to_boot(dual: Site) -> None:
    root: Path = site6.plant(dual)
    site6.dnsmasq(dual, root, "")
    servers.dnsmasq(dual, None, servers.Offer(filename=""))
    run = dual.boot()
    assert run.rc == 4 and "names no boot file" in run.stderr, str(run)
    assert PREFIX6 not in run.stderr
