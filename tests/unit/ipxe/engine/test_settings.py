"""Settings of iPXE scripts: types, names, blocks, and where a name is looked up."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.guest import Guest
from pypxeboot.ipxe.engine import settings as tree
from pypxeboot.ipxe.engine.setting_types import (
    TYPES,
    BadValue,
    NotSupported,
    Unformattable,
    number,
    uri_escape,
)
from pypxeboot.ipxe.engine.settings import Settings, parse_name
from pypxeboot.lease import Lease
from tests.support.recorded import replay


def shown(*lines: str, text: str, lease: Lease = replay.LEASE, guest: Guest = replay.GUEST) -> str:
    """What ``echo`` prints of ``text`` after ``lines``."""
    source = "\n".join(["#!ipxe", *lines, f"echo >{text}<", ""])
    _, played = replay.script(source, lease=lease, guest=guest)
    return played.printed[played.printed.index(">") + 1 : played.printed.rindex("<")]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int32", "abc"), ("int8", "1x"), ("hex", "1b:xx"), ("hexraw", "abc g"), ("ipv4", "1.2.3"),
     ("ipv4", "1.2.3.256"), ("ipv6", "::g"), ("base64", "!"), ("uuid", "0001")],
)  # fmt: skip
def test_values_that_are_none(kind: str, text: str) -> None:
    with pytest.raises(BadValue):
        TYPES[kind].parse(text)


@pytest.mark.parametrize("text", ["0", "-1", "+7", "0x1F", "017", " 5", "4294967296", "0x"])
def test_numbers_of_c(text: str) -> None:
    expected = {"0": 0, "-1": 0xFFFFFFFF, "+7": 7, "0x1F": 31, "017": 15, " 5": 5, "4294967296": 0, "0x": 0}
    assert number(text) == expected[text]


@pytest.mark.parametrize("text", ["x", "1 2", "", "08", "١", "--1", "1" * 200])
def test_no_numbers_of_c(text: str) -> None:
    assert number(text) is None


@given(st.sampled_from(sorted(TYPES)), st.binary(max_size=64))
def test_any_bytes_are_shown_or_not(kind: str, raw: bytes) -> None:
    try:
        assert isinstance(TYPES[kind].format(raw), str)
    except Unformattable:
        pass


@given(st.sampled_from(sorted(TYPES)), st.text(max_size=64))
def test_any_text_is_stored_or_refused(kind: str, text: str) -> None:
    try:
        assert isinstance(TYPES[kind].parse(text), bytes)
    except (BadValue, NotSupported, UnicodeEncodeError):
        pass


def test_escapes_of_uris() -> None:
    assert uri_escape(b"a b%/#:@?=&+c\x80\n~_.-!") == "a%20b%25%2F%23%3A%40%3F%3D%26%2Bc%80%0A~_.-!"


def test_names_and_numbers_are_the_same_setting() -> None:
    assert parse_name("filename").key == parse_name("67").key == parse_name("0x43:string").key
    assert parse_name("username").key == parse_name("175.190").key
    assert parse_name("net0/foo") == tree.Name("net0", "foo", "foo", None)
    with pytest.raises(tree.NoSuchType):
        parse_name("a:nosuch")


def test_what_a_guest_finds() -> None:
    guest = Guest(
        mac="52:54:00:ab:cd:ef", uuid="8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", smbios={"SYSSERIAL": "S1"}
    )
    text = "${uuid} ${smbios/serial} ${serial} ${smbios/1.7.0} ${manufacturer}"
    text += " ${platform} ${buildarch} ${version}"
    assert shown(text=text, guest=guest) == (
        "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b S1 S1 S1 QEMU pcbios x86_64 2.0.0"
    )
    text = "${netX/mac} ${net0/chip} ${busid} ${linktype} ${smbios/product} ${net1/mac} ${cpuid/vendor}."
    assert shown(text=text) == (
        "52:54:00:ab:cd:ef virtio-net 01:1a:f4:10:00 Ethernet Standard PC (i440FX + PIIX, 1996)  ."
    )
    assert shown(text="${manufacturer} ${product}", guest=Guest(mac=guest.mac, hypervisor="xen")) == (
        "Xen HVM domU"
    )


def test_what_dhcp_gave() -> None:
    lease = Lease(
        address=IPv4Address("10.0.0.9"),
        prefix_length=20,
        routers=(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")),
        dns=(IPv4Address("10.0.0.53"),),
        domain="example.org",
        server_id=IPv4Address("10.0.0.3"),
        next_server="10.0.0.4",
        bootfile="x.ipxe",
        options={
            12: b"host\0",
            17: b"nfs:/r",
            26: b"\x05\xdc",
            43: b"\x74\x03abc\xff",
            175: b"\x01\x01\xff",
            209: b"cfg",
        },
    )
    text = "${ip} ${netmask} ${gateway} ${dns} ${domain} ${dhcp-server} ${next-server} ${filename}"
    assert shown(text=text, lease=lease) == (
        "10.0.0.9 255.255.240.0 10.0.0.1 10.0.0.53 example.org 10.0.0.3 10.0.0.4 x.ipxe"
    )
    text = "${hostname} ${root-path} ${mtu} ${43.116:string} ${175.1:int8} ${priority}"
    text += " ${209} ${209:string} ${43.9}."
    assert shown(text=text, lease=lease) == "host nfs:/r 1500 abc -1 -1 cfg cfg ."


def test_what_a_script_sets_hides_what_dhcp_gave_until_it_is_cleared() -> None:
    lines = ["set net0/filename card", "set filename root"]
    assert shown(*lines, text="${filename} ${net0/filename} ${net0.dhcp/filename}") == "root card pxelinux.0"
    lines += ["clear filename", "clear net0/filename"]
    assert shown(*lines, text="${filename}") == "pxelinux.0"


def test_new_blocks_come_with_set() -> None:
    lines = ["set my.block/x:int8 7", "set own/y z"]
    assert shown(*lines, text="${my.block/x} ${own/y} ${x} ${nosuch/y}") == "7 z 7 "


def test_own_settings_cannot_be_set() -> None:
    assert shown("set builtin/version 1 || set failed yes", text="${version} ${failed}") == "2.0.0 yes"


@pytest.mark.parametrize(
    ("lines", "text", "expected"),
    [
        (["set a ${", "set b }"], "${a} ${b}", "${ }"),
        (["set a b}", "set b c"], "${${a}", "c"),
        (["set s:hex 61:00:62"], "${s:string}", "a"),
        (["set b c", "set c d"], "${${b}}", "d"),
        ([], "${no:type} ${} ${/} ${:} ${a/b/c} $ {x} $", "     $ {x} $"),
        (["set a 1", "inc a"], "${a}", "1"),
        (["set a:uint8 0xff", "inc a"], "${a}", "0x0"),
        (["set a:hex ff", "inc a"], "${a}", "ff"),
        (["inc a 5", "inc a -2"], "${a}", "3"),
        (["inc a x ||"], "[${a}]", "[]"),
    ],
)
def test_expansion(lines: list[str], text: str, expected: str) -> None:
    assert shown(*(f"{line} ||" for line in lines), text=text) == expected


def test_show_names_the_place() -> None:
    _, played = replay.script("#!ipxe\nset x:int8 5\nshow x\nshow ip\nshow --quiet x\nshow nosuch ||\n")
    assert played.printed.splitlines()[-4:] == [
        "x:int8 = 5",
        "net0.dhcp/ip:ipv4 = 10.77.0.173",
        "5",
        'Could not find "nosuch": No such file or directory (https://ipxe.org/2d0c203b)',
    ]


def test_the_clock() -> None:
    assert shown("sleep 3", text="${unixtime:int32}") == "1800000003"


def test_settings_have_a_bound() -> None:
    settings = Settings()
    with pytest.raises(tree.Full):
        for number_ in range(1000):
            settings.store(parse_name(f"s{number_}"), "x" * 10_000)
