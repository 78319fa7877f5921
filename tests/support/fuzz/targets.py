"""The targets of the fuzzer: a function of bytes for every entry point that takes a stranger's.

``TARGETS`` has them by name. What a function raises is a finding: it suppresses what its entry point
documents, and nothing else. Seeds are in ``tests/data/fuzz/NAME``.
"""

from __future__ import annotations

import io
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from ipaddress import IPv6Address
from typing import Any, Callable
from unittest import mock

import dns.message

from pypxeboot import url
from pypxeboot.bootsource import BootRequest
from pypxeboot.client import pxe_menu as menus
from pypxeboot.client import script_files
from pypxeboot.dhcp import boot_info, ethernet, lease6, message, message6, neighbor, pxe_options, udhcpc
from pypxeboot.dhcp.client import Send
from pypxeboot.dhcp.client6 import Dhcp6Client
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import Denied
from pypxeboot.entry import Choice
from pypxeboot.errors import ConfigError, InternalError, PxeBootError, Refused
from pypxeboot.explain import packets
from pypxeboot.explain.capture_file import BadCapture, CapturedFrame, frames
from pypxeboot.explain.timeline import Timeline
from pypxeboot.fetch import ftp
from pypxeboot.fetch.http import auth
from pypxeboot.fetch.http import client as http
from pypxeboot.fetch.http import message as http_message
from pypxeboot.fetch.request import Data, FetchRequest
from pypxeboot.fetch.tftp import client as tftp
from pypxeboot.guest import MONITORS, Target
from pypxeboot.ipxe.engine import setting_types, stack
from pypxeboot.ipxe.engine.images import Image, cpio_headers
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.kernel import cpio, elf, extract, identify, uki
from pypxeboot.kernel.unpack import Broken, Unknown, UnpackedFile
from pypxeboot.lua import pattern
from pypxeboot.lua import script as lua
from pypxeboot.net import pcap
from pypxeboot.net.resolver import Resolver
from pypxeboot.schema import pack
from pypxeboot.signing import signature
from pypxeboot.syslinux.loader import boot as ldlinux
from pypxeboot.syslinux.menu import passwords
from pypxeboot.text import decode, encode, printable
from pypxeboot.uboot import boot as uboot
from pypxeboot.url import Location
from pypxeboot.wire import FileView
from tests.support.fuzz import grub_targets, host_targets, scripted
from tests.support.ground import tools
from tests.support.recorded import replay
from tests.support.samples import dhcp as dhcp_samples

SEEDS = tools.DATA / "fuzz"
MAC = b"\x52\x54\x00\xab\xcd\xef"
LINK_LOCAL = IPv6Address("fe80::1")
HERE = Location("http", "10.77.0.3", "k")
KEYS = "enter escape tab up down f1 a 1 ctrl-e backspace page-down right delete left home end".split()
NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)
_LIMIT = 1 << 20


class Got:
    """A sink in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def expect(self, size: int) -> None:
        """Take a size, which no server may make negative."""
        assert size >= 0

    def write(self, piece: Data) -> None:
        """Keep a piece."""
        self.content += piece


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """Return a ``ReadAt`` of ``data``."""
    return lambda offset, count: data[offset : offset + count]


def ends(act: Callable[[], object]) -> None:
    """Run what may end with an error of the project, which must be one that somebody foresaw."""
    try:
        act()
    except InternalError as why:
        raise AssertionError(why.message) from why
    except PxeBootError as why:
        printable(why.message), encode(why.message)


def check_choice(choice: Choice) -> None:
    """Check that a choice can be handed over as far as its text goes."""
    entry = choice.entry
    locations = [entry.kernel, *entry.initrds, entry.dtb, *(module.location for module in entry.modules)]
    pack(
        (
            entry.cmdline[:1000],
            entry.title[:1000],
            entry.label,
            *(str(one)[:1000] for one in locations if one),
        )
    )


def dhcp4(data: bytes) -> None:
    """A DHCP message, to the lease and what it says about booting."""
    with suppress(BadMessage):
        said = message.decode(data)
        answer = message.pxe_answer(said, b"PXEClient")
        services = pxe_options.of(said.options) if answer is None else pxe_options.of(answer.options)
        assert services is None or services.counts("x") in (True, False)
        lease, remarks = message.lease_of(said)
        assert all(printable(remark) for remark in remarks)
        ends(lambda: boot_info.boot_source(lease))


def dhcp6(data: bytes) -> None:
    """A DHCPv6 message, to the lease."""
    with suppress(BadMessage, Denied):
        said = message6.decode(data)
        lease, _remarks = lease6.lease_of(said, LINK_LOCAL, b"\1\2\3\4", MAC, ())
        ends(lambda: boot_info.boot_source(lease))


def dhcp4_states(data: bytes) -> None:
    """Messages of DHCP servers, one after the other, to a client that has asked for them."""
    machine = dhcp_samples.client()
    now, steps = 1.0, machine.start(1.0)
    for piece in scripted.split(data)[:40]:
        with suppress(BadMessage):
            said = replace(message.decode(piece), xid=machine.xid, chaddr=MAC, op=message.BOOTREPLY)
            steps += machine.receive(said, now)
        now = max(machine.deadline, now + 1)
        steps += machine.tick(now)
    for step in steps:
        if isinstance(step, Send):
            message.decode(message.request(step.xid, MAC, step.options, secs=step.secs))


def dhcp6_states(data: bytes) -> None:
    """Messages of DHCPv6 servers and routers likewise; the first byte of a router's is its type."""
    machine = Dhcp6Client(MAC, b"\0\3\0\1" + MAC, 1, {})
    now, steps = 1.0, machine.start(1.0)
    for piece in scripted.split(data)[:40]:
        with suppress(BadMessage):
            if piece[:1] == bytes((neighbor.ROUTER_ADVERT,)):
                steps += machine.receive_advertisement(neighbor.decode(piece, LINK_LOCAL, 255), now)
            else:
                said = replace(message6.decode(piece), xid=machine.xid)
                steps += machine.receive(said, LINK_LOCAL, now)
        now += 1
        steps += machine.tick(now)
    assert steps


def router(data: bytes) -> None:
    """A router advertisement, to the lease."""
    with suppress(BadMessage, Denied):
        found = neighbor.decode(data, LINK_LOCAL, 255)
        lease6.lease_of(None, None, b"\1\2\3\4", MAC, (found,))


def frame(data: bytes) -> None:
    """An Ethernet frame in which a DHCP reply may be."""
    header = 14 + (data[14] & 15) * 4 if len(data) > 14 else 0
    ethernet.reply_payload(data, int.from_bytes(data[header + 12 : header + 16], "big"))
    pcap.summary(data)


def udhcpc_words(data: bytes) -> None:
    """What a udhcpc wrote."""
    with suppress(BadMessage):
        message.lease_of(udhcpc.message(data, MAC))


def pxelinux(data: bytes) -> None:
    """A configuration of PXELINUX, to what boots when nobody types."""
    ends(lambda: check_choice(replay.boot(data, files={"inc": data, "t": data})))


def pxelinux_list(data: bytes) -> None:
    """A configuration of PXELINUX, to the list of its entries."""
    served = replay.serving({"k": "@kernel", "pxelinux.cfg/default": data})
    request = BootRequest(boot_info.boot_source(replay.LEASE), replay.GUEST, replay.LEASE)
    ends(lambda: served.drive(ldlinux.entries(request)))


def menu(data: bytes) -> None:
    """Keys (the first bytes), and the configuration that they are pressed in."""
    pressed = [KEYS[byte & 15] for byte in data[1 : 1 + (data[0] & 15 if data else 0)]]
    config = data[1 + len(pressed) :]
    ends(lambda: check_choice(replay.attended(config, pressed, files={"t": config})[0]))


def uboot_config(data: bytes) -> None:
    """A configuration of U-Boot."""
    served = replay.serving({"k": "@kernel", "pxelinux.cfg/default": data, "inc": data})
    source = uboot.uboot_source(boot_info.boot_source(replay.LEASE), None)
    request = BootRequest(source, replay.GUEST, replay.LEASE)
    ends(lambda: check_choice(served.drive(uboot.boot(request))))


def ipxe(data: bytes) -> None:
    """An iPXE script, to what it boots."""
    with mock.patch.object(stack, "STEP_LIMIT", 3000):  # enough for what is not a loop
        ends(lambda: check_choice(replay.script(b"#!ipxe\n" + data, files={"x": data})[0]))


def uri(data: bytes) -> None:
    """A URI of a script, a name of PXELINUX's, and both shown again."""
    text = decode(data)
    with suppress(ConfigError):
        shown = Uri.of(Uri.parse(text).resolve(Uri.parse("http://h/a/b?c")).locate())
        encode(str(shown)), encode(shown.name)
    with suppress(ConfigError):
        location = url.resolve(text, "http://h/x/", "10.77.0.1")
        assert url.parse(str(location), None).host == location.host


def settings(data: bytes) -> None:
    """A value of each type of iPXE's settings, parsed and shown."""
    for kind in setting_types.TYPES.values():
        with suppress(setting_types.BadValue, setting_types.NotSupported, setting_types.Unformattable):
            encode(kind.format(kind.parse(decode(data))))
        with suppress(setting_types.Unformattable):
            encode(kind.format(data))


def http_answer(data: bytes) -> None:
    """Answers of a web server, one a connection."""
    got, deadline = Got(), time.monotonic() + 1
    more = {"expect": got.expect, "user": "u", "as_ipxe": True}
    with scripted.connections(scripted.split(data)):
        ends(lambda: http.get(str(HERE), got.write, limit=_LIMIT, deadline=deadline, **more))


def http_fields(data: bytes) -> None:
    """The fields of an answer by themselves."""
    text, here = data.decode("latin-1"), http_message.parse(str(HERE))
    ends(lambda: http_message.redirect_target(here, 302, [text]))
    ends(lambda: http_message.content_length(here, [text]))
    ends(lambda: http_message.chunk_size(here, data))
    ends(lambda: http_message.is_chunked(here, [text], []))
    ends(lambda: http_message.check_encoding(here, [text]))
    http_message.retry_after(503, [text])
    said = auth.answer([text], decode(data[:4]), decode(data[:4]), method="GET", target="/k", cnonce="0")
    assert said is None or "\n" not in said


def tftp_packets(data: bytes) -> None:
    """Packets of a TFTP server."""
    got = Got()
    with scripted.conversation(scripted.split(data)):
        deadline = time.monotonic() + 10
        ends(lambda: tftp.get("h", b"k", got.write, limit=_LIMIT, deadline=deadline, expect=got.expect))


def ftp_replies(data: bytes) -> None:
    """What an FTP server says, and the files that it sends."""
    request = FetchRequest(Location("ftp", "10.77.0.3", "k"), _LIMIT, time.monotonic() + 10)
    with scripted.connections(scripted.split(data)):
        ends(lambda: ftp.get(request, Got()))


class ScriptedResolver(Resolver):
    """A resolver that is given an answer."""

    answer = b""

    def _exchange(self, query: Any, server: str, deadline: float) -> Any:
        del server, deadline
        reply = dns.message.from_wire(query.id.to_bytes(2, "big") + self.answer)
        if not isinstance(reply, dns.message.QueryMessage) or not query.is_response(reply):
            raise dns.exception.FormError  # as dns.query does with what answers another question
        return reply


def dns_answer(data: bytes) -> None:
    """An answer of a name server, less its identifier."""
    resolver = ScriptedResolver(["10.77.0.1"])
    resolver.answer = data
    with suppress(socket.gaierror):
        for address in resolver.addresses("host.lab"):
            socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def kernel(data: bytes) -> None:
    """A file that may be a kernel, for whoever boots it."""
    read_at = reader(data)
    with suppress(Refused):
        info = identify.identify(data[: identify.HEAD], len(data), read_at)
        identify.identify_payload(info, read_at)
        with suppress(Refused):
            identify.check_xen(info, "k", ("xen-pv", "xen-pvh"))
        for vmm in MONITORS:
            for arch in ("x86_64", "arm64"):
                with suppress(Refused):
                    found = extract.bootable(info, read_at, Target(vmm, arch), "k")
                    pack((found.info.format, found.info.release))
                    for _ in found.pieces or ():
                        pass
        for name in () if info.image is None else info.image.initrds:
            for _ in extract.section_pieces(uki.section(info.image, name, read_at)):
                pass
        for _ in extract.pieces(info, read_at):
            pass


def packed(data: bytes) -> None:
    """Data in each of the compressions of kernels; the first byte chooses."""
    kinds = ("gzip", "bzip2", "xz", "lzma", "zstd", "lz4")
    with suppress(Broken, Unknown):
        unpacked = UnpackedFile(kinds[data[0] % len(kinds) if data else 0], reader(data), 1, len(data) - 1)
        unpacked.read_at(0, 100)
        unpacked.read_at(1000, 100)
        unpacked.read_at(10, 100)


def elf_file(data: bytes) -> None:
    """An ELF file."""
    with suppress(Refused):
        elf.read(FileView(data[:64], len(data), reader(data)))


def cpio_names(data: bytes) -> None:
    """Names and arguments of files that are wrapped into a ramdisk."""
    cpio.wrap(data, len(data), 1)
    image = Image("i", Uri.parse("http://h/i"), HERE, 1, len(data), b"")
    image.cmdline = decode(data)
    cpio_headers(image)


def capture(data: bytes) -> None:
    """A capture file, to its timeline."""
    timeline = Timeline()
    with suppress(BadCapture):
        for found in frames(io.BytesIO(data).read):
            timeline.add(packets.decode(found), found.when)
    pack(tuple(timeline.lines()))


def captured_packets(data: bytes) -> None:
    """Ethernet frames of a capture."""
    timeline = Timeline()
    for number, piece in enumerate(scripted.split(data)):
        timeline.add(packets.decode(CapturedFrame(1, number / 10, piece)), number / 10)
    pack(tuple(timeline.lines()))


def cms(data: bytes) -> None:
    """A signature."""
    anchors = (SEEDS / "anchors.pem").read_bytes()
    for signer in ("", "other.example"):
        assert signature.check(data, [b"what is signed\n"], anchors, signer, NOW).isprintable()


def inflated(data: bytes) -> None:
    """A gzip or zlib file that a script has unpacked."""

    def pieces(_file: object) -> Iterator[bytes]:
        yield from (data[at : at + 100] for at in range(0, len(data), 100))

    file = script_files._StoredFile(0, HERE)
    with mock.patch.object(script_files, "_pieces", pieces), suppress(zlib.error):
        ends(lambda: sum(map(len, script_files._content(file))))


def lua_pattern(data: bytes) -> None:
    """A pattern of Lua and a text, with a NUL between."""
    form, _, text = data.decode("latin-1").partition("\0")
    with suppress(pattern.PatternError):
        pattern.search(text, form, 0, pattern.Budget(2000))


def pxe_menu(data: bytes) -> None:
    """The menu of a PXE server, and keys (the first bytes) pressed there."""
    pressed = [KEYS[byte & 15] for byte in data[1 : 1 + (data[0] & 7 if data else 0)]]
    services = pxe_options.services(data[1 + len(pressed) :])
    if services.menu:
        served = replay.serving({}, keys=pressed, terminal=replay.TERMINAL)
        ends(lambda: served.drive(menus.choose(services, None, 5.0, listing=False)))


def lua_script(data: bytes) -> None:
    """A script of lua.c32, run for a short time."""
    config = b"DEFAULT lua.c32 x.lua\nONERROR k"
    with mock.patch.multiple(lua, INSTRUCTIONS=20_000, SECONDS=1, PATTERN_STEPS=5000):
        ends(lambda: check_choice(replay.boot(config, files={"x.lua": data})))


def password(data: bytes) -> None:
    """A MENU PASSWD and what is typed, with a NUL between."""
    stored, _, typed = decode(data).partition("\0")
    if "rounds" not in stored and stored[:2] not in ("$5", "$6"):  # which take their time, as they should
        passwords.matches(stored, typed)


Run = Callable[[bytes], None]
TARGETS: dict[str, Run] = {
    "dhcp4": dhcp4, "dhcp6": dhcp6, "dhcp4-states": dhcp4_states,
    "dhcp6-states": dhcp6_states, "router": router, "frame": frame, "udhcpc": udhcpc_words,
    "pxe-menu": pxe_menu, "pxelinux": pxelinux, "pxelinux-list": pxelinux_list, "menu": menu,
    "lua": lua_script, "lua-pattern": lua_pattern, "password": password, "uboot": uboot_config,
    "ipxe": ipxe, "uri": uri, "settings": settings, "http": http_answer, "http-fields": http_fields,
    "tftp": tftp_packets, "ftp": ftp_replies, "dns": dns_answer, "kernel": kernel, "packed": packed,
    "elf": elf_file, "cpio": cpio_names, "inflate": inflated, "signature": cms, "capture": capture,
    "packets": captured_packets, "channel": host_targets.channel, "schema": host_targets.message_values,
    "picture": host_targets.picture, "keys": host_targets.keys, "xl": host_targets.xl,
    "libvirt": host_targets.libvirt, "conf": host_targets.conf,
    "grub": grub_targets.config, "grub-menu": grub_targets.menu, "grub-program": grub_targets.boot_file,
    "grub-regexp": grub_targets.expression, "grub-memdisk": grub_targets.disk,
}  # fmt: skip
