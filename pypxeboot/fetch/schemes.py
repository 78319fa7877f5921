"""The table from URL scheme to client; each of them is imported on first use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional, Union

from pypxeboot.effects import Form
from pypxeboot.text import encode
from pypxeboot.url import Location, parse

if TYPE_CHECKING:
    from pypxeboot.fetch.tftp.options import Transfer


log = logging.getLogger(__name__)

Write = Callable[[Union[bytes, memoryview]], object]
NoteTftp = Callable[[Location, "Transfer"], None]


def getters(
    authorities: Optional[str], proxy: Optional[str] = None, note: Optional[NoteTftp] = None
) -> dict[str, Any]:
    """The clients by scheme; ``authorities`` are the certificates (PEM) to believe for https.

    ``proxy`` is the URL of the web proxy that all of HTTP goes through, if any.
    ``note`` is told of each finished TFTP transfer.
    """
    http = _Http(authorities, proxy)
    return {"tftp": _Tftp(note), "http": http, "https": http, "ftp": _ftp}


class _Tftp:
    def __init__(self, note: Optional[NoteTftp]) -> None:
        self._note = note

    def __call__(
        self,
        location: Location,
        write: Write,
        *,
        limit: int,
        deadline: float,
        expect: Callable[[int], None],
        form: Optional[Form],
        agent: str,
    ) -> None:
        from pypxeboot.fetch.tftp import client

        transfer = client.get(
            location.host,
            encode(location.path),
            write,
            port=location.port or 69,
            limit=limit,
            deadline=deadline,
            expect=expect,
        )
        if self._note is not None:
            self._note(location, transfer)


def _ftp(
    location: Location,
    write: Write,
    *,
    limit: int,
    deadline: float,
    expect: Callable[[int], None],
    form: Optional[Form],
    agent: str,
) -> None:
    from pypxeboot.fetch import ftp

    ftp.get(
        str(location),
        location.host,
        location.path,
        write,
        port=location.port or 21,
        limit=limit,
        deadline=deadline,
        expect=expect,
        user=location.user,
        password=location.password,
    )


class _Http:
    def __init__(self, authorities: Optional[str], proxy: Optional[str]) -> None:
        self._authorities, self._proxy = authorities, proxy

    def __call__(
        self,
        location: Location,
        write: Write,
        *,
        limit: int,
        deadline: float,
        expect: Callable[[int], None],
        form: Optional[Form],
        agent: str,
    ) -> Optional[Location]:
        from pypxeboot.fetch.http import client as httpget
        from pypxeboot.fetch.http import proxy as httpproxy

        asked = str(location)
        transfer = httpget.get(
            asked,
            write,
            limit=limit,
            deadline=deadline,
            expect=expect,
            authorities=self._authorities,
            headers={"User-Agent": agent} if agent else {},
            form=form,
            challenged=bool(agent),  # iPXE waits to be asked for the password, PXELINUX does not
            user=location.user,
            password=location.password,
            proxy=None if self._proxy is None else httpproxy.address(self._proxy),
            log=lambda text: log.info("%s", text),
        )
        return parse(transfer.url) if transfer.redirected else None
