"""The targets of the fuzzer on the host side: what the client process says, keys, and configurations."""

from __future__ import annotations

import json
import socket
from contextlib import suppress

from pypxeboot.config import options, sections
from pypxeboot.errors import HandoverError, UsageError
from pypxeboot.picture import Picture, Terminal
from pypxeboot.privsep.channel import Channel, Closed
from pypxeboot.privsep.messages import ConfigureInterface, Placed, UseImage
from pypxeboot.result import BootResult, Failure
from pypxeboot.schema import SchemaError, pack, unpack
from pypxeboot.terminal import render
from pypxeboot.terminal.key_decoder import Decoder
from pypxeboot.text import decode
from pypxeboot.virt import domain_xml, live_xml, smbios
from pypxeboot.xen import xl_config
from tests.support.fuzz import scripted

CONF_KEYS = frozenset(options.keys(options.parser()))


def keys(data: bytes) -> None:
    """Bytes of a terminal, in two pieces."""
    decoder = Decoder()
    half = len(data) // 2
    found = decoder.feed(data[:half]) + decoder.feed(data[half:]) + decoder.flush()
    assert all(key.isprintable() for key in found) and not decoder.pending


def message_values(data: bytes) -> None:
    """A message of the client process, as values."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    for kind in (BootResult, Failure, ConfigureInterface, Placed, UseImage):
        with suppress(SchemaError):
            pack(unpack(kind, value))


def channel(data: bytes) -> None:
    """Packets on the socket of the client process."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near:
        with far:
            far.setblocking(False)
            with suppress(BlockingIOError):
                for piece in scripted.split(data):
                    far.send(piece)
        end = Channel(near)
        end.settimeout(1)
        with suppress(Closed, SchemaError):
            while True:
                end.receive()


def xl(data: bytes) -> None:
    """The configuration of a Xen domain."""
    with suppress(UsageError):
        for value in xl_config.parse(decode(data)).values():
            xl_config.texts(value)


def libvirt(data: bytes) -> None:
    """The XML of a domain or a network, read and written again."""
    with suppress(UsageError):
        root = domain_xml.parse(decode(data))
        with suppress(UsageError):
            domain_xml.network(root, "p")
        domain_xml.domain(root)
        smbios.words(root, None)
        with suppress(HandoverError):
            live_xml.booting(root, {"kernel": "/k", "cmdline": decode(data[:20])}, {"label": "a"}, again=True)


def conf(data: bytes) -> None:
    """A file like pypxeboot.conf."""
    with suppress(UsageError):
        sections.parse("f", decode(data), CONF_KEYS)


def picture(data: bytes) -> None:
    """A picture of the client's, painted on terminals of several sizes, one after the other."""
    with suppress(ValueError, RecursionError):
        shown = unpack(Picture, json.loads(data))
        before = None
        for ascii_only, terminal in ((False, Terminal()), (True, Terminal()), (False, Terminal(7, 3))):
            after = render.canvas(shown, terminal, ascii_only=ascii_only)
            assert [len(row) for row in after] == [terminal.columns] * terminal.rows
            for stroke in render.strokes(None if terminal.rows == 3 else before, after):
                assert stroke.text.isprintable() and set(stroke.style) <= set("0123456789;")
            before = after
