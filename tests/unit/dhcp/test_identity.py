"""What a PXE client says of itself, what boot files mean, and the names of configurations."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from pypxeboot.bootsource import BootSource, Kind, kind_of_content, kind_of_name, source_of_chained
from pypxeboot.dhcp.boot_info import boot_source
from pypxeboot.dhcp.identity import PARAMETER_REQUEST, arch_code, identity, identity_of, vendor_class
from pypxeboot.errors import NoBootSource, Refused, UsageError
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.plan import Plan
from pypxeboot.syslinux.config.search import config_names
from pypxeboot.url import Location
from tests.support.recorded.replay import GUEST, LEASE


@pytest.mark.parametrize(
    "name, kind",
    [
        ("pxelinux.0", Kind.PXELINUX),
        ("boot/px/lpxelinux.0", Kind.PXELINUX),
        ("gpxelinux.0", Kind.PXELINUX),
        ("bios\\PXELINUX.0", Kind.PXELINUX),
        ("syslinux.efi", Kind.PXELINUX),
        ("syslinux64.efi", Kind.PXELINUX),
        ("other.0", Kind.PXELINUX),
        ("boot\\x64\\wdsnbp.com", Kind.PXELINUX),
        ("http://h/x/lpxelinux.0?a=b", Kind.PXELINUX),
        ("undionly.kpxe", Kind.IPXE_BINARY),
        ("undionly-20240101.kpxe", Kind.IPXE_BINARY),
        ("ipxe.efi", Kind.IPXE_BINARY),
        ("ipxe-x86_64.efi", Kind.IPXE_BINARY),
        ("snponly.efi", Kind.IPXE_BINARY),
        ("undionly.0", Kind.IPXE_BINARY),
        ("ipxe.pxe", Kind.IPXE_BINARY),
        ("netboot.xyz.efi", Kind.IPXE_BINARY),
        ("netboot.xyz-undionly.kpxe", Kind.IPXE_BINARY),
        ("ipxe.lkrn", Kind.IPXE_BINARY),
        ("boot.ipxe", Kind.IPXE),
        ("http://h/menu.ipxe?mac=1", Kind.IPXE),
        ("vmlinuz-6.1", Kind.KERNEL),
        ("images/bzImage", Kind.KERNEL),
        ("boot/foo", Kind.UNKNOWN),
        ("ipxe.php", Kind.UNKNOWN),
        ("grubx64.efi", Kind.GRUB),
        ("boot/grub/i386-pc/core.0", Kind.GRUB),
        ("grub/grub.0", Kind.GRUB),
        ("shimx64.efi.signed", Kind.GRUB),
        ("bootx64.efi", Kind.UNKNOWN),
    ],
)
def test_kind_of_name(name: str, kind: Kind) -> None:
    assert kind_of_name(name) is kind


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"#!ipxe\nboot", Kind.IPXE),
        (b"#!gpxe \n", Kind.IPXE),
        (b"#!ipxe", Kind.PXELINUX),
        (b"#!ipxeboot\n", Kind.PXELINUX),
        (bytes(0x202) + b"HdrS", Kind.KERNEL),
        (b"\x7fELF\x02", Kind.KERNEL),
        (bytes(0x38) + b"ARM\x64", Kind.KERNEL),
        (b"\xfa\xfc anything", Kind.PXELINUX),
        (b"", Kind.PXELINUX),
    ],
)
def test_judge_by_content(data: bytes, kind: Kind) -> None:
    assert kind_of_content(data) is kind


def test_boot_source_of_a_plain_lease() -> None:
    lease = replace(LEASE, bootfile="/boot/px/pxelinux.0")
    file = Location("tftp", "10.77.0.1", "/boot/px/pxelinux.0")
    assert boot_source(lease) == BootSource(Kind.PXELINUX, "10.77.0.1", "::/boot/px/", None, file)


@pytest.mark.parametrize(
    "options, config, prefix",
    [
        ({209: b"cfg/x", 210: b"pre"}, "cfg/x", "::pre"),
        ({209: b"cfg/x\0", 210: b"pre/\0\xff"}, "cfg/x", "::pre/"),
        ({209: b"cfg/x\xff", 210: b"http://h/p/"}, "cfg/x", "http://h/p/"),
        ({43: b"\xd1\x01c\xd2\x02p/\xff"}, "c", "::p/"),
        ({43: b"\x06\x01\x08\xd1\x01c\xff\xd2\x02p/"}, "c", "::"),
        ({43: b"\xd1\x01c", 209: b"d"}, "d", "::"),
        ({43: b"\xd1\xffc"}, None, "::"),
        ({43: b"\0\0\0\xd1"}, None, "::"),
        ({43: b"\xff"}, None, "::"),
    ],
)
def test_options_209_and_210(options: dict[int, bytes], config: str, prefix: str) -> None:
    source = boot_source(replace(LEASE, options=options))
    assert (source.config_file, source.prefix) == (config, prefix)


def test_arguments_override_the_lease() -> None:
    lease = replace(LEASE, options={209: b"cfg/x", 210: b"pre"})
    source = boot_source(lease, server="files", bootfile="undionly.kpxe", config="c", path_prefix="q/")
    file = Location("tftp", "files", "undionly.kpxe")
    assert source == BootSource(Kind.PXELINUX, "files", "::q/", "c", file)


def test_a_boot_file_that_is_a_url() -> None:
    source = boot_source(replace(LEASE, next_server=None, server_id=None, bootfile="http://h/x/pxelinux.0"))
    assert (source.kind, source.server, source.prefix) == (Kind.PXELINUX, None, "http://h/x/")


def test_the_dhcp_server_boots_where_siaddr_is_empty() -> None:
    assert boot_source(replace(LEASE, next_server=None)).server == "10.77.0.1"


def test_nothing_to_boot() -> None:
    with pytest.raises(NoBootSource):
        boot_source(replace(LEASE, bootfile=""))
    assert boot_source(replace(LEASE, bootfile=""), config="c").kind is Kind.PXELINUX
    assert boot_source(replace(LEASE, bootfile="", options={210: b""})).prefix == "::"


def test_boot_item_of_type_0_is_the_disk() -> None:
    lease = replace(LEASE, bootfile="", options={43: b"\x06\x01\x08\x47\x04\0\0\0\0\xff"})
    assert boot_source(lease).kind is Kind.LOCAL


@pytest.mark.parametrize("value", [b"a\nb", b"a\x1b[2Jb", b"a\x7f", "a\u202eb".encode(), b"caf\xe9"])
def test_names_with_odd_characters_are_refused_and_shown_escaped(value: bytes) -> None:
    with pytest.raises(Refused) as caught:
        boot_source(replace(LEASE, options={209: value}))
    assert caught.value.message.isprintable() and "option 209" in caught.value.message
    with pytest.raises(Refused):
        boot_source(replace(LEASE, bootfile=value.decode("utf-8", "surrogateescape")))


def test_config_names_in_order() -> None:
    assert config_names(GUEST, LEASE) == (
        "pxelinux.cfg/2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b",
        "pxelinux.cfg/8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b",
        "pxelinux.cfg/01-52-54-00-ab-cd-ef",
        "pxelinux.cfg/0A4D00AD",
        "pxelinux.cfg/0A4D00A",
        "pxelinux.cfg/0A4D00",
        "pxelinux.cfg/0A4D0",
        "pxelinux.cfg/0A4D",
        "pxelinux.cfg/0A4",
        "pxelinux.cfg/0A",
        "pxelinux.cfg/0",
        "pxelinux.cfg/default",
    )


@pytest.mark.parametrize("uuid", [None, "00000000-0000-0000-0000-000000000000"])
def test_no_uuid_no_uuid_names(uuid: str) -> None:
    names = config_names(replace(GUEST, uuid=uuid), replace(LEASE, htype=32))
    assert names[0] == "pxelinux.cfg/20-52-54-00-ab-cd-ef"


def test_architecture_names_only_when_asked_for() -> None:
    assert config_names(GUEST, LEASE, ["arm64"])[-3:] == (
        "pxelinux.cfg/default.arm64",
        "pxelinux.cfg/default-arm64",
        "pxelinux.cfg/default",
    )


@pytest.mark.parametrize(
    "profile, arch, code, text",
    [
        ("pxelinux", "x86_64", 0, "PXEClient:Arch:00000:UNDI:002001"),
        ("ipxe", "aarch64", 11, "PXEClient:Arch:00011:UNDI:003010"),
        ("http", "x86_64", 16, "HTTPClient:Arch:00016:UNDI:003001"),
        ("http", "arm64", 19, "HTTPClient:Arch:00019:UNDI:003001"),
        ("efi", "x86_64", 7, "PXEClient:Arch:00007:UNDI:003010"),
        ("efi", "i386", 6, "PXEClient:Arch:00006:UNDI:003010"),
        ("efi", "arm64", 11, "PXEClient:Arch:00011:UNDI:003010"),
    ],
)
def test_who_the_client_says_it_is(profile: str, arch: str, code: int, text: str) -> None:
    assert arch_code(profile, arch) == code
    assert vendor_class(code) == text


def test_an_architecture_without_a_number() -> None:
    for profile in ("http", "efi"):
        with pytest.raises(UsageError):
            arch_code(profile, "s390x")


@pytest.mark.parametrize(
    "profile, code, text",
    [
        ("pxelinux", 9, b"PXEClient:Arch:00009:UNDI:003010"),
        ("ipxe", 7, b"PXEClient:Arch:00007:UNDI:003010"),
        ("http", 20, b"HTTPClient:Arch:00020:UNDI:003001"),
        ("pxelinux", 16, b"HTTPClient:Arch:00016:UNDI:003001"),
    ],
)
def test_an_architecture_by_number(profile: str, code: int, text: bytes) -> None:
    options = identity_of(Plan(GUEST, profile=profile, client_arch=code))
    assert (options[93], options[60]) == (code.to_bytes(2, "big"), text)
    assert (77 in options) == (profile == "ipxe")
    own = identity_of(Plan(GUEST, profile=profile, client_arch=code, vendor_class="PXEClient"))
    assert own[60] == b"PXEClient"


def test_http_boot_has_architectures_of_its_own() -> None:
    with pytest.raises(UsageError):
        identity_of(Plan(GUEST, profile="http", client_arch=7))


def test_identity_options() -> None:
    options = identity(GUEST, 0)
    assert options[93] == b"\0\0" and options[94] == b"\x01\x02\x01"
    assert options[97] == bytes.fromhex("00 2e1f3a8c 6d5b 7f4e 9a0b 1c2d3e4f5a6b")
    assert 97 not in identity(Guest(mac=GUEST.mac), 0)
    assert len(set(PARAMETER_REQUEST)) == len(PARAMETER_REQUEST)
    assert {1, 3, 6, 43, 54, 60, 66, 67, 97, 121, 128, 135, 150, 208, 209, 210, 211} <= set(PARAMETER_REQUEST)


@pytest.mark.parametrize(
    "name, config, prefix, server, new_prefix",
    [
        ("sub/pxelinux.0", None, None, "10.77.0.1", "::sub/"),
        ("10.0.0.9::x/pxelinux.0", "c", "p/", "10.0.0.9", "::p/"),
        ("http://h/y/lpxelinux.0", None, None, "10.77.0.1", "http://h/y/"),
    ],
)
def test_a_chained_pxelinux(name: str, config: str, prefix: str, server: str, new_prefix: str) -> None:
    source = source_of_chained(boot_source(LEASE), name, config, prefix)
    assert (source.server, source.prefix, source.config_file) == (server, new_prefix, config)


def test_a_lease_that_was_given_by_hand() -> None:
    lease = Lease(address=IPv4Address("192.0.2.7"), prefix_length=24)
    source = boot_source(lease, server="192.0.2.1", bootfile="pxelinux.0")
    assert source.bootfile == Location("tftp", "192.0.2.1", "pxelinux.0")
