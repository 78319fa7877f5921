"""The lab: its rules without a network, then the whole of it in namespaces."""

from __future__ import annotations

import os
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Optional

import dns.message
import pytest

from pypxeboot.dhcp import message as dhcp
from pypxeboot.kernel import identify
from pypxeboot.lab import dhcp_server, main, namespaces, replies, sample_tree, servers
from tests.support.ground import tools

MAC = bytes.fromhex("5254000a0b0c")
SITE = dhcp_server.Site(
    network=namespaces.NETWORK,
    server=namespaces.SERVER,
    first=servers.FIRST,
    last=servers.FIRST + 2,
    bootfile="pxelinux.0",
    prefix="http://10.77.0.1/",
    hosts={"52:54:00:00:00:01": IPv4Address("10.77.0.50")},
)

# ---- DHCP


def ask(
    server: dhcp_server.Server,
    kind: int,
    mac: bytes = MAC,
    ciaddr: str = "0.0.0.0",
    *,
    requested: str = "",
    chosen: str = "",
) -> Optional[dhcp.Message]:
    """What the server answers."""
    body = bytes([1, 1, 6, 0]) + b"\1\2\3\4" + bytes(2) + b"\x80\0" + IPv4Address(ciaddr).packed + bytes(12)
    body += mac.ljust(16, b"\0") + bytes(192) + dhcp.MAGIC + bytes([53, 1, kind])
    for code, value in ((50, requested), (54, chosen)):
        body += bytes([code, 4]) + IPv4Address(value).packed if value else b""
    reply, line = server.answer(body + b"\xff")
    assert line.isprintable()
    if reply is None:
        return None
    assert len(reply) >= 300
    message = dhcp.decode(reply)
    assert message.xid == 0x01020304 and message.chaddr == mac and message.server_id == namespaces.SERVER
    return message


def address(message: Optional[dhcp.Message]) -> str:
    return str(message.yiaddr) if message else ""


def kind(message: Optional[dhcp.Message]) -> Optional[int]:
    return message.type if message else None


def test_lease_from_discover_to_ack() -> None:
    server = dhcp_server.Server(SITE)
    offer = ask(server, 1)
    assert offer
    assert (offer.type, str(offer.yiaddr), str(offer.siaddr)) == (2, "10.77.0.100", "10.77.0.1")
    ack = ask(server, 3, requested="10.77.0.100", chosen="10.77.0.1")
    assert ack and ack.type == 5 and ack.yiaddr == offer.yiaddr
    assert ack.options[67] == b"pxelinux.0" and ack.options[210] == b"http://10.77.0.1/"
    assert ack.options[1] == bytes([255, 255, 255, 0]) and ack.options[51] == (3600).to_bytes(4, "big")
    assert kind(ask(server, 3, ciaddr="10.77.0.100")) == 5  # renewing


def test_addresses_stay_with_their_mac_and_run_out() -> None:
    server = dhcp_server.Server(SITE)
    given = [address(ask(server, 1, bytes([2, 0, 0, 0, 0, n]))) for n in (1, 2, 1, 3, 4)]
    assert given == ["10.77.0.100", "10.77.0.101", "10.77.0.100", "10.77.0.102", ""]


def test_wish_is_granted_if_free() -> None:
    server = dhcp_server.Server(SITE)
    assert address(ask(server, 1, requested="10.77.0.102")) == "10.77.0.102"
    assert address(ask(server, 1, b"\2\0\0\0\0\1", requested="10.77.0.102")) == "10.77.0.100"
    assert address(ask(server, 1, b"\2\0\0\0\0\2", requested="10.77.0.50")) == "10.77.0.101"


def test_static_address() -> None:
    server = dhcp_server.Server(SITE)
    assert address(ask(server, 1, bytes.fromhex("525400000001"))) == "10.77.0.50"


def test_wrong_requests_are_denied_or_left_alone() -> None:
    server = dhcp_server.Server(SITE)
    ask(server, 1)
    assert kind(ask(server, 3, requested="10.77.0.102", chosen="10.77.0.1")) == 6
    assert kind(ask(server, 3, requested="10.77.0.100", chosen="10.77.0.9")) is None  # another server's
    assert kind(ask(server, 3, b"\2\0\0\0\0\1", requested="192.168.1.5")) == 6  # of another network
    assert kind(ask(server, 3, b"\2\0\0\0\0\1", requested="10.77.0.101")) is None  # not known here
    assert kind(ask(server, 7)) is None
    assert kind(ask(server, 4)) is None
    assert address(ask(server, 1)) == "10.77.0.101"  # the declined one is not given again
    assert kind(ask(server, 8, ciaddr="10.77.0.7")) == 5


@pytest.mark.parametrize(
    "payload", [b"", bytes(239), bytes(300), b"\2" + bytes(235) + dhcp.MAGIC + b"\x35\1\1\xff"]
)
def test_garbage_gets_no_answer(payload: bytes) -> None:
    assert dhcp_server.Server(SITE).answer(payload)[0] is None


# ---- DNS and TFTP


def test_dns() -> None:
    names = {"boot.lab.test": namespaces.SERVER}
    for name, type_, answers, code in (
        ("Boot.lab.test", "A", ["10.77.0.1"], 0),
        ("boot.lab.test", "AAAA", [], 0),
        ("other.lab.test", "A", [], 3),
    ):
        query = dns.message.make_query(name, type_)
        reply = dns.message.from_wire(replies.dns_answer(query.to_wire(), names))
        assert query.is_response(reply) and reply.rcode() == code
        assert [str(item) for rrset in reply.answer for item in rrset] == answers


@pytest.mark.parametrize(
    "query", [b"", bytes(11), bytes(12), b"\0\0\x80\0" + bytes(12), bytes(5) + b"\1" + bytes(6)]
)
def test_dns_of_garbage(query: bytes) -> None:
    assert replies.dns_answer(query, {}) == b""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", (512, 1, b"")),
        (b"blksize\x001408\0tsize\x000\0", (1408, 1, b"\0\6blksize\x001408\0tsize\x0099\0")),
        (b"BLKSIZE\x0065464\0windowsize\x0064\0", (1428, 16, b"\0\6blksize\x001428\0windowsize\x0016\0")),
        (b"blksize\0abc\0windowsize\0-1\0x", (512, 1, b"")),
    ],
)
def test_tftp_options(options: bytes, expected: tuple[int, int, bytes]) -> None:
    assert replies.tftp_options(b"\0\1file\0octet\0" + options, 99) == expected


# ---- the tree


def test_stub_is_taken_for_a_kernel() -> None:
    image = sample_tree.stub_kernel()
    info = identify.identify(image, len(image))
    assert (info.format, info.arch, info.boots, info.release) == (
        "bzImage",
        "x86_64",
        ("qemu",),
        "0.0 (stub) #1",
    )


def test_archives_are_read_by_cpio(tmp_path: Path) -> None:
    archive = (
        sample_tree.initramfs(b"\x7fELF" + bytes(999))
        + sample_tree.sample(kernel=None, initrd=None)["motd.img"]
    )
    busybox = tools.need("busybox")
    subprocess.run(
        [busybox, "cpio", "-idm"], input=archive[: 1 << 20], cwd=tmp_path, check=True, capture_output=True
    )
    assert (tmp_path / "bin/busybox").stat().st_size == 1003
    assert os.access(tmp_path / "init", os.X_OK)
    assert "the guest is up" in (tmp_path / "init").read_text()


def test_needs_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main.main(["run"]) == 2
    assert "need root" in capsys.readouterr().err
