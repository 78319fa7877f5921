"""The table of URL schemes; the client of each is imported on first use.

A new scheme is a module with a :data:`~pypxeboot.fetch.request.Scheme`, and a row in :func:`table` and in
:data:`pypxeboot.url.SCHEMES`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Optional

from pypxeboot.fetch.request import FetchRequest, Scheme, Sink
from pypxeboot.text import encode
from pypxeboot.url import Location, parse

if TYPE_CHECKING:
    from pypxeboot.fetch.tftp.options import Memory, Transfer


log = logging.getLogger(__name__)

NoteTftp = Callable[[Location, "Transfer"], None]


def table(
    authorities: Optional[str], proxy: Optional[str] = None, note: Optional[NoteTftp] = None
) -> dict[str, Scheme]:
    """Return the clients by scheme; ``authorities`` are the certificates (PEM) to believe for https.

    ``proxy`` is the URL of the web proxy that all of HTTP goes through, if any.
    ``note`` is told of each finished TFTP transfer.
    """
    memory: Memory = {}

    def tftp(request: FetchRequest, sink: Sink) -> None:
        transfer = _tftp(request, sink, memory)
        if note is not None:
            note(request.location, transfer)

    def http(request: FetchRequest, sink: Sink) -> Optional[Location]:
        return _http(request, sink, authorities, proxy)

    return {"tftp": tftp, "http": http, "https": http, "ftp": _ftp}


def _tftp(request: FetchRequest, sink: Sink, memory: Memory) -> Transfer:
    from pypxeboot.fetch.tftp import client

    return client.get(
        request.location.host,
        encode(request.location.path),
        sink.write,
        port=request.location.port or 69,
        limit=request.limit,
        deadline=request.deadline,
        expect=sink.expect,
        memory=memory,
    )


def _ftp(request: FetchRequest, sink: Sink) -> None:
    from pypxeboot.fetch import ftp

    ftp.get(request, sink)


def _http(
    request: FetchRequest, sink: Sink, authorities: Optional[str], proxy: Optional[str]
) -> Optional[Location]:
    from pypxeboot.fetch.http import client
    from pypxeboot.fetch.http.proxy import address

    transfer = client.get(
        str(request.location),
        sink.write,
        limit=request.limit,
        deadline=request.deadline,
        expect=sink.expect,
        authorities=authorities,
        headers={"User-Agent": request.agent} if request.agent else {},
        form=request.form,
        as_ipxe=bool(request.agent),
        user=request.location.user,
        password=request.location.password,
        proxy=None if proxy is None else address(proxy),
        log=lambda text: log.info("%s", text),
    )
    return parse(transfer.url) if transfer.redirected else None
