"""The HTTP client: one file by GET (or what a form says), from a server that is not trusted.

requests (and urllib3 and http.client under it) connect, speak TLS and read the head of the answer. The rest
is done here, the same with every version of them: addresses and the deadline, redirects, and the body, which
is read from the connection itself. So nothing is decoded, nothing is held in memory, and a body that is too
short, too long or without end is seen. No netrc file, cookie jar or environment variable takes part.
"""

from __future__ import annotations

import http.client
import io
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from pypxeboot import text
from pypxeboot.effects import Form
from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.fetch.http import auth, failure, message
from pypxeboot.fetch.http import proxy as httpproxy
from pypxeboot.fetch.http.head import LINE_LIMIT, HttpHead, check_fields
from pypxeboot.fetch.http.message import Address, HttpTransfer
from pypxeboot.net import tcp
from pypxeboot.net.tcp import Paced

if TYPE_CHECKING:
    from requests import Response
    from requests.adapters import HTTPAdapter


REDIRECTS = 5  # as PXELINUX (http.c); iPXE and browsers follow more, but no boot server needs more

_TRIES = 8  # of one file: servers that are busy, or want to know who asks
_BLOCK = 1 << 18  # one read: large enough that the calls cost nothing, small enough for a 64 MiB process
_HEAD_LIMIT = 1 << 18  # all of the head; http.client alone would take 100 lines of 64 KiB
_TRAILERS = 64
_GRACE = 0.05  # seconds to see the end of a connection that the server said it would close
_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
_NOTHING: Mapping[str, str] = MappingProxyType({})

Write = Callable[[Union[bytes, memoryview]], object]
status_text = message.status_text


def ca_bundle() -> str:
    """Find the file of certificates that is trusted by default: the system's, else that of requests."""
    for name in _CA_FILES:
        if Path(name).is_file():
            return name
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return str(DEFAULT_CA_BUNDLE_PATH)


def get(
    url: str,
    write: Write,
    *,
    limit: int,
    deadline: float,
    expect: Optional[Callable[[int], None]] = None,
    authorities: Optional[str] = None,
    headers: Mapping[str, str] = _NOTHING,
    cookies: Mapping[str, str] = _NOTHING,
    form: Optional[Form] = None,
    user: Optional[str] = None,
    password: Optional[str] = None,
    as_ipxe: bool = False,
    proxy: Optional[Address] = None,
    log: Optional[Callable[[str], None]] = None,
) -> HttpTransfer:
    """Give the file at ``url`` to ``write``, piece by piece, and say how it went.

    At most ``limit`` bytes, until ``deadline`` (of ``time.monotonic()``). ``expect`` is told the size before
    the first byte, where the server says it. ``write`` must be done with a piece when it returns: the memory
    is used again. ``authorities`` are certificates (PEM) to believe in place of the system's. User and
    password go to the server of ``url`` only; headers and cookies also to where it redirects (as PXELINUX
    does). With ``as_ipxe`` the request is that of an iPXE: it has no other headers than those of one, and a
    password is told when the server asks for it; else at once (PXELINUX).
    Raises NotFound (4xx), FetchError (everything broken) and Refused (limit, scheme, downgrade); what
    ``write`` and ``expect`` raise passes through.
    """
    started = time.monotonic()
    address = message.parse(url)
    if user is None:
        user, password = address.user, address.password
    home = address.origin
    login = auth.basic(user, password or "") if user is not None and not as_ipxe else None
    fields = message.request_fields(headers, cookies, as_ipxe=as_ipxe)
    seen: list[str] = []
    tries = 0
    while len(seen) <= REDIRECTS:
        own = {"Authorization": login} if login is not None and address.origin == home else {}
        with _HttpExchange(address, deadline, proxy) as exchange:
            exchange.ask({**fields, **own}, authorities, form)
            tries += 1
            wait = message.retry_after(exchange.status, exchange.header("Retry-After"))
            if wait is not None and tries < _TRIES and wait < exchange.time_left():
                _tell(log, f"{address}: {status_text(exchange.status)}, again in {wait:.0f} s")
                time.sleep(wait)
                continue
            if exchange.status == 401 and user is not None and address.origin == home and tries < _TRIES:
                before, login = login, _login(exchange, user, password or "", form)
                if login not in (None, before) and not (before or "").startswith("Digest"):
                    continue
            if exchange.status not in message.REDIRECT_STATUS:
                message.check_status(address, exchange.status, exchange.passed_by, as_ipxe=as_ipxe)
                size = _receive(exchange, write, limit, expect)
                seconds = time.monotonic() - started
                return HttpTransfer(
                    size, seconds, address.origin + address.target, exchange.status, bool(seen)
                )
            target = message.redirect_target(address, exchange.status, exchange.header("Location"))
        _tell(log, f"{address}: {status_text(exchange.status)}, to {target}")
        seen.append(address.origin + address.target)
        if target.origin + target.target in seen and form is None:
            raise FetchError(f"{address}: redirects in a circle", cause="redirects")
        address, form = target, None  # as iPXE: what a redirect leads to is always got
        # A digest was for that target alone; and an iPXE waits to be asked again.
        login = None if as_ipxe or (login or "").startswith("Digest") else login
    raise FetchError(f"{message.parse(url)}: more than {REDIRECTS} redirects")


def _login(exchange: _HttpExchange, user: str, password: str, form: Optional[Form]) -> Optional[str]:
    """Return what the server that says 401 wants to be told."""
    return auth.answer(
        exchange.header("WWW-Authenticate"),
        user,
        password,
        method=form.method if form else "GET",
        target=exchange.address.target,
        cnonce=secrets.token_hex(8),
    )


def _tell(log: Optional[Callable[[str], None]], line: str) -> None:
    if log:
        log(line)


# ---- one request and its answer


class _HttpExchange:
    """One connection: the question, the head of the answer, and the stream that the body is read from."""

    def __init__(self, address: Address, deadline: float, proxy: Optional[Address]) -> None:
        self.address, self.proxy = address, proxy
        self.deadline = deadline
        self.head_left: Optional[int] = _HEAD_LIMIT
        self.status = 0
        self._answer: Optional[Response] = None
        self._head: Optional[http.client.HTTPResponse] = None
        self._stream: io.BufferedReader = io.BufferedReader(io.BytesIO())
        self._block = memoryview(b"")

    def __enter__(self) -> _HttpExchange:
        return self

    def __exit__(self, *_: object) -> None:
        if self._head is not None:
            self._head.close()
        if self._answer is not None:
            self._answer.close()
        self._stream.close()

    def time_left(self) -> float:
        """Seconds until the deadline; FetchError if there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise FetchError(f"{self.address}: not done in time", cause="timeout")
        return left

    def ask(self, fields: Mapping[str, str], authorities: Optional[str], form: Optional[Form]) -> None:
        """Send the request and read the head of the answer."""
        from requests import Request, RequestException
        from urllib3.exceptions import HTTPError

        verify = self.address.scheme == "https" and (authorities is not None or ca_bundle())
        try:
            # requests is shown the server only: it would rewrite the path (%2e, //, quotes).
            own = message.checked(dict(form.headers)) if form else {}
            own.update(httpproxy.login(self.proxy) if self.proxy and self.address.scheme == "http" else {})
            method, body = (form.method, form.body) if form else ("GET", None)
            request = Request(
                method, self.address.origin + "/", headers={**own, **fields}, data=body
            ).prepare()
            adapter = _adapter(self, authorities)
            self._answer = adapter.send(request, stream=True, timeout=self.time_left(), verify=verify)
        except PxeBootError:
            raise
        except (RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise _failure(self.address, error) from None
        check_fields(self.address, self._head)
        self.status = self._answer.status_code
        self.head_left = None

    def header(self, name: str) -> list[str]:
        """All values of a header of the answer."""
        values = self._head.headers.get_all(name, []) if self._head else []
        return [str(value) for value in values]

    def connect(self) -> socket.socket:
        """Connect to one of the server's addresses, or of the proxy's; each gets its share of time."""
        place = self.proxy or self.address
        host, port = place.host, place.port
        try:
            sock = tcp.connect(host, port, self.time_left)
            return self._tunnel(sock) if self.proxy and self.address.scheme == "https" else sock
        except socket.gaierror as error:
            reason = text.printable(error.strerror or str(error))
            said = f"{self.address}: no address of {host}: {reason}"
            raise FetchError(said, cause=tcp.cause(error)) from None
        except OSError as error:
            hint = f"does a web proxy listen on port {port} of {host}?" if self.proxy else None
            said = f"{self.address}: cannot connect: {failure.reason(error)}"
            raise FetchError(said, hint=hint, cause=tcp.cause(error)) from None

    def _tunnel(self, sock: socket.socket) -> socket.socket:
        """``sock`` once the proxy at its other end passes on what is said. Raises OSError."""
        assert self.proxy is not None
        sock.settimeout(self.time_left())
        sock.sendall(httpproxy.connect(self.address, self.proxy))
        head = b""
        while not head.endswith(b"\r\n\r\n") and len(head) < httpproxy.HEAD_LIMIT:
            sock.settimeout(self.time_left())
            piece = sock.recv(1)  # not a byte beyond: the server's own words come next
            if not piece:
                break
            head += piece
        try:
            httpproxy.check_tunnel(self.address, self.proxy, head)
        except FetchError:
            sock.close()
            raise
        return sock

    @property
    def passed_by(self) -> Optional[Address]:
        """The proxy that answers in place of the server, None if there is none (or but a tunnel)."""
        return self.proxy if self.address.scheme == "http" else None

    @property
    def target(self) -> str:
        """What the request line says."""
        return self.address.target if self.passed_by is None else httpproxy.target(self.address)

    def open(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        """Return the reader of the answer, in place of http.client's own: it reads through :class:`Paced`."""
        head = HttpHead(sock, *args, **kwargs)
        head.fp.close()
        head.fp = self._stream = io.BufferedReader(Paced(sock, self.time_left, self._count), 1 << 16)
        self._head = head
        return head

    def _count(self, count: int) -> None:
        """``count`` bytes have come; those of the head are not to be without end."""
        if self.head_left is not None:
            self.head_left -= count
            if self.head_left < 0:
                raise FetchError(f"{self.address}: the head of the answer has no end")

    def body(self, write: Write, size: int) -> int:
        """Up to ``size`` bytes of the body to ``write``; how many there were."""
        if not self._block:
            self._block = memoryview(bytearray(_BLOCK))
        got = 0
        while got < size:
            piece = self._block[: size - got]
            try:
                count = self._stream.readinto(piece)
            except (OSError, ValueError) as error:
                raise _failure(self.address, error, received=got) from None
            if not count:
                break
            write(piece[:count])
            got += count
        return got

    def line(self) -> bytes:
        """One line of the chunk framing, without its end."""
        try:
            line = self._stream.readline(LINE_LIMIT)
        except (OSError, ValueError) as error:
            raise _failure(self.address, error) from None
        if not line.endswith(b"\n"):
            raise FetchError(f"{self.address}: broken chunks: no end of line")
        return line.rstrip(b"\r\n")

    def more_follows(self) -> bool:
        """Whether the server sends on after the body; waits only if it said that it will close."""
        closing = any("close" in value.lower() for value in self.header("Connection"))
        self.deadline = min(self.deadline, time.monotonic() + (_GRACE if closing else 0.001))
        try:
            return bool(self._stream.read(1))
        except (OSError, ValueError, FetchError):
            return False


class _ServerConnection:
    """What our connections do otherwise than urllib3's; mixed into its classes by :func:`_adapter`."""

    exchange: _HttpExchange

    def _new_conn(self) -> socket.socket:
        return self.exchange.connect()

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        del url  # that of the server only; see ask()
        kwargs["skip_accept_encoding"] = True  # it is among the fields, or is not to be sent
        return super().putrequest(method, self.exchange.target, *args, **kwargs)  # type: ignore[misc]

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return self.exchange.open(sock, *args, **kwargs)


def _adapter(exchange: _HttpExchange, authorities: Optional[str]) -> HTTPAdapter:
    """Return the adapter of requests for one exchange; TLS 1.2 or newer, whatever the age of urllib3."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.util.ssl_ import create_urllib3_context

    pools: dict[str, Any] = {}
    for scheme, pool in (("http", HTTPConnectionPool), ("https", HTTPSConnectionPool)):
        ours = type("Connection", (_ServerConnection, pool.ConnectionCls), {"exchange": exchange})
        pools[scheme] = type("Pool", (pool,), {"ConnectionCls": ours})
    tls = create_urllib3_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    adapter: Any = HTTPAdapter()
    if authorities is not None:  # and nobody else, whereas requests would add its own bundle
        tls.load_verify_locations(cadata=authorities)
        adapter.cert_verify = lambda connection, *_: setattr(connection, "cert_reqs", "CERT_REQUIRED")
    adapter.init_poolmanager(1, 1, ssl_context=tls)
    adapter.poolmanager.pool_classes_by_scheme = pools
    return adapter  # type: ignore[no-any-return]


# ---- the body


def _receive(
    exchange: _HttpExchange, write: Write, limit: int, expect: Optional[Callable[[int], None]]
) -> int:
    """Hand the body to ``write``; return its size."""
    address, lengths = exchange.address, exchange.header("Content-Length")
    if exchange.status == message.NO_CONTENT:
        return 0
    message.check_encoding(address, exchange.header("Content-Encoding"))
    if message.is_chunked(address, exchange.header("Transfer-Encoding"), lengths):
        return _receive_chunks(exchange, write, limit)
    size = message.content_length(address, lengths)
    if size is None:
        return _receive_all(exchange, write, limit)
    if size > limit:
        raise message.size_error(address, limit, size)
    if expect:
        expect(size)
    got = exchange.body(write, size)
    if got < size:
        raise FetchError(f"{address}: the body ended after {got} of {size} bytes", cause="cut")
    if exchange.more_follows():
        raise FetchError(f"{address}: the body goes on after its {size} bytes")
    return size


def _receive_all(exchange: _HttpExchange, write: Write, limit: int) -> int:
    """Hand a body that ends with the connection to ``write``; return its size."""
    got = exchange.body(write, limit)
    if exchange.body(lambda _: None, 1):
        raise message.size_error(exchange.address, limit)
    return got


def _receive_chunks(exchange: _HttpExchange, write: Write, limit: int) -> int:
    """Hand a body in chunks (RFC 9112 7.1) to ``write``; return its size."""
    got = 0
    while True:
        size = message.chunk_size(exchange.address, exchange.line())
        if not size:
            break
        if got + size > limit:
            raise message.size_error(exchange.address, limit)
        if exchange.body(write, size) < size:
            said = f"{exchange.address}: the body ended within a chunk, after {got} bytes"
            raise FetchError(said, cause="cut")
        if exchange.line():
            raise FetchError(f"{exchange.address}: broken chunks: data after the end of one")
        got += size
    for _ in range(_TRAILERS):
        if not exchange.line():
            return got
    raise FetchError(f"{exchange.address}: more than {_TRAILERS} trailers")


# ---- what went wrong


def _failure(address: Address, error: BaseException, received: int = 0) -> FetchError:
    """Return ``error`` of any of the libraries as one of ours, after so many bytes of the file."""
    from requests.exceptions import SSLError
    from urllib3.exceptions import TimeoutError as TookTooLong

    root = _root_error(error)
    if isinstance(root, TookTooLong):  # holds no error of the socket
        root = socket.timeout()
    elif isinstance(error, SSLError) and not isinstance(root, OSError):  # urllib3 1.26 compares names itself
        root = ssl.SSLCertVerificationError(1, str(root))
        root.verify_message, root.verify_code = str(root.args[1]), failure.OTHER_NAME
    return failure.of(address, root, received)


def _root_error(error: BaseException) -> BaseException:
    """Return the error that the wrappers of requests and urllib3 hold."""
    for _ in range(8):
        held = getattr(error, "reason", None)
        inside = [part for part in (held, *error.args) if isinstance(part, BaseException)]
        if not inside:
            break
        error = inside[0]
    return error
