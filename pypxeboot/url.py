"""Names of files: URLs, PXELINUX's ``server::path`` and prefixes, as :class:`Location`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Location:
    """Where a file is.

    ``path`` is what the protocol asks for, undecoded: for ``tftp`` the file name of the read request (so
    ``/boot/x`` and ``boot/x`` differ), for ``http`` and ``https`` what follows the slash after the host, with
    its query. Text of :func:`pypxeboot.text.decode`.
    """

    scheme: str
    host: str
    path: str
    port: Optional[int] = None
    user: Optional[str] = None
    password: Optional[str] = None
