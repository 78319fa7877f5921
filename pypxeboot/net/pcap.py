"""Capture files, and frames in words. The one module that knows scapy."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable

# Sizes in bytes, of the file format (draft-ietf-opsawg-pcap).
_PCAP_HEADER, _PCAP_RECORD_HEADER = 24, 16


def preload(*, every_protocol: bool = False) -> None:
    """Import scapy, while its files can be read. ``every_protocol`` is for :func:`summary`."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns about interfaces without an address
    import scapy.utils

    if every_protocol:
        import scapy.layers.dhcp
        import scapy.layers.dns
        import scapy.layers.inet
        import scapy.layers.tftp  # noqa: F401


def summary(frame: bytes) -> str:
    """Return a frame in words."""
    from scapy.layers.l2 import Ether

    try:
        return str(Ether(frame).summary())
    except Exception:  # of whatever layer stumbles over hostile bytes
        return f"{len(frame)} bytes that cannot be read"


class CaptureFile:
    """A capture file (pcap, Ethernet) on an open descriptor; every frame is on disk once it is written."""

    def __init__(self, descriptor: int) -> None:
        from scapy.utils import RawPcapWriter

        self._file = open(descriptor, "wb", buffering=0, closefd=False)
        self._writer = RawPcapWriter(self._file, linktype=1, sync=True)
        self._end, self._seekable = 0, self._file.seekable()
        self._append(_PCAP_HEADER, lambda: self._writer.write_header(b""))

    def write(self, frame: bytes, when: float) -> None:
        """Add one frame seen at ``when`` (seconds since the epoch).

        Raises OSError when the disk is full; the file then ends after the frame before.
        """
        seconds, micro = int(when), int((when - int(when)) * 1e6)
        size = _PCAP_RECORD_HEADER + len(frame)
        self._append(size, lambda: self._writer.write_packet(frame, sec=seconds, usec=micro))

    def _append(self, size: int, write: Callable[[], object]) -> None:
        """Write ``size`` bytes by ``write``, or nothing. Raises OSError."""
        try:
            write()
            if self._seekable and self._file.tell() != self._end + size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            if self._seekable:
                self._file.truncate(self._end)
            raise
        self._end += size
