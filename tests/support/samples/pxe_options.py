"""PXE options of option 43: servers and their menu."""

from __future__ import annotations

from ipaddress import IPv4Address

from tests.support.peers.dhcp import option

ONE, TWO, STRANGER = (IPv4Address(f"10.77.0.{number}") for number in (4, 5, 66))
MENU = option(9, b"\x80\0\5Linux" + b"\x80\1\5Other" + b"\0\0\4Disk")
SERVERS = option(8, b"\x80\0\1" + ONE.packed + b"\x80\1\2" + ONE.packed + TWO.packed + b"\0\7\0")


MAC, XID = bytes.fromhex("525400abcdef"), 0x12345678
