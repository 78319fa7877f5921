"""The TFTP client: what it asks for, what it gets, when it falls back and when it gives up."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypxeboot.errors import FetchError, NotFound, ServerError
from pypxeboot.fetch.tftp import client
from tests.support.ground import tools
from tests.support.ground.net import wait_until
from tests.support.peers.tftp import (
    CONTENT,
    QUICK,
    Talk,
    ack,
    data,
    error,
    errors,
    fails,
    fetch,
    oack,
    peer,
    serve,
    unreliable,
)

# -- what goes right


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1467, 1468, 1469, 100_000])
@pytest.mark.parametrize("names", ["", "tsize", "blksize tsize", "tsize blksize windowsize"])
def test_sizes_and_options(size: int, names: str) -> None:
    # A busy machine may keep the server waiting for longer than it takes to ask again.
    patient = client.Options(timeout=10, min_timeout=10, window_timeout=10, max_timeout=10)
    with peer(serve(CONTENT[:size], names.split())) as server:
        content, done = fetch(server, options=patient)
    assert content == CONTENT[:size]
    assert done.tsize == (size or None if "tsize" in names else None)
    assert done.blksize == (1468 if "blksize" in names else 512)
    assert (done.windowsize > 1) == ("windowsize" in names)
    assert done.retransmits == 0


def test_ipv6_asks_for_blocks_that_fit_its_header() -> None:
    with peer(serve(CONTENT), host="::1") as server:
        content, done = fetch(server)
    assert content == CONTENT and done.blksize == 1448


def test_the_request_is_as_the_rfcs_have_it() -> None:
    with peer(serve(b"x")) as server:
        fetch(server, b"a/b", options=client.Options(windowsize=8))
    assert server.talks[0].request == b"\0\1a/b\0octet\0tsize\x000\0blksize\x001468\0windowsize\x008\0"


def test_expect_is_told_the_size_before_the_first_byte() -> None:
    events: list[object] = []
    with peer(serve(CONTENT)) as server:
        client.get(
            server.host, b"f", lambda piece: events.append(bytes(piece)), port=server.port, limit=1 << 20,
            deadline=time.monotonic() + 9, expect=events.append,
        )  # fmt: skip
    assert events[0] == len(CONTENT) and b"".join(events[1:]) == CONTENT  # type: ignore[arg-type]


def test_option_names_in_capitals() -> None:
    def script(talk: Talk) -> None:
        talk.send(oack("TSIZE", "3", "BlkSize", "8"))
        assert talk.hear() == ack(0)
        talk.send(data(1, b"abc"))
        assert talk.hear() == ack(1)

    with peer(script) as server:
        content, done = fetch(server)
    assert content == b"abc" and (done.blksize, done.tsize) == (8, 3)


def test_smaller_grants_are_used() -> None:
    def script(talk: Talk) -> None:
        talk.send(oack("windowsize", "2", "blksize", "16"))
        assert talk.hear() == ack(0)
        talk.send(data(1, b"a" * 16), data(2, b"b" * 16))
        assert talk.hear() == ack(2)
        talk.send(data(3, b"c"))
        assert talk.hear() == ack(3)

    with peer(script) as server:
        content, done = fetch(server)
    assert content == b"a" * 16 + b"b" * 16 + b"c" and done.windowsize == 2


@pytest.mark.parametrize("window", [1, 64])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loss_doubling_and_disorder_of_a_fifth_each(window: int, seed: int) -> None:
    options = client.Options(
        windowsize=window, timeout=0.05, min_timeout=0.01, window_timeout=0.01, max_timeout=0.05, patience=9
    )
    with peer(serve(CONTENT, mangle=unreliable(seed, 0.2), timeout=0.03)) as server:
        content, done = fetch(server, options=options, seconds=30)
    assert content == CONTENT and done.retransmits > 0


def test_lost_requests_and_acknowledgements() -> None:
    asked: list[bytes] = []

    def script(talk: Talk) -> None:
        asked.append(talk.request)
        if len(asked) < 3:
            return
        talk.send(data(1, b"x" * 512))
        assert talk.hear() == ack(1)
        assert talk.hear() == ack(1), "acknowledged again by the client's own timer"
        talk.send(data(2, b"y"))

    with peer(script) as server:
        content, done = fetch(server)
    assert content == b"x" * 512 + b"y"
    assert asked == asked[:1] * 3 and done.retransmits == 3


def test_memory_stays_flat() -> None:
    with peer(serve(bytes(8 << 20))) as server:
        pieces: list[bytes] = []
        fetch(server, into=pieces)
    assert len({len(piece) for piece in pieces[:-1]}) == 1 and 1 << 16 <= len(pieces[0]) < 1 << 18


# -- falling back


@pytest.mark.parametrize("code", [0, 4, 8])
def test_options_refused_by_an_error(code: int) -> None:
    def script(talk: Talk) -> None:
        if talk.options:
            talk.send(error(code))
        else:
            serve(CONTENT)(talk)

    with peer(script) as server:
        content, done = fetch(server)
    assert content == CONTENT and done.blksize == 512 and len(server.talks) == 2


@pytest.mark.parametrize("code", [1, 2])
def test_not_found_is_final(code: int) -> None:
    def script(talk: Talk) -> None:
        talk.send(error(code, b"File not found\0"))
        talk.hear_all()

    message, server = fails(script, NotFound)
    assert "File not found" in message and len(server.talks) == 1
    assert server.talks[0].heard == [], "an ERROR is never acknowledged"


def test_other_errors_are_final_without_options() -> None:
    message, server = fails(lambda talk: talk.send(error(3, b"busy\0")), ServerError)
    assert "busy" in message and [bool(talk.options) for talk in server.talks] == [True, False]


@pytest.mark.parametrize("most", [1024, 512])
def test_blocks_that_vanish_are_asked_for_smaller(most: int) -> None:
    def black_hole(packet: bytes) -> list[bytes]:
        return [packet] if len(packet) <= most + 4 else []

    with peer(serve(CONTENT, mangle=black_hole)) as server:
        content, done = fetch(server)
    assert content == CONTENT and done.blksize == most
    sizes = [talk.options["blksize"] for talk in server.talks]
    assert sizes == [1468, 1024, 512][: len(sizes)]
    assert errors(server.talks[0]) == [0], "the first transfer is called off"


def test_what_worked_with_a_server_is_known_for_the_rest_of_the_boot() -> None:
    memory: client.Memory = {}

    def black_hole(packet: bytes) -> list[bytes]:
        return [packet] if len(packet) <= 1028 else []

    with peer(serve(CONTENT, mangle=black_hole)) as server:
        first, second = (fetch(server, memory=memory)[1] for _ in range(2))
    assert [talk.options["blksize"] for talk in server.talks] == [1468, 1024, 1024]
    assert (first.vanished, second.vanished) == (1468, None) and second.blksize == 1024


def test_options_refused_once_are_not_asked_for_again() -> None:
    def script(talk: Talk) -> None:
        talk.send(error(8)) if talk.options else serve(CONTENT)(talk)

    memory: client.Memory = {}
    with peer(script) as server:
        for _ in range(3):
            assert fetch(server, memory=memory)[0] == CONTENT
    assert [bool(talk.options) for talk in server.talks] == [True, False, False, False]


def test_a_name_without_room_for_options_says_nothing_about_the_server() -> None:
    memory: client.Memory = {}
    with peer(serve(CONTENT)) as server:
        fetch(server, b"n" * 490, memory=memory)
        fetch(server, memory=memory)
    assert [bool(talk.options) for talk in server.talks] == [False, True]


# -- giving up


def test_total_silence() -> None:
    started = time.monotonic()
    message, server = fails(lambda talk: None)
    assert "no answer from TFTP server 127.0.0.1 (asked 4 times in 0.8 s)" in message
    assert 0.7 < time.monotonic() - started and len(server.talks) == 4


def test_closed_port_is_found_out_early() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(FetchError) as caught:
        client.get("127.0.0.1", b"f", len, port=port, limit=1, deadline=started + 60)
    assert os.strerror(errno.ECONNREFUSED) in caught.value.message
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a\0b", ""])
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(FetchError):
        client.get(host, b"f", len, port=1, limit=1, deadline=time.monotonic() + 5, options=QUICK)


def test_deadline_without_an_answer() -> None:
    """Long before a silent server would be given up."""
    message, _ = fails(lambda talk: None, seconds=2, options=client.Options(patience=60))
    assert "no answer" in message and "in 2.0 s" in message


def test_shorter_than_announced() -> None:
    def script(talk: Talk) -> None:
        talk.grant("tsize", tsize=4)
        talk.send(data(1, b"abc"))
        talk.hear_all()

    message, server = fails(script)
    assert "4 bytes announced, 3 sent" in message and errors(server.talks[0]) == [0]


def test_what_write_raises_ends_the_transfer_and_passes_through() -> None:
    class Stop(Exception):
        pass

    def write(piece: memoryview) -> None:
        raise Stop

    with peer(serve(CONTENT)) as server, pytest.raises(Stop):
        client.get(server.host, b"f", write, port=server.port, limit=1 << 20, deadline=time.monotonic() + 9)
    assert errors(server.talks[0]) == [0]


def test_transfers_side_by_side() -> None:
    got: list[bytes] = []
    with peer(serve(CONTENT)) as server:
        threads = [threading.Thread(target=lambda: got.append(fetch(server)[0])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [CONTENT] * 8


def test_a_block_that_comes_again_late_is_acknowledged_again() -> None:
    def script(talk: Talk) -> None:
        talk.send(data(1, b"x" * 512))
        assert talk.hear() == ack(1)
        time.sleep(0.2)
        talk.send(data(1, b"x" * 512))
        assert talk.hear(1) == ack(1)
        talk.send(data(2, b"y"))

    with peer(script) as server:
        assert len(fetch(server, options=client.Options(timeout=5, min_timeout=5))[0]) == 513


def test_the_lost_end_of_a_window_is_noticed_early() -> None:
    def script(talk: Talk) -> None:
        talk.send(oack("windowsize", "4"))
        assert talk.hear() == ack(0)
        talk.send(*(data(number, b"x" * 512) for number in (1, 2, 3)))
        assert talk.hear(2) == ack(3)
        talk.send(data(4, b"y"))

    with peer(script) as server:
        content, done = fetch(server, options=client.Options(timeout=0.5, min_timeout=60))
    assert len(content) == 3 * 512 + 1 and done.seconds < 30


# -- real servers


@pytest.fixture(scope="module", params=["tftpd-hpa", "atftpd"])
def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, Path]]:
    """Port and directory of a real server on loopback."""
    if os.geteuid():
        pytest.skip("the servers want to be started by root")
    root = tmp_path_factory.mktemp("tftp")
    for folder in (root, root.parent, root.parent.parent):
        folder.chmod(0o755)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    argv = {
        "tftpd-hpa": ["in.tftpd", "-L", "-a", f"127.0.0.1:{port}", "-s", str(root)],
        "atftpd": ["atftpd", "--daemon", "--no-fork", "--bind-address", "127.0.0.1", "--port", str(port),
                   "--user", "root.root", "--logfile", "/dev/null", str(root)],
    }[request.param]  # fmt: skip
    server = subprocess.Popen([tools.need(argv[0]), *argv[1:]], stderr=subprocess.DEVNULL)
    try:
        listens = f"0100007F:{port:04X} "
        wait_until(lambda: listens in Path("/proc/net/udp").read_text(), 30, "the server listens")
        yield port, root
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("size", [0, 1468 * 3, 3_000_001])
@pytest.mark.parametrize("blksize", [512, 1468, 8192])
def test_real_servers(real: tuple[int, Path], size: int, blksize: int) -> None:
    port, root = real
    content = (CONTENT * 31)[:size]
    (root / "file").write_bytes(content)
    pieces: list[bytes] = []
    done = client.get(
        "127.0.0.1", b"file", lambda piece: pieces.append(bytes(piece)), port=port, limit=1 << 23,
        deadline=time.monotonic() + 20, options=client.Options(blksize=blksize),
    )  # fmt: skip
    assert b"".join(pieces) == content and done.blksize == blksize and done.tsize == (size or None)


def test_real_servers_say_not_found(real: tuple[int, Path]) -> None:
    with pytest.raises(NotFound):
        client.get("127.0.0.1", b"no-such-file", len, port=real[0], limit=1, deadline=time.monotonic() + 9)
