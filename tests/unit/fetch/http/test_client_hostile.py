"""Hostile and broken web servers. The numbers in the names are the rows of the list of bad inputs."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused
from pypxeboot.fetch.http import client
from pypxeboot.fetch.http import message as httpmessage
from tests.support.peers.http import (
    answer,
    certificate,
    drip,
    endless,
    failure,
    fetch,
    pages,
    peer,
    redirect,
    tls,
)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (answer(b"x" * 300, length="1000"), "after 300 of 1000"),
        (answer(b"", length="1"), "after 0 of 1"),
        (answer(b"x" * 300, length="200"), "goes on"),
        (answer(b"x", length="0"), "goes on"),
        (answer(b"x" * 3, length="-3"), "Content-Length"),
        (answer(b"x" * 3, length="+3"), "Content-Length"),
        (answer(b"x" * 3, length="1e9"), "Content-Length"),
        (answer(b"x" * 3, length="0x3"), "Content-Length"),
        (answer(b"x" * 3, length="\x1f3"), "Content-Length"),
        (answer(b"x" * 3, length="\xa03"), "Content-Length"),
        (answer(b"x" * 3, length="\x853"), "Content-Length"),
        (answer(b"x" * 3, length="0_3"), "Content-Length"),
        (answer(b"x" * 3, length="\xb3"), "Content-Length"),
        (answer(b"x" * 3, length="3" * 5000), "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 9\r\n\r\nx", "its head has the line 'A : b'"),
        (b"HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 9\r\n\r\nx", "its head has the line"),
        (answer(b"x", "200 OK", "\xe9: y", length="9"), "its head has the line"),
        (answer(b"x", "2_00 OK"), "no proper HTTP answer"),
        (answer(b"x", "+200 OK"), "no proper HTTP answer"),
        (answer(b"x", "0200 OK"), "no proper HTTP answer"),
        (answer(b"x", "\xa0200 OK"), "no proper HTTP answer"),
        (b"HTTP/1.1\x1f200 OK\r\n\r\nx", "no proper HTTP answer"),
        (b"HTTP/1.1 200 " + b"x" * 5000, "no proper HTTP answer"),
        (answer(b"x" * 3, length=""), "Content-Length"),
        (answer(b"x" * 3, length="3, 3"), "Content-Length"),
        (answer(b"x" * 3, "200 OK", "Content-Length: 3"), "Content-Length"),
        (answer(b"x" * 3, "200 OK", "Content-Length: 4"), "Content-Length"),
        (answer(b"x", "206 Partial Content", "Content-Range: bytes 0-0/9"), "206"),
        (answer(b"", "304 Not Modified", length=None), "304"),
        (answer(b"", "204 No Content", length=None), "204"),
    ],
)
def test_26_body_and_length_must_agree(raw: bytes, says: str) -> None:
    with peer(raw) as server:
        assert says in failure(server.url, FetchError)


def test_26_longer_body_that_comes_later_is_not_waited_for() -> None:
    def script(conn: socket.socket, request: bytes) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        time.sleep(2)

    with peer(script) as server:
        started = time.monotonic()
        assert fetch(server.url) == b"abc"
        assert time.monotonic() - started < 1


def test_27_content_encoding_is_refused() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with peer(answer(bomb, "200 OK", "Content-Encoding: gzip")) as server:
        assert "encoded as gzip" in failure(server.url + "/vmlinuz", FetchError, limit=1 << 30)


def test_27_file_that_is_stored_compressed_comes_as_it_is() -> None:
    data = gzip.compress(b"initrd")
    with peer(answer(data, "200 OK", "Content-Encoding: x-gzip")) as server:
        assert fetch(server.url + "/initrd.gz?x=1") == data


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"ffffffffffff\r\nabc", Refused, "limit"),
        (b"1" * 17 + b"\r\nabc", FetchError, "not a size"),
        (b"-5\r\nhello\r\n0\r\n\r\n", FetchError, "not a size"),
        (b"+5\r\nhello\r\n0\r\n\r\n", FetchError, "not a size"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", FetchError, "not a size"),
        (b"\r\nhello", FetchError, "not a size"),
        (b"\x1b[2J\r\nhello", FetchError, "not a size"),
        (b"5\r\nhell", FetchError, "within a chunk"),
        (b"5\r\nhelloX\r\n0\r\n\r\n", FetchError, "data after the end"),
        (b"5" + b";" * 5000 + b"\r\nhello\r\n0\r\n\r\n", FetchError, "no end of line"),
        (b"5\r\nhello\r\n", FetchError, "no end of line"),
        (b"0\r\n" + b"A: b\r\n" * 100 + b"\r\n", FetchError, "trailers"),
    ],
)
def test_27_chunks_are_bounded(body: bytes, kind: type[PxeBootError], says: str) -> None:
    with peer(answer(body, "200 OK", "Transfer-Encoding: chunked", length=None)) as server:
        assert says in failure(server.url, kind)


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "chunked, chunked", "xchunked"])
def test_27_other_transfer_encodings(coding: str) -> None:
    with peer(answer(b"0\r\n\r\n", "200 OK", f"Transfer-Encoding: {coding}", length=None)) as server:
        assert "where the body ends" in failure(server.url, FetchError)


def test_27_chunks_and_length_together() -> None:
    with peer(answer(b"0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked")) as server:
        assert "where the body ends" in failure(server.url, FetchError)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 65536),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 200 OK" + b"a" * 10000),
        (b"", b"\n"),
        (b"\x1b[2J\x1b]0;evil\x07\r\n\r\n", b"x" * 100),
    ],
)
def test_27_head_without_end(start: bytes, piece: bytes) -> None:
    with peer(endless(start, piece)) as server:
        started = time.monotonic()
        failure(server.url, FetchError)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("chunks", [False, True])
def test_27_body_without_end_stops_at_the_limit(chunks: bool) -> None:
    data = b"x" * 65536
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if chunks else b"HTTP/1.0 200 OK\r\n\r\n"
    piece = b"10000\r\n%s\r\n" % data if chunks else data
    with peer(endless(start, piece)) as server:
        assert "limit of 1.0 MiB" in failure(server.url, Refused)


def test_27_size_over_the_limit_is_refused_before_a_byte_is_written() -> None:
    with peer(answer(b"x" * 11)) as server:
        got: list[bytes] = []
        with pytest.raises(Refused, match="11 B, more than the limit of 10 B"):
            client.get(server.url, got.append, limit=10, deadline=time.monotonic() + 5)  # type: ignore[arg-type]
        assert not got
        assert fetch(server.url, limit=11) == b"x" * 11


def test_27_memory_stays_flat(tmp_path: Path) -> None:
    """200 MiB, then a redirect with an endless body, in a process of its own."""
    pages_ = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n", bytes(1 << 20))
    hop = endless(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", bytes(1 << 20))
    code = (
        "import re, sys, time\n"
        "from pypxeboot import errors\nfrom pypxeboot.fetch.http import client as httpget\n"
        "seen = 0\n"
        "def write(data):\n"
        "    global seen\n"
        "    seen += len(data)\n"
        "for url in sys.argv[1:]:\n"
        "    try: httpget.get(url, write, limit=1 << 30, deadline=time.monotonic() + 30)\n"
        "    except errors.FetchError: pass\n"
        # The peak of this program alone; ru_maxrss begins with that of the one that forked it.
        "print(seen, re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
    )
    with peer(pages_) as first, peer(hop) as second:
        run = subprocess.run(
            [sys.executable, "-c", code, first.url, second.url], check=True, capture_output=True, text=True
        )
    seen, kib = map(int, run.stdout.split())
    assert seen == 209715200
    assert kib < 64 * 1024


@pytest.mark.parametrize(
    "script", [drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 999, 0.1), drip(answer(b"x" * 999), 0.02),
               lambda conn, request: time.sleep(5)],
)  # fmt: skip
def test_27_slow_server_meets_the_deadline(script: Any) -> None:
    with peer(script) as server:
        started = time.monotonic()
        failure(server.url, FetchError, seconds=0.7)
        assert 0.5 < time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("file:///etc/passwd", Refused),
        ("tftp://127.0.0.1/x", Refused),
        ("ftp://127.0.0.1/x", Refused),
        ("gopher://127.0.0.1/x", Refused),
        ("http://[::1", Refused),
        ("http://user:secret@/", Refused),
        ("/again", FetchError),
        ("//127.0.0.1:1/", FetchError),
    ],
)
def test_28_redirect_to_somewhere_else(place: str, kind: type[PxeBootError]) -> None:
    with peer(pages({"/again": redirect(place)})) as server:
        assert "secret" not in failure(server.url + "/again", kind)


def test_28_redirects_are_counted() -> None:
    with peer(pages({f"/{n}": redirect(f"/{n - 1}") for n in range(1, 32)} | {"/0": answer(b"x")})) as server:
        assert fetch(server.url + "/5") == b"x"
        assert "more than 5" in failure(server.url + "/6", FetchError)
        assert "more than 5" in failure(server.url + "/31", FetchError)


@pytest.mark.parametrize("raw", [redirect("/"), answer(b"", "302 Found"), redirect("/a\r\nLocation: /b")])
def test_28_broken_redirects(raw: bytes) -> None:
    with peer(raw) as server:
        failure(server.url + "/", FetchError)


def test_28_redirect_is_escaped_as_any_path() -> None:
    with peer(pages({"/": redirect("/\xc3\xa4 b"), "/%C3%A4%20b": answer(b"x")})) as server:
        assert fetch(server.url) == b"x"


def test_28_up_to_tls_but_never_down(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "IP:127.0.0.1")
    with peer(answer(b"x")) as plain:
        with peer(redirect(plain.url), tls(cert, key)) as secure:
            assert "down to http://" in failure(secure.url, Refused, authorities=cert.read_text())
            assert not plain.requests
        with peer(answer(b"y"), tls(cert, key)) as secure, peer(redirect(secure.url)) as first:
            assert fetch(first.url, authorities=cert.read_text()) == b"y"


def test_29_no_netrc_and_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login root password netrc-secret\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with peer(answer(b"x")) as server:
        assert fetch(server.url) == b"x"
        assert b"Authorization" not in server.requests[0]
        assert server.requests[0].startswith(b"GET / ")


@pytest.mark.parametrize("given", [False, True])
def test_29_password_goes_to_its_server_and_nowhere_else(given: bool) -> None:
    login = {"user": "me", "password": "p:w@"} if given else {}
    part = "" if given else "me:p%3aw%40@"
    with peer(pages({"/b": answer(b"x")})) as other:
        table = {"/a": redirect(other.url + "/b"), "/c": redirect("/404")}
        with peer(pages(table)) as server:
            base = server.url.replace("//", "//" + part)
            lines: list[str] = []
            assert fetch(base + "/a", log=lines.append, **login) == b"x"
            message = failure(base + "/c", NotFound, log=lines.append, **login)
            assert all(b"Authorization: Basic bWU6cDp3QA==\r\n" in request for request in server.requests)
        assert b"Authorization" not in other.requests[0]
    shown = " ".join([message, *lines])
    assert "me:" not in shown and "p:w" not in shown and "%3aw" not in shown and "bWU6" not in shown
    assert "p:w" not in repr(httpmessage.parse(base))


@pytest.mark.parametrize(
    ("name", "expired", "trusted", "says"),
    [
        ("IP:127.0.0.1", True, True, "expired"),
        ("IP:127.0.0.2", False, True, "not valid for|match"),
        ("DNS:localhost", False, True, "not valid for|match"),
        ("IP:127.0.0.1", False, False, "self"),
    ],
)
def test_30_bad_certificates(tmp_path: Path, name: str, expired: bool, trusted: bool, says: str) -> None:
    cert, key = certificate(tmp_path, name, expired=expired)
    with peer(answer(b"x"), tls(cert, key)) as server:
        message = failure(server.url, FetchError, authorities=cert.read_text() if trusted else None)
        assert "TLS" in message and re.search(says, message)
        assert not server.requests


def test_30_certificate_that_is_trusted(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "IP:127.0.0.1")
    with peer(answer(b"x" * 300_000), tls(cert, key)) as server:
        assert fetch(server.url, authorities=cert.read_text()) == b"x" * 300_000
        assert "TLS" in failure(server.url, FetchError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_30_old_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "IP:127.0.0.1")
    old = tls(cert, key)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with peer(answer(b"x"), old) as server:
        assert "TLS" in failure(server.url, FetchError, authorities=cert.read_text())


def test_30_no_tls_at_all() -> None:
    with peer(answer(b"x")) as server:
        assert "TLS" in failure(server.url.replace("http:", "https:"), FetchError, seconds=3)
