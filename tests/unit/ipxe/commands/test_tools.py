"""The iPXE commands about files, requests and the network."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace as changed
from ipaddress import IPv4Address

from pypxeboot.effects import ChangeVlan, RunDhcp, SetAddress
from pypxeboot.entry import Action
from tests.support.recorded import replay
from tests.support.samples.ipxe import booted

# Files.


def test_digests() -> None:
    _, played = booted("md5sum i", "sha256sum --set d i2", "echo ${d}")
    assert f"{hashlib.md5(b'initrd').hexdigest()}  i\n" in played.printed
    assert hashlib.sha256(b"initrd2").hexdigest() in played.printed


def test_signatures() -> None:
    files = {"i.sig": b"drtini", "i2.sig": b"wrong"}
    choice, played = booted(
        "imgtrust",
        "imgfetch i2",
        "imgverify i2 i2.sig && boot k2 ||",
        "kernel k",
        "imgverify k k.sig || boot k no",
        files=files,
    )
    assert choice.entry.action is Action.LOCALBOOT
    assert "Could not verify image" in played.printed
    choice, _ = booted(
        "imgverify --signer good i i.sig", "imgfree", "imgtrust", "imgtrust --allow", "boot k", files=files
    )
    assert choice.entry.action is Action.BOOT
    choice, played = booted("imgtrust --permanent", "imgtrust --allow || echo fixed", "boot k", files=files)
    assert choice.entry.action is Action.LOCALBOOT
    assert "fixed" in played.printed


def test_archives() -> None:
    packed = gzip.compress(b"plain")
    _, played = booted("imgextract a.cpio.gz", "imgstat", "boot k", files={"a.cpio.gz": packed})
    assert played.ramdisk == b"plain"
    assert "a.cpio : 5 bytes" in played.printed


def test_a_file_as_a_setting() -> None:
    _, played = booted("imgset x i", "echo [${x}]", "imgset x:hexraw --keep i2 ||", "imgstat")
    assert "[initrd]" in played.printed


def test_parameters() -> None:
    files = {"http://h/p": "#!ipxe\nexit\n"}
    _, played = booted(
        "params --name a --method put",
        "param --params a --header X-Token t",
        "param --params a key a value",
        "chain http://h/p##params=a",
        "chain http://h/p##params=a",
        files=files,
    )
    form = next(form for form in played.forms if form)
    assert (form.method, form.body) == ("PUT", b"key=a%20value")
    assert form.headers == (("X-Token", "t"), ("Content-Type", "application/x-www-form-urlencoded"))
    assert sum(form is not None for form in played.forms) == 1, "parameters are sent once"


def test_passwords_of_the_settings_are_for_no_server() -> None:
    files = {"http://h/s": "#!ipxe\nimgfree ||\nexit\n", "http://you@h/s": "#!ipxe\nexit\n"}
    told = changed(replay.LEASE, options={175: bytes((190, 3)) + b"dhc" + bytes((191, 2)) + b"pw"})
    for lines in (("set username me", "set password pw"), ()):
        _, played = booted(
            *lines, "chain --autofree http://h/s", "chain http://you:x@h/s", files=files, lease=told
        )
        assert played.asked[1:] == ["http://h/s", "http://you@h/s"]
        assert "pw" not in played.printed


# The network.


def test_an_address_that_the_script_sets() -> None:
    _, played = booted(
        "set net0/ip 10.9.9.9",
        "set net0/netmask 255.255.0.0",
        "set net0/gateway 10.9.0.1",
        "set dns 10.9.0.53",
        "ifopen net0",
        "boot k",
        "boot k",
    )
    (effect,) = played.network
    assert isinstance(effect, SetAddress)
    assert (str(effect.lease.address), effect.lease.prefix_length) == ("10.9.9.9", 16)
    assert effect.lease.routers == (IPv4Address("10.9.0.1"),)
    assert effect.lease.dns == (IPv4Address("10.9.0.53"),)


def test_the_address_is_left_alone_otherwise() -> None:
    _, played = booted("dhcp", "set x y", "boot k")
    assert played.network == []


def test_dhcp_as_somebody_else() -> None:
    played = replay.serving({})
    played.leases = [changed(replay.LEASE, address=IPv4Address("10.77.0.200"), bootfile="other")]
    booted("set user-class Me", "dhcp", "echo ${ip} ${filename}", "dhcp || echo again fails", replay=played)
    first = played.network[0]
    assert isinstance(first, RunDhcp)
    assert first.options == ((77, b"Me"),)
    assert "10.77.0.200 other" in played.printed
    assert "again fails" in played.printed


def test_vlans() -> None:
    played = replay.serving({})
    played.leases = [changed(replay.LEASE, address=IPv4Address("10.5.0.2"))]
    booted(
        "vcreate --tag 10 net0",
        "dhcp net0-10",
        "echo [${net0-10/ip}] [${netX/ip}] [${net0-10/mac}]",
        "vdestroy net0-10",
        "ifopen net0-10 || echo gone",
        replay=played,
    )
    kinds = [type(effect) for effect in played.network]
    assert kinds == [ChangeVlan, RunDhcp, ChangeVlan]
    assert "[10.5.0.2] [10.5.0.2] [52:54:00:ab:cd:ef]" in played.printed
    assert "gone" in played.printed


def test_names() -> None:
    played = replay.serving({})
    played.names["a.example"] = ("10.0.0.7", "10.0.0.8")
    booted("nslookup x a.example", "echo [${x}] [${x:hexraw}]", replay=played)
    assert "[10.0.0.7] [0a000007]" in played.printed


def test_autoboot() -> None:
    files = {"again.ipxe": "#!ipxe\nboot k auto\n"}
    choice, played = booted("set filename again.ipxe", "autoboot", files=files)
    assert choice.entry.cmdline == "auto"
    assert played.asked[1] == "tftp://10.77.0.1/again.ipxe"
