"""The HTTP client with servers that mean well."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from pypxeboot import __version__
from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused
from pypxeboot.fetch.http import client
from pypxeboot.net import tcp
from tests.support.peers.http import answer, failure, fetch, nginx, pages, peer, redirect


@pytest.mark.parametrize("size", [0, 1, 65535, 300_000])
def test_body_by_length(size: int) -> None:
    body = random.Random(size).randbytes(size)
    told: list[int] = []
    with peer(answer(body)) as server:
        assert fetch(server.url + "/x", expect=told.append) == body
    assert told == [size]


def test_body_by_chunks_with_extensions_and_trailers() -> None:
    body = b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
    with peer(answer(body, "200 OK", "Transfer-Encoding: chunked", length=None)) as server:
        assert fetch(server.url) == b"hello world"


def test_body_until_the_connection_ends() -> None:
    with peer(b"HTTP/1.0 200 OK\r\n\r\nhello") as server:
        assert fetch(server.url) == b"hello"


def test_result_says_size_place_and_status() -> None:
    with peer(pages({"/a": redirect("/b"), "/b": answer(b"1234")})) as server:
        lines: list[str] = []
        result = client.get(
            server.url + "/a", lambda _: None, limit=9, deadline=time.monotonic() + 9, log=lines.append
        )
        assert (result.size, result.status, result.url) == (4, 200, server.url + "/b")
        assert 0 < result.seconds
        assert lines == [f"{server.url}/a: 302 Found, to {server.url}/b"]


def test_request_is_plain() -> None:
    with peer(answer(b"")) as server:
        fetch(server.url + "/x", cookies={"_Syslinux_a": "1", "_Syslinux_b": "2"}, headers={"X-Mac": "1"})
        lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /x HTTP/1.1"
    assert f"User-Agent: pypxeboot/{__version__}" in lines
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Accept-Encoding: identity" in lines
    assert "Connection: close" in lines
    assert "Cookie: _Syslinux_a=1;_Syslinux_b=2;" in lines
    assert "X-Mac: 1" in lines
    assert not any(line.startswith("Authorization") for line in lines)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("", "/"),
        ("/", "/"),
        ("//a//b/", "//a//b/"),
        ("/a/../b/./c", "/a/../b/./c"),
        ("/%2e%2E/%7euser", "/%2e%2E/%7euser"),
        ("/[x]{y}|'\"<>^`\\", "/[x]{y}|'\"<>^`\\"),
        ("/a b\tc", "/a%20b%09c"),
        ("/a\r\nX-Evil: 1", "/a%0D%0AX-Evil:%201"),
        ("/\u00e4", "/%C3%A4"),
        ("/\udcff\x7f", "/%FF%7F"),
        ("/a?b=/../c&d=%20", "/a?b=/../c&d=%20"),
        ("?q", "/?q"),
        ("/a%", "/a%"),
        ("/a#b", "/a"),
    ],
)
def test_path_goes_out_as_it_is(path: str, sent: str) -> None:
    with peer(answer(b"")) as server:
        fetch(server.url + path)
        assert server.requests[0].split(b" HTTP/1.1\r\n")[0].decode() == f"GET {sent}"


def test_name_of_the_host_goes_out_as_it_is() -> None:
    with peer(answer(b"")) as server:
        fetch(f"http://localhost:{server.port}/")
        assert f"Host: localhost:{server.port}\r\n".encode() in server.requests[0]


@pytest.mark.parametrize(
    "url",
    ["ftp://h/x", "file:///etc/passwd", "http:///x", "http://h:0/", "http://h:99999/", "http://h:x/",
     "http://a b/", "http://h\r\nX: 1/", "http://-/", "x", "", "http://[::1", "https://u:secret@h:x/"],
)  # fmt: skip
def test_what_is_no_url_is_refused(url: str) -> None:
    assert "secret" not in failure(url, Refused)


@pytest.mark.parametrize(
    ("headers", "cookies"),
    [({"X": "a\r\nY: b"}, {}), ({"X\n": "a"}, {}), ({}, {"a": "b\nc"}), ({"X": "\0"}, {})],
)
def test_header_cannot_be_split(headers: dict[str, str], cookies: dict[str, str]) -> None:
    failure("http://127.0.0.1:9/", Refused, headers=headers, cookies=cookies)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("400 Bad", NotFound), ("401 No", NotFound), ("403 No", NotFound), ("404 No", NotFound),
     ("410 Gone", NotFound), ("408 Late", FetchError), ("429 Later", FetchError), ("500 Oh", FetchError),
     ("503 Busy", FetchError), ("999 What", FetchError), ("201 Created", FetchError), ("300 A", FetchError)],
)  # fmt: skip
def test_status_is_judged(status: str, kind: type[PxeBootError]) -> None:
    with peer(answer(b"an error page", status)) as server:
        assert status[:3] in failure(server.url, kind)


@pytest.mark.parametrize("status", ["201 Created", "202 Accepted", "299 Anything"])
def test_an_ipxe_takes_what_is_no_failure(status: str) -> None:
    with peer(answer(b"said", status)) as server:
        assert fetch(server.url, as_ipxe=True) == b"said"
        assert status[:3] in failure(server.url, FetchError)


def test_no_content_has_no_body_that_could_be_waited_for() -> None:
    def script(conn: socket.socket, request: bytes) -> None:
        conn.sendall(b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n")
        conn.settimeout(60)
        conn.recv(1)  # the connection stays until the client ends it

    with peer(script) as server:
        assert fetch(server.url, as_ipxe=True) == b""


def test_a_part_of_a_file_is_not_the_file() -> None:
    with peer(answer(b"x", "206 Partial Content", "Content-Range: bytes 0-0/9")) as server:
        assert "206" in failure(server.url, FetchError, as_ipxe=True)


def test_a_server_that_does_not_answer_is_given_up_long_before_the_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script may have another one to ask."""
    monkeypatch.setattr(tcp, "CONNECT_TIMEOUT", 0.5)
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # Linux keeps one that nobody accepts, and drops the SYNs of the others
        for _ in range(2):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        deadline = time.monotonic() + 60
        with pytest.raises(FetchError, match="cannot connect: no answer in time") as caught:
            client.get(
                f"http://127.0.0.1:{full.getsockname()[1]}/", lambda _: None, limit=9, deadline=deadline
            )
    assert caught.value.cause == "timeout"
    assert time.monotonic() < deadline


def test_a_host_that_is_off_is_told_from_a_network_without_a_way() -> None:
    causes = [tcp.cause(OSError(number, "x")) for number in (errno.EHOSTUNREACH, errno.ENETUNREACH)]
    assert causes == ["unreachable-host", "unreachable"]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert "refused" in failure(f"http://127.0.0.1:{port}/", FetchError)


def test_connects_to_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()
    with peer(answer(b"x")) as server:
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (h, p))
            for h, p in (closed, ("127.0.0.1", server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        assert fetch("http://boot.example/") == b"x"


def test_name_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_FAIL, "DHCP gave no DNS server")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert "no address of boot.example: DHCP gave no DNS server" in failure(
        "http://boot.example/", FetchError
    )


def test_error_of_the_writer_passes_through() -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with peer(answer(b"x")) as server, pytest.raises(OSError, match="No space"):
        client.get(server.url, full, limit=9, deadline=time.monotonic() + 9)


def test_deadline_in_the_past() -> None:
    assert "not done in time" in failure("http://127.0.0.1:9/", FetchError, seconds=-1)


def test_status_text() -> None:
    assert client.status_text(404) == "404 Not Found"
    assert client.status_text(799) == "799"


# ---- a real server


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx")
def test_nginx_with_compression_turned_on(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    data = os.urandom(3_000_000)
    (root / "vmlinuz").write_bytes(data)
    (root / "default").write_bytes(b"LABEL linux\n" * 1000)
    with nginx(tmp_path, root, "gzip on; gzip_types *;") as url:
        digest = hashlib.sha256()
        told: list[int] = []
        result = client.get(
            url + "/vmlinuz", digest.update, limit=1 << 24, deadline=time.monotonic() + 20, expect=told.append
        )
        assert told == [len(data)] and result.size == len(data)
        assert digest.digest() == hashlib.sha256(data).digest()
        assert fetch(url + "/default") == b"LABEL linux\n" * 1000
        assert "404 Not Found" in failure(url + "/none", NotFound)


def test_requests_is_imported_on_first_use() -> None:
    code = "import sys; from pypxeboot.fetch.http import client; assert 'requests' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_descriptors_are_closed() -> None:
    with peer(pages({"/a": redirect("/b"), "/b": answer(b"x")})) as server:
        fetch(server.url + "/a")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            fetch(server.url + "/a")
            failure(server.url + "/c", NotFound)
        time.sleep(0.2)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3
