"""A web proxy: only the one that the administrator names; by a real one (tinyproxy), and unfriendly ones."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pypxeboot.config import options
from pypxeboot.errors import FetchError, UsageError
from pypxeboot.fetch.http import client, message
from pypxeboot.fetch.http import proxy as httpproxy


@contextmanager
def unfriendly(reply: bytes, trickle: float = 0.0) -> Iterator[int]:
    """A proxy on loopback that answers each request by ``reply``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        try:
            conn, _ = listener.accept()
            with conn:
                conn.recv(4096)
                for at in range(len(reply)):
                    conn.sendall(reply[at : at + 1])
                    time.sleep(trickle)
        except OSError:
            return

    threading.Thread(target=answer, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


REPLIES = {
    "refused": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
    "password": (b"HTTP/1.1 407 \x1b[2J\r\n\r\n", "407 Proxy Authentication Required"),
    "no-http": (b"SSH-2.0\r\n\r\n", "no proper HTTP answer"),
    "nothing": (b"", "no proper HTTP answer"),
    "without-end": (b"HTTP/1.1 403 no\r\n" + b"x" * 10000, "403 Forbidden"),
    "no-tls-behind": (b"HTTP/1.1 200 ok\r\n\r\n" + b"no TLS at all" * 100, "TLS|closed"),
}


@pytest.mark.parametrize("case", REPLIES)
def test_tunnels_that_are_none(case: str) -> None:
    reply, said = REPLIES[case]
    with unfriendly(reply) as port, pytest.raises(FetchError) as caught:
        get("https://boot.example/x", port, 5)
    assert re.search(said, caught.value.message) and caught.value.message.isprintable()


def get(url: str, port: int, seconds: float) -> None:
    proxy = httpproxy.address(f"http://127.0.0.1:{port}")
    client.get(url, lambda piece: None, limit=1000, deadline=time.monotonic() + seconds, proxy=proxy)


def test_answer_that_trickles() -> None:
    begin = time.monotonic()
    with unfriendly(b"HTTP/1.1 200 " + b"x" * 1000, trickle=0.2) as port, pytest.raises(FetchError):
        get("https://boot.example/x", port, 1)
    assert time.monotonic() - begin < 10


def test_proxy_that_is_not_there() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError) as caught:
            get("http://boot.example/x", deaf.getsockname()[1], 5)
    assert "web proxy" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "url", ["socks5://h:1", "https://h:1", "h:3128", "http://h:1/path", "http://h:99999", ""]
)
def test_urls_of_no_proxy(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.parse(["--http-proxy", url])
    assert caught.value.message.startswith("argument --http-proxy: ")


def test_what_is_asked() -> None:
    proxy = httpproxy.address("http://me:pw@p:3128")
    wanted = message.parse("https://[2001:db8::1]/x y")
    asked = b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"
    assert httpproxy.connect(wanted, proxy) == asked + b"Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    assert httpproxy.target(message.parse("http://h:81/x y?a")) == "http://h:81/x%20y?a"
