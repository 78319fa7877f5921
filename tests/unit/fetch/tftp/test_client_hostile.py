"""The TFTP client among hostile and broken servers. Ids are the rows of the project's list of bad inputs."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from pypxeboot.errors import FetchError, NotFound, Refused, ServerError
from pypxeboot.fetch.tftp import client
from tests.support.peers.tftp import (
    CONTENT,
    RRQ,
    WRQ,
    Mangle,
    Talk,
    ack,
    answer_to,
    data,
    error,
    errors,
    fails,
    fetch,
    oack,
    peer,
    serve,
    stranger,
)  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("window", [1, 4])
def test_row17_packets_of_strangers(host: str, window: int) -> None:
    told: list[bytes] = []

    def script(talk: Talk) -> None:
        if window > 1:
            talk.send(oack("windowsize", str(window)))
            talk.hear()
        with stranger(host) as other:
            talk.send(data(1, b"a" * 512))
            if window == 1:
                assert talk.hear() == ack(1)
            for packet in (data(1, b"evil"), data(2, b"evil"), error(1), data(2, b"e" * 512), b"\0\3"):
                other.sendto(packet, talk.client)
            talk.send(data(2, b"b" * 512))
            if window == 1:
                assert talk.hear() == ack(2)
            talk.send(data(3, b"c"))
            assert talk.hear() == ack(3)
            told.extend(answer_to(other) for _ in range(3))

    with peer(script) as server:
        content, _ = fetch(server)
    assert content == b"a" * 512 + b"b" * 512 + b"c"
    assert [packet[:4] for packet in told] == [b"\0\5\0\5"] * 3


def test_row18_first_answer_from_a_host_that_was_not_asked() -> None:
    told: list[bytes] = []

    def script(talk: Talk) -> None:
        with stranger("127.0.0.2") as other:
            for packet in (data(1, b"evil"), oack("blksize", "8"), error(1)):
                other.sendto(packet, talk.client)
            told.append(answer_to(other))
        serve(b"good")(talk)

    with peer(script) as server:
        content, _ = fetch(server)
    assert content == b"good" and told[0][:4] == b"\0\5\0\5"


@pytest.mark.parametrize(
    "body",
    [
        b"blksize\x001469\0", b"blksize\x0065464\0", b"blksize\x000\0", b"blksize\x007\0", b"blksize\0abc\0",
        b"blksize\0\0", b"blksize\0-8\0", b"blksize\0 512\0", b"blksize\x001e3\0", b"blksize\0\xb2\0",
        b"blksize\x00512\0blksize\x00512\0", b"blksize\x00512\0BLKSIZE\x00256\0", b"timeout\x001\0",
        b"foo_blksize_bar\x00512\0", b"multicast\0\0", b"t\xffsize\x001\0", b"windowsize\x000\0",
        b"windowsize\x00257\0", b"blksize\x00512", b"tsize\x005\0blksize\x00512", b"tsize\x00-1\0",
        b"tsize\x001e9\0", b"tsize\x00" + b"9" * 21 + b"\0", b"\0\0\0\0", b"garbage", b"blksize\0",
    ],
)  # fmt: skip
def test_row19_options_that_are_not_to_be_had(body: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.send(b"\0\6" + body)
        talk.hear_all()

    _, server = fails(script)
    assert errors(server.talks[0]) == [8] and len(server.talks[0].heard) == 1


@pytest.mark.parametrize("rest", [b"\0", b"\0\0\0\0", b"\x15", b"\x15\0\7", b"\0x\0y\0"])
def test_row19_garbage_behind_whole_options(rest: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.send(oack("blksize", "8") + rest)
        assert talk.hear() == ack(0)
        talk.send(data(1, b"abc"))

    with peer(script) as server:
        content, done = fetch(server)
    assert content == b"abc" and done.blksize == 8


@pytest.mark.parametrize("junk", [b"", b"\0", b"\0\3", b"\0\3\0", b"\0\x63\0\1", b"\0\0\0\1xx", ack(7)])
def test_row20_packets_of_no_meaning(junk: bytes) -> None:
    def script(talk: Talk) -> None:
        if junk != ack(7):  # as an answer to the request it ends the transfer
            talk.send(junk)
        talk.send(data(1, b"x" * 512), junk, junk)
        assert talk.hear() == ack(1)
        talk.send(junk, data(2, b"y"))
        assert talk.hear() == ack(2)

    with peer(script) as server:
        assert fetch(server)[0] == b"x" * 512 + b"y"


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize(
    "packet",
    [b"\0\1a\0octet\0", b"\0\2a\0octet\0", data(1, b"x" * 513), data(2, b"x" * 1400), data(2, b"x" * 65000)],
)
def test_row20_breaches_of_the_protocol(packet: bytes, after: int) -> None:
    def script(talk: Talk) -> None:
        if after:
            talk.send(data(1, b"x" * 512))
            assert talk.hear() == ack(1)
        talk.send(packet if after or packet[1] in (RRQ, WRQ) else data(1, packet[4:]))
        talk.hear_all()

    _, server = fails(script)
    assert errors(server.talks[0]) == [4]


def test_row21_disorder() -> None:
    def script(talk: Talk) -> None:
        blocks = [data(n, bytes([n]) * 512) for n in range(5)]
        talk.send(blocks[1], blocks[3], blocks[0], blocks[2])
        assert talk.hear() == ack(1)
        assert talk.hear() == ack(2)
        talk.send(blocks[3], blocks[2], data(4))
        assert talk.hear() == ack(3)
        assert talk.hear() == ack(4)

    with peer(script) as server:
        assert fetch(server)[0] == b"\1" * 512 + b"\2" * 512 + b"\3" * 512


def test_row21_a_thousand_copies_are_not_a_thousand_acknowledgements() -> None:
    def script(talk: Talk) -> None:
        for _ in range(1000):
            talk.send(data(1, b"x" * 512))
        for _ in range(1000):
            talk.send(ack(1))
        assert len(talk.hear_all()) < 20
        talk.send(data(2, b"y"))

    with peer(script) as server:
        assert fetch(server)[0] == b"x" * 512 + b"y"


def test_row21_no_sorcerers_apprentice() -> None:
    answers: list[int] = []

    def script(talk: Talk) -> None:
        """Answers every acknowledgement with the next block, twice the first time: RFC 1123 4.2.3.1."""
        talk.send(data(1, b"x" * 512), data(1, b"x" * 512))
        while True:
            packet = talk.hear(0.3)
            if packet is None or packet[3] == 100:
                break
            answers.append(packet[3])
            talk.send(data(packet[3] + 1, b"x" * (512 if packet[3] < 99 else 1)))

    with peer(script) as server:
        content, _ = fetch(server, options=client.Options())
    assert len(content) == 99 * 512 + 1 and answers == list(range(1, 100))


def doubled_after_the_wrap() -> Mangle:
    def mangle(packet: bytes) -> list[bytes]:
        number = int.from_bytes(packet[2:4], "big")
        return [packet] * 3 if number in (0, 1, 2, 65534, 65535) else [packet]

    return mangle


@pytest.mark.slow
@pytest.mark.parametrize("wrap, window", [(0, 64), (0, 1), (1, 1)])
def test_row21_block_numbers_wrap(wrap: int, window: int) -> None:
    content = (CONTENT * 345)[: 65_540 * 512 + 7]
    names = ["tsize", "windowsize"] if window > 1 else ["tsize"]
    options = client.Options(windowsize=window)
    with peer(serve(content, names, wrap=wrap, mangle=doubled_after_the_wrap(), timeout=1)) as server:
        got, done = fetch(server, options=options, seconds=50)
    assert done.blksize == 512 and len(got) > 32 << 20
    assert got == content


def test_row22_silence_after_a_block() -> None:
    def script(talk: Talk) -> None:
        talk.send(data(1, b"x" * 512))
        talk.hear_all(1.0)

    message, server = fails(script)
    heard = server.talks[0].heard
    assert "fallen silent (512 B received)" in message
    assert heard[-1][:4] == b"\0\5\0\0" and heard[:-1] == [ack(1)] * len(heard[:-1]) and len(heard) > 3


@pytest.mark.parametrize("blksize", [8, 512])
def test_row22_a_trickle_ends_at_the_deadline(blksize: int) -> None:
    def script(talk: Talk) -> None:
        if blksize != 512:
            talk.send(oack("blksize", str(blksize)))
            talk.hear()
        for number in range(1, 40):
            talk.send(data(number, b"x" * blksize))
            time.sleep(0.05)
            if talk.hear(0.1) and errors(talk):
                break

    started = time.monotonic()
    message, server = fails(script, seconds=0.6, options=client.Options())
    assert "not finished in time" in message and 0.5 < time.monotonic() - started < 3
    assert errors(server.talks[0]) == [0]


def test_row22_a_flood_of_nothing_ends_too() -> None:
    def script(talk: Talk) -> None:
        talk.send(data(1, b"x" * 512))
        until = time.monotonic() + 1.5
        while time.monotonic() < until and not errors(talk):
            talk.send(data(1, b"x" * 512), ack(1), b"")
            talk.hear(0.001)

    message, _ = fails(script)
    assert "fallen silent" in message


@pytest.mark.parametrize("announced", [["tsize", "10"], []])
def test_row23_endless_data(announced: list[str]) -> None:
    def script(talk: Talk) -> None:
        if announced:
            talk.send(oack(*announced))
            talk.hear()
        number = 1
        while not errors(talk) and number < 60_000:
            talk.send(data(number, b"x" * 512))
            number += 1
            talk.hear()

    pieces: list[bytes] = []
    message, server = fails(script, Refused, limit=200_000, into=pieces)
    assert "limit of 195.3 KiB" in message and errors(server.talks[0]) == [3]
    assert sum(map(len, pieces)) <= 200_000


def test_row23_announced_beyond_the_limit_is_refused_at_once() -> None:
    def script(talk: Talk) -> None:
        talk.send(oack("tsize", str(1 << 63)))
        talk.hear_all()

    _, server = fails(script, Refused)
    assert errors(server.talks[0]) == [3] and len(server.talks[0].heard) == 1


def test_row23_the_limit_itself_is_allowed() -> None:
    with peer(serve(CONTENT)) as server:
        assert fetch(server, limit=len(CONTENT))[0] == CONTENT
    message, _ = fails(serve(CONTENT, ["blksize"]), Refused, limit=len(CONTENT) - 1)
    assert "larger than" in message


def test_row23_disk_full() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, peer(serve(CONTENT)) as server:
        with pytest.raises(FetchError, match=rf"Errno {errno.ENOSPC}\b"):
            client.get(
                server.host, b"f", full.write, port=server.port, limit=1 << 20, deadline=time.monotonic() + 9
            )
    assert errors(server.talks[0]) == [3]


@pytest.mark.parametrize(
    "text",
    [b"\x1b[2J\x9b\r\nno\0", b"\xe2\x80\xae" * 400, b"A" * 1400, b"", b"last byte"],
    ids=["controls", "bidirectional", "long", "empty", "unterminated"],
)
@pytest.mark.parametrize("code", [1, 8, 65535])
def test_row24_what_servers_say_is_shown_harmless(
    text: bytes, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    message, _ = fails(lambda talk: talk.send(error(code, text)), NotFound if code == 1 else ServerError)
    assert message.isprintable() and len(message) < 320
    assert text != b"last byte" or text.decode() in message
    out, err = capfd.readouterr()
    assert not out and not err, "nor does tftpy say it"


@pytest.mark.parametrize(
    "name",
    [b"../../etc/passwd", b"a\\b", b"//x", b"%2e%2e", b"/etc/hostname", b"caf\xe9 \x1b", b"-rf", b"x" * 450],
)
def test_row25_names_go_to_the_server_as_they_are(name: bytes) -> None:
    with peer(lambda talk: talk.send(error(1))) as server:
        with pytest.raises(NotFound) as caught:
            fetch(server, name)
    assert server.talks[0].name == name and caught.value.message.isprintable()


@pytest.mark.parametrize("length, options", [(455, True), (480, False), (503, False)])
def test_row25_long_names_go_without_options(length: int, options: bool) -> None:
    with peer(serve(b"content")) as server:
        assert fetch(server, b"n" * length)[0] == b"content"
    assert bool(server.talks[0].options) == options and len(server.talks[0].request) <= 512


@pytest.mark.parametrize("name", [b"n" * 504, b"n" * 5000, b"a\0b", b""])
def test_row25_names_that_no_request_can_carry(name: bytes) -> None:
    with peer(lambda talk: None) as server:
        with pytest.raises(Refused):
            fetch(server, name)
    assert not server.talks
