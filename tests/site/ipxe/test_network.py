"""What scripts do to the guest's network, against real servers: addresses, VLANs, names, pings, leases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ground import SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import kernel_of


def boot(
    site: Site, script: str, *words: str, names: bool = True, extra: tuple[str, ...] = ()
) -> dict[str, str]:
    """The words ``key=value`` that ``script`` puts on the command line; it ends with the kernel's name."""
    root = servers.plant(
        site.directory / "root", {"boot.ipxe": f"#!ipxe\n{script}\n", "vmlinuz": dummy("vmlinuz")}
    )
    known = {"web.example": "10.77.0.3"} if names else None
    options = ("--dhcp-option=6,10.77.0.1", *extra) if names else extra
    servers.dnsmasq(site, root, Offer(filename="boot.ipxe"), names=known, extra=options)
    run = site.boot("-v", *words)
    assert run.ok().result["action"] == "boot", str(run)
    site.assert_nothing_left([Path(run.result["kernel"]["path"]).name])
    return dict(word.partition("=")[::2] for word in run.result["cmdline"].split())


def test_names_and_pings(site: Site) -> None:
    script = (
        "nslookup there web.example || set there failed\n"
        "nslookup gone nothing.example || set gone failed\n"
        "ping --count 2 --timeout 500 web.example && set ping yes || set ping no\n"
        "ping --count 1 --timeout 500 10.77.0.99 && set dead yes || set dead no\n"
        "kernel vmlinuz there=${there} gone=${gone} ping=${ping} dead=${dead}\nboot"
    )
    words = boot(site, script)
    assert words == {"there": "10.77.0.3", "gone": "failed", "ping": "yes", "dead": "no"}


def test_dhcp_again_with_another_user_class(site: Site) -> None:
    extra = ("--dhcp-userclass=set:second,stage-two", "--dhcp-option-force=tag:second,17,/the/root")
    script = (
        "set user-class stage-two\ndhcp || goto bad\nkernel vmlinuz root=${root-path}\nboot\n:bad\nexit 1"
    )
    assert boot(site, script, extra=extra) == {"root": "/the/root"}


def test_dhcp_again_with_a_client_identifier(site: Site) -> None:
    extra = ("--dhcp-host=id:01:02:03,10.77.0.199",)
    script = (
        "set net0/61:hex 01:02:03\ndhcp || goto bad\nkernel vmlinuz ip=${net0.dhcp/ip}\nboot\n:bad\nexit 1"
    )
    assert boot(site, script, extra=extra) == {"ip": "10.77.0.199"}


HOSTILE = {
    "no address": "set net0/ip 0.0.0.0\nifopen ||",
    "loopback": "set net0/ip 127.0.0.1\nifopen ||",
    "multicast": "set net0/ip 224.0.0.1\nset net0/netmask 255.255.255.0\nifopen ||",
    "no netmask": "set net0/ip 192.0.2.1\nset net0/netmask 0.0.0.0\nifopen ||",
    "holes": "set net0/ip 192.0.2.1\nset net0/netmask 255.0.255.0\nifopen ||",
    "gateway": "set net0/ip 192.0.2.1\nset net0/gateway 255.255.255.255\nifopen ||",
    "long class": "set user-class " + "x" * 400 + "\ndhcp ||",
    "vlans": "vcreate --tag 0 net0 ||\nvcreate --tag 99999 net0 ||\nvdestroy net0 ||",
    "names": "nslookup x " + "y" * 300 + " ||\nnslookup x a..b ||\nping --count 1 " + "z." * 200 + " ||",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_script_breaks_nothing(site: Site, what: str) -> None:
    """Whatever it asks for fails as a command, and the last one still decides."""
    script = f"{HOSTILE[what]}\nset net0/ip 10.77.0.173 ||\nset net0/netmask 255.255.255.0 ||\nifopen ||\n"
    assert boot(site, script + "kernel vmlinuz a=1\nboot") == {"a": "1"}


def test_addresses_by_hand_one_after_the_other(site: Site) -> None:
    """The servers of the last one resolve names, and what was before is forgotten."""
    steps = "".join(f"set net0/ip 10.77.0.{last}\nifopen\n" for last in range(30, 60))
    asks = "set dns 10.77.0.1\nnslookup there web.example || exit 1\nkernel vmlinuz there=${there}\nboot"
    assert boot(site, steps + asks) == {"there": "10.77.0.3"}


def test_an_address_by_hand_then_a_web_server_beyond_it(site: Site) -> None:
    """The lease is good for the boot server only; the script knows the address that gets further."""
    site.ip("addr add 192.0.2.1/24 dev srv0", namespace=site.srv)
    root = servers.plant(
        site.directory / "web", {"next.ipxe": "#!ipxe\nkernel k from=${ip}\nboot\n", "k": dummy("k")}
    )
    servers.nginx(site, root, addresses=["192.0.2.1"])
    script = (
        "set net0/ip 192.0.2.77\nset net0/netmask 255.255.255.0\nset net0/gateway 192.0.2.1\nifopen net0\n"
        "chain http://192.0.2.1/next.ipxe"
    )
    extra = ("--dhcp-option=3",)
    assert boot(site, script, extra=extra) == {"from": "192.0.2.77"}


def test_with_link_host_the_hosts_address_stays(tmp_path: Path, clean_machine: None) -> None:
    with Site(tmp_path, host_address=True) as site:
        before = site.show("-4", "addr", "show", "dev", "br0")
        script = (
            "set net0/ip 192.0.2.77\nset net0/netmask 255.255.255.0\nifopen net0\n"
            "vcreate --tag 5 net0 && set v yes || set v no\nkernel vmlinuz v=${v}\nboot"
        )
        assert boot(site, script, "--link", "host", names=False) == {"v": "no"}
        assert site.show("-4", "addr", "show", "dev", "br0") == before


@pytest.fixture
def vlan_site(site: Site) -> Site:
    """Beyond the bridge, which lets tags pass, VLAN 5 has servers of its own."""
    try:
        site.ip("link add link srv0 name srv0.5 type vlan id 5", namespace=site.srv)
    except RuntimeError:
        pytest.skip("this kernel has no VLANs")
    site.ip(
        "addr add 198.51.100.1/24 dev srv0.5",
        "link set srv0.5 up",
        namespace=site.srv,
    )
    root = servers.plant(
        site.directory / "web", {"next.ipxe": "#!ipxe\nkernel k from=${ip}\nboot\n", "k": dummy("k")}
    )
    servers.nginx(site, root, addresses=["198.51.100.1"])
    pool = ("--dhcp-range=198.51.100.50,198.51.100.60,255.255.255.0,1h",)
    offer = Offer(filename="other.ipxe", next_server="198.51.100.1", hosts={})
    servers.dnsmasq(site, None, offer, link="srv0.5", pool="198.51.100.50,198.51.100.60", extra=pool)
    return site


def test_a_vlan_of_the_scripts(vlan_site: Site) -> None:
    script = (
        "vcreate --tag 5 net0 || goto bad\nvcreate --tag 5 net0 && goto bad ||\ndhcp net0-5 || goto bad\n"
        "chain http://198.51.100.1/next.ipxe\n:bad\nexit 1"
    )
    assert boot(vlan_site, script)["from"].startswith("198.51.100.5")


def test_a_vlan_that_goes_again(vlan_site: Site) -> None:
    script = (
        "vcreate --tag 5 net0 || goto bad\nvdestroy net0-5 || goto bad\nvdestroy net0-5 && goto bad ||\n"
        "kernel vmlinuz ip=${net0/ip}\nboot\n:bad\nexit 1"
    )
    assert boot(vlan_site, script) == {"ip": ADDRESS}


def test_where_the_kernel_has_no_vlans_the_command_fails(site: Site) -> None:
    vlans = "vcreate --tag 4095 net0 && goto bad ||\nvcreate --tag 9 net0 ||\n"
    script = f"{vlans}kernel vmlinuz a=1\nboot\n:bad\nexit 1"
    assert boot(site, script) == {"a": "1"}


def test_the_kernel_is_fetched_from_where_the_script_is(site: Site) -> None:
    """A redirect moves the working directory, as with the real one."""
    files = {"new/boot.ipxe": "#!ipxe\nkernel k uri=${cwuri}\nboot\n", "new/k": dummy("moved")}
    root = servers.plant(site.directory / "root", files)
    servers.dnsmasq(site, None, Offer(filename=f"http://{SERVER}/old/boot.ipxe"))
    servers.nginx(site, root, "location = /old/boot.ipxe { return 302 /new/boot.ipxe; }")
    run = site.boot()
    assert kernel_of(run) == dummy("moved")
    assert run.result["cmdline"] == f"uri=http://{SERVER}/new/boot.ipxe"
