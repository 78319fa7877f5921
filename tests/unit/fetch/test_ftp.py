"""FTP: boots by a real server (vsftpd), and servers on loopback that say what no good one does."""

from __future__ import annotations

import socket
import time

import pytest

from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused, ServerError
from pypxeboot.fetch import ftp
from pypxeboot.fetch.request import Data, FetchRequest
from pypxeboot.url import Location
from tests.support.peers.ftp import Script, server


class Got:
    """A sink in memory."""

    def __init__(self) -> None:
        self.content, self.sizes = bytearray(), list[int]()

    def expect(self, size: int) -> None:
        self.sizes.append(size)

    def write(self, data: Data) -> None:
        self.content += data


def fetched(
    script: Script, path: str = "dir/file", seconds: float = 5, limit: int = 1000, **more: str
) -> tuple[bytes, list[int]]:
    got = Got()
    location = Location("ftp", "127.0.0.1", path, script.port, **more)
    ftp.get(FetchRequest(location, limit, time.monotonic() + seconds), got)
    return bytes(got.content), got.sizes


def test_what_is_said_to_a_server() -> None:
    with server() as script:
        assert fetched(script, "boot/a%20b%C3%A9") == (b"content", [7])
        heard = ["USER anonymous", "PASS anonymous@", "TYPE I", "SIZE boot/a b\xc3\xa9", "PASV"]
        assert script.heard[:6] == [*heard, "RETR boot/a b\xc3\xa9"]
    with server() as script:
        fetched(script, user="me", password="pass word")
        assert script.heard[:2] == ["USER me", "PASS pass word"]


def test_data_comes_from_the_same_host_whatever_the_server_names() -> None:
    with server(pasv="10,77,0,99") as script:
        assert fetched(script)[0] == b"content"


@pytest.mark.parametrize(
    "replies", [{"welcome": "120 wait\r\n220 now"}, {"SIZE": "500 what"}, {"RETR": "125 x"}]
)
def test_servers_that_are_a_little_different(replies: dict[str, str]) -> None:
    with server(**replies) as script:
        assert fetched(script)[0] == b"content"


BAD: dict[str, tuple[type[PxeBootError], dict[str, str]]] = {
    "not-there": (NotFound, {"RETR": "550 no such file"}),
    "no-anonymous": (ServerError, {"PASS": "530 not you"}),
    "busy": (ServerError, {"welcome": "421 too many users"}),
    "no-passive": (ServerError, {"PASV": "502 not here"}),
    "port-0": (FetchError, {"PASV": "227 (127,0,0,1,0,0)"}),
    "port-too-large": (FetchError, {"PASV": "227 (127,0,0,1,999,999)"}),
    "no-port": (FetchError, {"PASV": "227 nowhere"}),
    "port-with-a-sign": (FetchError, {"PASV": "227 (127,0,0,1,+99,99)"}),
    "port-of-other-digits": (FetchError, {"PASV": "227 (127,0,0,1,9\xb2,99)"}),
    "size-no-number": (FetchError, {"SIZE": "213 many"}),
    "size-below-zero": (FetchError, {"SIZE": "213 -7"}),
    "size-with-underscore": (FetchError, {"SIZE": "213 0_7"}),
    "size-of-other-digits": (FetchError, {"SIZE": "213 \xb2"}),
    "size-without-end": (FetchError, {"SIZE": "213 " + "7" * 5000}),
    "larger-than-it-said": (FetchError, {"SIZE": "213 3"}),
    "smaller-than-it-said": (FetchError, {"SIZE": "213 99"}),
    "cut": (ServerError, {"end": "426 connection closed"}),
    "no-ftp": (FetchError, {"welcome": "HTTP/1.1 400 Bad Request"}),
    "escapes": (ServerError, {"welcome": "421 \x1b[2J\x1b]0;owned\x07"}),
    "line-of-64-kib": (FetchError, {"welcome": "220-" + "x" * 65536}),
    "lines-without-end": (FetchError, {"welcome": "220-a\r\n" * 20000}),
    "too-large": (Refused, {"SIZE": "213 1001"}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_servers(case: str) -> None:
    kind, replies = BAD[case]
    with server(**replies) as script, pytest.raises(kind) as caught:
        fetched(script)
    assert caught.value.message.isprintable() and len(caught.value.message) < 400
    assert caught.value.message.startswith("ftp://127.0.0.1:")


def test_file_without_end() -> None:
    with server(bytes(100_000), SIZE="500 what") as script, pytest.raises(Refused):
        fetched(script)


def test_deadline_holds_however_slowly_it_comes() -> None:
    begin = time.monotonic()
    with server(trickle=0.2, welcome="220 " + "x" * 1000) as script, pytest.raises(FetchError):
        fetched(script, seconds=1)
    assert time.monotonic() - begin < 10


def test_nobody_listens() -> None:
    with server() as script, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        script.port = deaf.getsockname()[1]
        with pytest.raises(FetchError) as caught:
            fetched(script)
    assert "cannot connect" in caught.value.message


@pytest.mark.parametrize("path", ["a%0d%0aDELE%20b", "a%00b", "a%0ab"])
def test_commands_cannot_be_put_in_names(path: str) -> None:
    with server() as script:
        with pytest.raises(Refused):
            fetched(script, path)
        assert script.heard == []
