"""FTP: boots by a real server (vsftpd), and servers on loopback that say what no good one does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ground import SERVER, Site, servers
from ground.kernels import dummy
from ground.simple import JOINED, SIMPLE, asked, check_stderr, kernel_of, ramdisk_of, tree

from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused, ServerError
from pypxeboot.fetch import ftp
from pypxeboot.fetch.request import Data, FetchRequest
from pypxeboot.url import Location

NAMED = SIMPLE.replace("vmlinuz", f"ftp://{SERVER}/vmlinuz").replace("i1", f"ftp://{SERVER}:21/i1")


@pytest.mark.netns
def test_boot_by_ftp(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(NAMED))
    servers.dnsmasq(site, root)
    server = servers.vsftpd(site, root)
    run = site.boot("-v")
    assert kernel_of(run) == dummy("vmlinuz") and ramdisk_of(run) == JOINED
    assert (f"ftp://{SERVER}/vmlinuz", "ok") in asked(run)
    assert "PASV" in server.text() and "PORT" not in server.text()
    check_stderr(run)


@pytest.mark.netns
def test_all_of_a_site_by_ftp(site: Site) -> None:
    """The configuration, too: names are relative to where it lies."""
    root = servers.plant(site.directory / "root", tree())
    servers.vsftpd(site, root)
    run = site.boot("--ip", "10.77.0.173/24", "--config", f"ftp://{SERVER}/pxelinux.cfg/default")
    assert kernel_of(run) == dummy("vmlinuz")
    assert run.result["kernel"]["url"] == f"ftp://{SERVER}/vmlinuz"


@pytest.mark.netns
def test_script_by_ftp_names_what_lies_beside_it(site: Site) -> None:
    root = servers.plant(
        site.directory / "root", {**tree(), "boot.ipxe": "#!ipxe\nkernel vmlinuz x=1\nboot\n"}
    )
    servers.vsftpd(site, root)
    run = site.boot("--ip", "10.77.0.173/24", "--bootfile", f"ftp://{SERVER}/boot.ipxe")
    assert run.ok().result["kernel"]["url"] == f"ftp://{SERVER}/vmlinuz", str(run)


@pytest.mark.netns
def test_what_is_not_there_and_who_may_not_come(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(NAMED.replace("vmlinuz", "gone", 1)))
    servers.dnsmasq(site, root)
    servers.vsftpd(site, root)
    assert site.boot().rc == 6
    config = NAMED.replace("ftp://", "ftp://somebody:secret@", 1)
    (root / "pxelinux.cfg/default").write_text(config)
    run = site.boot("-v")
    assert run.rc == 6 and "530" in run.result["error"]["message"], str(run)
    assert "secret" not in run.stderr and b"secret" not in run.stdout
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.netns
def test_nfs_is_refused_in_so_many_words(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(SIMPLE.replace("vmlinuz", f"nfs://{SERVER}/vmlinuz")))
    servers.dnsmasq(site, root)
    run = site.boot()
    assert run.rc == 7 and "NFS is not spoken here" in run.result["error"]["message"], str(run)


# What a server says to each command, and what it does with the data connection.


class Script:
    """A server on loopback: ``replies`` by command (a list: one after the other), ``data`` for RETR."""

    def __init__(self, data: bytes, replies: dict[str, str], pasv: str, trickle: float) -> None:
        self.data, self.replies, self.pasv, self.trickle = data, replies, pasv, trickle
        self.heard: list[str] = []
        self.control = socket.create_server(("127.0.0.1", 0))
        self.passive = socket.create_server(("127.0.0.1", 0))
        self.port = self.control.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            conn, _ = self.control.accept()
            with conn, conn.makefile("rb") as lines:
                self._say(conn, self.replies.get("", "220 welcome"))
                for line in lines:
                    self.heard.append(line.decode("latin-1").rstrip("\r\n"))
                    self._answer(conn, self.heard[-1].partition(" ")[0])
        except OSError:
            return

    def _answer(self, conn: socket.socket, word: str) -> None:
        port = self.passive.getsockname()[1]
        usual = {"USER": "331 password", "PASS": "230 in", "TYPE": "200 ok", "SIZE": f"213 {len(self.data)}"}
        usual["PASV"] = f"227 here ({self.pasv},{port >> 8},{port & 255})"
        usual["RETR"] = "150 comes"
        self._say(conn, self.replies.get(word, usual.get(word, "500 what")))
        if word == "RETR" and self.replies.get(word, "1").startswith("1"):
            data, _ = self.passive.accept()
            with data:
                data.sendall(self.data)
            self._say(conn, self.replies.get("end", "226 done"))

    def _say(self, conn: socket.socket, text: str) -> None:
        for piece in [text + "\r\n"] if not self.trickle else text:
            conn.sendall(piece.encode("latin-1"))
            time.sleep(self.trickle)

    def close(self) -> None:
        self.control.close()
        self.passive.close()


@contextmanager
def server(
    data: bytes = b"content", pasv: str = "127,0,0,1", trickle: float = 0.0, **replies: str
) -> Iterator[Script]:
    running = Script(
        data, {name.replace("welcome", ""): text for name, text in replies.items()}, pasv, trickle
    )
    try:
        yield running
    finally:
        running.close()


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
    "size-no-number": (FetchError, {"SIZE": "213 many"}),
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
