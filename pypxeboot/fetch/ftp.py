"""The FTP client: one file by RETR, from a server that is not trusted (RFC 959, 2428; core/fs/pxe/ftp.c).

:mod:`ftplib` knows the commands. What is done here: passive mode only, the data connection to the very host
that the control connection is to, whatever the server names; one deadline for all of it, however slowly bytes
come; and an end to what the server says. Nothing of it is logged but the code and text of a refusal.
"""

from __future__ import annotations

import ftplib
import io
import re
import socket
import time
from typing import Optional
from urllib.parse import unquote_to_bytes

from pypxeboot import text
from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused, ServerError, TooLarge
from pypxeboot.fetch.request import FetchRequest, Sink
from pypxeboot.net import tcp
from pypxeboot.net.tcp import Paced

_BLOCK = 1 << 18
_REPLIES_LIMIT = 1 << 16  # bytes of all replies of one session; a long welcome has some 2 KiB
# Names are bytes to FTP, and so are they to us: this maps each to one character and back.
_ENCODING = "latin-1"
# "227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)", the parentheses left out by some (RFC 1123 4.1.2.6), and
# "229 Entering Extended Passive Mode (|||6446|)" (RFC 2428).
_PORT = re.compile(
    r"227.*?[^0-9](?:[0-9]{1,3},){4}(?P<high>[0-9]{1,3}),(?P<low>[0-9]{1,3})(?![0-9])", re.DOTALL
)
_EXTENDED_PORT = re.compile(r"229.*?\(([!-~])\1\1(?P<high>)(?P<low>[0-9]{1,5})\1\)", re.DOTALL)


def get(request: FetchRequest, sink: Sink) -> None:
    """Hand the file to ``sink``. A :data:`~pypxeboot.fetch.request.Scheme`.

    Without a user in the location it is asked for as anonymous. Raises NotFound, ServerError, FetchError,
    Refused.
    """
    location, url = request.location, str(request.location)
    name = unquote_to_bytes(location.path).decode(_ENCODING)
    login = [text.encode(word or "").decode(_ENCODING) for word in (location.user, location.password)]
    if any(control in word for word in (name, *login) for control in "\r\n\0"):
        raise Refused(f"{url}: a name with a line break or NUL in it cannot be asked for")

    def seconds_left() -> float:
        seconds = request.deadline - time.monotonic()
        if seconds <= 0:
            raise FetchError(f"{url}: not done in time", cause="timeout")
        return seconds

    session = _FtpSession(url, seconds_left)
    try:
        session.begin(location.host, location.port or ftplib.FTP_PORT)
        session.login(login[0] or "anonymous", login[1] or "anonymous@")
        session.voidcmd("TYPE I")
        session.fetch(name, sink, request.limit)
    except PxeBootError:
        raise
    except (ftplib.Error, EOFError, OSError, ValueError) as error:
        raise _failure(url, error) from None
    finally:
        session.close()


class _FtpSession(ftplib.FTP):
    """One control connection, read by :class:`Paced`."""

    def __init__(self, url: str, left: tcp.Left) -> None:
        super().__init__(encoding=_ENCODING)
        self._url, self._left = url, left
        self._replies_left = _REPLIES_LIMIT

    def begin(self, host: str, port: int) -> None:
        """Connect, and wait to be welcomed: "120 Service ready in nnn minutes" is not yet that."""
        try:
            self.sock = tcp.connect(host, port, self._left)
        except socket.gaierror as error:
            why = text.printable(error.strerror or str(error))
            raise FetchError(f"{self._url}: no address of {host}: {why}", cause=tcp.cause(error)) from None
        except OSError as error:
            said = f"{self._url}: cannot connect: {_reason(error)}"
            raise FetchError(said, cause=tcp.cause(error)) from None
        self.af = self.sock.family
        self.file = io.TextIOWrapper(
            io.BufferedReader(Paced(self.sock, self._left, self._count)), encoding=_ENCODING
        )
        while self.getresp().startswith("120"):
            pass

    def _count(self, count: int) -> None:
        self._replies_left -= count
        if self._replies_left < 0:
            raise FetchError(f"{self._url}: what the server says has no end")

    def putline(self, line: str) -> None:
        """Send one command, in the time that is left."""
        assert self.sock is not None
        self.sock.settimeout(self._left())
        super().putline(line)

    def makepasv(self) -> tuple[str, int]:
        """Return where the data connection goes: to the same host, on the port that it says."""
        assert self.sock is not None
        form, command = (_PORT, "PASV") if self.af == socket.AF_INET else (_EXTENDED_PORT, "EPSV")
        reply = self.sendcmd(command)
        match = form.match(reply)
        port = 0 if match is None else (int(match["high"] or 0) << 8) + int(match["low"])
        if not 0 < port < 65536:
            raise ftplib.error_proto(reply)
        return str(self.sock.getpeername()[0]), port

    def fetch(self, name: str, sink: Sink, limit: int) -> None:
        """Hand the file ``name`` to ``sink``."""
        size = self._size(name)
        if size is not None:
            if size > limit:
                raise self._size_error(limit, size)
            sink.expect(size)
        with tcp.connect(*self.makepasv(), self._left) as data:
            if not self.sendcmd(f"RETR {name}").startswith("1"):
                raise ftplib.error_proto("no 150")
            got = self._receive(data, sink, limit)
        self.voidresp()  # "226 Closing data connection": without it the file may be cut short
        if size is not None and got != size:
            raise FetchError(f"{self._url}: {got} bytes came of {size}")

    def _size(self, name: str) -> Optional[int]:
        """Return the size if the server tells it; whether the file is there, RETR says (RFC 3659 4)."""
        try:
            reply = self.sendcmd(f"SIZE {name}")
        except ftplib.error_perm:
            return None
        match = re.fullmatch(r"213 +([0-9]{1,18})[ \r]*", reply)
        if match is None:
            raise ftplib.error_proto(reply)
        return int(match[1])

    def _receive(self, data: socket.socket, sink: Sink, limit: int) -> int:
        block, got = memoryview(bytearray(_BLOCK)), 0
        while True:
            data.settimeout(self._left())
            count = data.recv_into(block)
            if not count:
                return got
            got += count
            if got > limit:
                raise self._size_error(limit)
            sink.write(block[:count])

    def _size_error(self, limit: int, size: Optional[int] = None) -> TooLarge:
        has = "" if size is None else f"{text.size_text(size)}, "
        return TooLarge(f"{self._url}: {has}more than the limit of {text.size_text(limit)}")


def _failure(url: str, error: Exception) -> FetchError:
    """Turn ``error`` of ftplib or the network into one of ours."""
    said = text.printable(" ".join(str(error).split()))
    if isinstance(error, ftplib.error_perm):
        if str(error).startswith("550"):
            return NotFound(f"{url}: {said}")
        hint = "the URL may name a user and a password" if str(error).startswith("530") else None
        return ServerError(f"{url}: {said}", hint=hint)
    if isinstance(error, (ftplib.error_temp, ftplib.error_reply)):
        return ServerError(f"{url}: {said}")
    if isinstance(error, EOFError):
        return FetchError(f"{url}: the server closed the connection")
    if isinstance(error, OSError):
        return FetchError(f"{url}: {_reason(error)}")
    return FetchError(f"{url}: no proper FTP answer: {said}")


def _reason(error: OSError) -> str:
    if isinstance(error, socket.timeout):
        return "no answer in time"
    return text.printable(error.strerror or str(error))
