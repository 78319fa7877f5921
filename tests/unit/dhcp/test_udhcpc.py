"""DHCP through a udhcpc: what its script says, and boots with the real one of busybox."""

from __future__ import annotations

import contextlib
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp import udhcpc
from pypxeboot.dhcp.message import BadMessage, Message
from tests.support.ground import MAC
from tests.support.samples.udhcpc import CHADDR, message

SCRIPT = Path(udhcpc.__file__).parents[1] / "udhcpc-script"
NAMES = (
    "ip subnet router dns domain siaddr sname boot_file bootfile tftp serverid lease mtu staticroutes "
    "opt209 opt210"
).split()


def script(event: str, values: dict[bytes, bytes]) -> bytes:
    """What the script really writes, run by the shell that udhcpc would have run it by."""
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), event], env={b"PATH": b"/usr/bin:/bin", **values}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_a_whole_lease() -> None:
    got = message(
        subnet="255.255.255.0",
        router="10.77.0.1 10.77.0.2",
        dns="10.77.0.3",
        domain="site.example",
        siaddr="10.77.0.4",
        sname="boot",
        boot_file="pxelinux.0",
        tftp="tftp.example",
        serverid="10.77.0.1",
        lease="3600",
        mtu="1400",
    )
    assert (got.yiaddr, got.siaddr, got.chaddr) == (
        IPv4Address("10.77.0.173"),
        IPv4Address("10.77.0.4"),
        CHADDR,
    )
    assert (got.sname, got.file) == (b"boot", b"pxelinux.0")
    lease, remarks = dhcp.lease_of(got)
    assert not remarks
    assert (lease.prefix_length, lease.domain, lease.seconds, lease.mtu) == (24, "site.example", 3600, 1400)
    assert lease.routers == (IPv4Address("10.77.0.1"), IPv4Address("10.77.0.2"))
    assert (lease.dns, lease.server_id) == ((IPv4Address("10.77.0.3"),), IPv4Address("10.77.0.1"))
    assert (lease.next_server, lease.bootfile) == ("10.77.0.4", "pxelinux.0")


def test_options_209_and_210_come_as_hex() -> None:
    got = message(opt209=b"menu.cfg".hex(), opt210=b"sub/\xff".hex().upper())
    assert (got.options[209], got.options[210]) == (b"menu.cfg", b"sub/\xff")


def test_options_209_and_210_by_the_names_that_busybox_gives_them() -> None:
    """Those of its option table (networking/udhcp/common.c, dhcp_option_strings), as text."""
    values = {b"ip": b"10.77.0.173", b"pxeconffile": b"menu.cfg", b"pxepathprefix": b"sub/\xff"}
    got = udhcpc.message(script("bound", values), CHADDR)
    assert (got.options[209], got.options[210]) == (b"menu.cfg", b"sub/\xff")


def test_static_routes_become_option_121() -> None:
    text = "10.0.0.0/8 10.77.0.9 192.168.5.128/25 10.77.0.8 0.0.0.0/0 10.77.0.7 169.254.1.1/32 0.0.0.0"
    got = message(staticroutes=text, router="10.77.0.1")
    assert got.options[121] == bytes.fromhex(
        "08 0a 0a4d0009 19 c0a80580 0a4d0008 00 0a4d0007 20 a9fe0101 00000000"
    )
    lease, _remarks = dhcp.lease_of(got)
    assert lease.routes == (
        (IPv4Network("10.0.0.0/8"), IPv4Address("10.77.0.9")),
        (IPv4Network("192.168.5.128/25"), IPv4Address("10.77.0.8")),
        (IPv4Network("0.0.0.0/0"), IPv4Address("10.77.0.7")),
        (IPv4Network("169.254.1.1/32"), None),
    )


def test_line_feeds_and_foreign_bytes_stay_what_they_are() -> None:
    raw = b"ip=10.77.0.173\0boot_file=a\nip=10.0.0.1\n\xff\xe9=b\0domain=\xc3\xa9\n\0"
    got = udhcpc.message(raw, CHADDR)
    assert got.yiaddr == IPv4Address("10.77.0.173")
    assert got.file == b"a\nip=10.0.0.1\n\xff\xe9=b"
    assert got.options[15] == b"\xc3\xa9\n"


BAD: dict[str, dict[str, str]] = {
    "ip-empty": {"ip": ""},
    "ip-name": {"ip": "localhost"},
    "ip-too-large": {"ip": "10.77.0.256"},
    "siaddr": {"siaddr": "boot.example"},
    "router": {"router": "10.77.0.1 x"},
    "subnet": {"subnet": "24"},
    "lease-word": {"lease": "long"},
    "lease-negative": {"lease": "-1"},
    "lease-too-large": {"lease": str(1 << 32)},
    "lease-endless": {"lease": "9" * 5000},
    "mtu-too-large": {"mtu": "65536"},
    "hex-odd": {"opt209": "abc"},
    "hex-none": {"opt210": "pxe/"},
    "route-width": {"staticroutes": "10.0.0.0/33 10.77.0.1"},
    "route-gateway": {"staticroutes": "10.0.0.0/8 gw"},
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used(case: str) -> None:
    with pytest.raises(BadMessage):
        message(**BAD[case])


@pytest.mark.parametrize("output", [b"", b"\0", b"siaddr=10.77.0.1\0", b"ip", b"ip\0", b"xip=10.77.0.1\0"])
def test_without_an_address(output: bytes) -> None:
    with pytest.raises(BadMessage):
        udhcpc.message(output, CHADDR)


def takes(output: bytes) -> None:
    """Either half may refuse, and nothing else may happen."""
    with contextlib.suppress(BadMessage):
        got = udhcpc.message(output, CHADDR)
        assert isinstance(got, Message)
        dhcp.lease_of(got)


@given(st.binary(max_size=400))
def test_any_bytes(output: bytes) -> None:
    takes(output)
    takes(b"ip=10.77.0.173\0" + output)


WORDS = st.one_of(
    st.sampled_from(["10.77.0.1", "10.0.0.0/8 10.77.0.1", "255.255.255.0", "0", "٣", "0/0", "abcd", " "]),
    st.integers().map(str),
    st.text(max_size=20),
)
VALUES = st.dictionaries(st.sampled_from(NAMES), st.lists(WORDS, max_size=4).map(" ".join))


@given(VALUES)
@example({"serverid": "10.77.0.1 10.77.0.1"})
def test_any_values(values: dict[str, str]) -> None:
    pieces = (f"{name}={value}\0".encode("utf-8", "surrogatepass") for name, value in values.items())
    takes(b"ip=10.77.0.173\0" + b"".join(pieces))


HOSTILE = {
    "command": b"$(touch owned)",
    "backticks": b"`touch owned`",
    "single": b"'; touch owned; '",
    "double": b'"; touch owned; "',
    "expansion": b"${IFS}$ip$((1+1))",
    "line-feeds": b"\n\na\ntouch owned\n\n",
    "backslashes": b"\\n\\0\\c\\",
    "format": b"%s%n%d\\0",
    "glob": b"* ? [a-z] ~",
    "option": b"-n -e --",
    "blanks": b"  a\t b  ",
    "foreign": b"\x01\x1b[2J\xff\xfe\xc3",
    "assignment": b"x=y;ip=1.2.3.4",
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("event", ["bound", "renew"])
def test_the_script_passes_values_verbatim(tmp_path: Path, case: str, event: str) -> None:
    value = HOSTILE[case]
    environment = {name.encode(): value for name in NAMES}
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), event],
        env={b"PATH": b"/usr/bin:/bin", **environment},
        capture_output=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(done.stdout.split(b"\0")) == sorted([*(name + b"=" + value for name in environment), b""])
    assert not list(tmp_path.iterdir())


def test_script_and_reader_agree() -> None:
    values = {b"ip": b"10.77.0.173", b"boot_file": b"$(reboot)\n`x`", b"opt209": b"6d", b"domain": b"a'b\"c"}
    got = udhcpc.message(script("bound", values), CHADDR)
    assert (got.file, got.options[209], got.options[15]) == (b"$(reboot)\n`x`", b"m", b"a'b\"c")


@pytest.mark.parametrize("event", ["deconfig", "leasefail", "nak", "", "bound2"])
def test_the_script_is_silent_without_a_lease(event: str) -> None:
    assert script(event, {b"ip": b"10.77.0.173"}) == b""


def test_argv() -> None:
    words = udhcpc.argv("/u", "/s", "eth0", None, {60: b"PXEClient:Arch", 93: b"\0\0"})
    assert words[0] == "/u" and words[words.index("-s") + 1] == "/s"
    assert words[words.index("-i") + 1] == "eth0" and "-M" not in words
    assert words[words.index("-V") + 1] == "PXEClient:Arch" and "0x5d:0000" in words
    foreign = udhcpc.argv("/u", "/s", "eth0", MAC, {})
    assert foreign[foreign.index("-M") + 1] == MAC
