"""The packets of TFTP as bytes, by tftpy, which knows their forms and the names of what is in them."""

from __future__ import annotations

import functools
import logging
import struct
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from pypxeboot.fetch.tftp.receiver import HEADER, Code, Op, Violation


class ErrorPacket(Exception):
    """The server sent an ERROR."""

    def __init__(self, code: int, text: bytes) -> None:
        self.code, self.text = code, text


@functools.cache
def _tftpy() -> Any:
    """Return tftpy's packets without its client, server and version, which cost a boot 25 ms."""
    spec = PathFinder.find_spec("tftpy")
    if spec is not None and spec.submodule_search_locations and "tftpy" not in sys.modules:
        package = ModuleType("tftpy")
        package.__path__ = spec.submodule_search_locations
        sys.modules["tftpy"] = package
    from tftpy import TftpPacketTypes

    if not hasattr(sys.modules.get("tftpy"), "__file__"):  # whoever else imports it gets all of it
        sys.modules.pop("tftpy", None)
    # It logs what servers say, as they said it, at error level.
    logging.getLogger("tftpy").setLevel(logging.CRITICAL)
    return TftpPacketTypes


def opcode(packet: Any) -> int:
    """Return the number that says what kind of packet it is."""
    return int.from_bytes(packet[:2], "big")


def read_request(name: bytes, options: Mapping[str, int]) -> bytes:
    """Make the request for the file ``name``, with options by their names."""
    packet = _tftpy().TftpPacketRRQ()
    packet.filename, packet.mode, packet.options = name, b"octet", options
    return bytes(packet.encode().buffer)


def error_packet(code: int, text: str) -> bytes:
    """Make an ERROR that we send."""
    packet = _tftpy().TftpPacketERR()
    packet.errorcode = code
    packet.errmsgs[code] = text.encode("ascii", "replace")
    return bytes(packet.encode().buffer)


def rejection(data: bytes) -> bytes:
    """Make the answer to a packet ``data`` of a stranger; empty where there is none."""
    # RFC 1350 4: "an error packet should be sent to the source of the incorrect packet"; none for an error.
    if len(data) < HEADER or opcode(data) == Op.ERROR:
        return b""
    return error_packet(Code.UNKNOWN_TID, "Unknown transfer ID")


def server_error(data: bytes) -> ErrorPacket:
    """Return the ERROR in ``data``, for whoever asks for the file."""
    packet = _tftpy().TftpPacketERR()
    packet.buffer = data if data.endswith(b"\0") else data + b"\0"  # its decoder drops the last byte
    packet.decode()
    return ErrorPacket(packet.errorcode, (packet.errmsg or b"").split(b"\0")[0])


def granted_options(data: bytes) -> Mapping[str, str]:
    """Return the options of an OACK: lower-case name -> value. RFC 2347: names are "case in-sensitive"."""
    packets = _tftpy()
    *strings, _ = data[2:].split(b"\0")
    count = next((at for at in range(0, len(strings), 2) if not strings[at]), len(strings)) // 2
    whole = b"".join(string + b"\0" for string in strings[: 2 * count])
    left = data[2 + len(whole) :].split(b"\0")[0]
    packet = packets.TftpPacketOACK()
    packet.buffer = data[:2] + whole
    try:
        packet.decode()
    except (packets.TftpException, ValueError, struct.error):
        raise Violation(Code.BAD_OPTION, "the server's options are not to be understood") from None
    granted = {name.lower(): value for name, value in packet.options.items()}
    # Garbage behind whole options is known of IBM Tivoli 5.1.0.3 and harmless; half an option is not.
    if not count or len(granted) != count or left.lower() in (b"tsize", b"blksize", b"windowsize"):
        raise Violation(Code.BAD_OPTION, "the server's options are cut short or come twice")
    return granted
