"""What a script says of downloads that fail: the words and numbers of the real iPXE 2.0."""

from __future__ import annotations

import pytest

from tests.support.recorded import replay

URL = "http://10.77.0.1/x"
PAGE = "(https://ipxe.org/"


def said(command: str, **more: object) -> list[str]:
    """What a failing command prints, and the number after it."""
    played = replay.serving({}, **more)
    _, played = replay.script(f"#!ipxe\n{command} || echo ${{errno}}\n", replay=played)
    return played.printed.splitlines()


@pytest.mark.parametrize(
    ("cause", "words", "number"),
    [
        ("http-401", "Permission denied", "0243613c"),
        ("http-403", "Operation not permitted", "410c613c"),
        ("http-404", "Not found", "2d0c613b"),
        ("http-304", "Error 0x4f0c6001", "4f0c6001"),
        ("http-410", "HTTP 4xx Client Error", "1d0c6439"),
        ("http-503", "HTTP 5xx Server Error", "1d0c6539"),
        ("refused", "Connection reset", "0f0a6039"),
        ("timeout", "Connection timed out", "4c0a6035"),
        ("unreachable-host", "Connection timed out", "4c0a6035"),
        ("unreachable", "Network unreachable", "280a6011"),
        ("no-name", "Error 0x3e11623b", "3e11623b"),
    ],
)
def test_downloads_that_fail(cause: str, words: str, number: str) -> None:
    assert said(f"initrd {URL}", causes={URL: cause}) == [
        f"{URL}... {words} {PAGE}{number})",
        f"0x{number.lstrip('0')}",
    ]


def test_a_login_that_is_refused_has_another_number() -> None:
    url = "http://u@10.77.0.1/x"
    lines = said(f"initrd {url.replace('@', ':p@')}", causes={url: "http-401"})
    assert lines == [f"{URL}... Permission denied {PAGE}020c613c)", "0x20c613c"]


def test_time_that_the_command_gives() -> None:
    lines = said(f"initrd --timeout 500 {URL}", causes={URL: "timeout"})
    assert lines == [f"{URL}... Connection timed out {PAGE}4c072035)", "0x4c072035"]


@pytest.mark.parametrize(
    ("uri", "words", "number"),
    [
        ("foo://h/x", "Operation not supported", "3c092003"),
        (":x", "Operation not supported", "3c092003"),
        ("http:x", "Invalid argument", "1c416002"),
        ("http:/x", "Invalid argument", "1c416002"),
        ("tftp://h", "Invalid argument", "1c126002"),
    ],
)
def test_what_cannot_be_asked_for(uri: str, words: str, number: str) -> None:
    assert said(f"chain {uri}") == [f"Could not start download: {words} {PAGE}{number})", f"0x{number}"]


def test_nothing_secret_is_printed() -> None:
    assert said("initrd http://u:p@10.77.0.1/x?token=1#f")[0].startswith(f"{URL}... Not found")


def test_a_script_that_returns_stays_selected() -> None:
    _, played = replay.script("#!ipxe\nimgselect s\nboot\nboot\n", files={"s": "#!ipxe\necho again\n"})
    assert played.printed.count("again\n") == 2
