"""Lines of a configuration that mean nothing: which are told, and which are not worth a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

import pytest

from pypxeboot.errors import ConfigError, NoBootSource
from tests.support.recorded.replay import attended, boot

CONFIG = "DEFAULT a\nLABEL a\nKERNEL k\n"


def warnings(text: Union[str, bytes], **files: Union[str, bytes]) -> list[str]:
    return attended(text.encode() if isinstance(text, str) else text, (), terminal=None, files=files)[
        1
    ].warnings


@pytest.mark.parametrize(
    "line, said",
    [
        ("APEND console=hvc0", "'APEND console=hvc0' means nothing, and is skipped: APPEND is a directive"),
        ("APPEND\u00a0console=hvc0", "no-break space (U+00A0)"),
        ("APPEND=console=hvc0", "means nothing"),
        ("MENU DEFUALT", "MENU DEFAULT is a directive"),
        ("TEXT HELP\nAPPEND x", "no ENDTEXT"),
        ("// a remark", "means nothing"),
        ("<b>x</b>", "means nothing"),
    ],
)
def test_a_line_that_means_nothing_is_told_once_with_file_and_number(line: str, said: str) -> None:
    for front in ("", "UI menu.c32\n"):  # with a menu the file is read twice
        (text,) = warnings(f"{CONFIG}{front}{line}\n")
        number = CONFIG.count("\n") + front.count("\n") + 1
        assert f"pxelinux.cfg/default line {number}: " in text and said in text


def test_what_cannot_be_seen_is_told() -> None:
    assert "byte order mark" in warnings(b"\xef\xbb\xbfDEFAULT b\n" + CONFIG.encode())[0]
    assert "line 4: 'APPEND x" in warnings(CONFIG.encode() + b"IPAPPEND 2\rAPPEND x\n")[0]
    assert "no LABEL stands above it" in warnings("INITRD i\n" + CONFIG)[0]


def test_lines_of_included_files_have_the_name_of_their_own() -> None:
    (text,) = warnings(CONFIG + "INCLUDE more.cfg\n", **{"more.cfg": "# x\n\nAPEND y\n"})
    assert text.startswith("more.cfg line 3: ")


def test_many_such_lines_are_counted() -> None:
    told = warnings(CONFIG + "nonsense\n" * 500)
    assert len(told) < 20 and told[-1] == "and 488 lines more mean nothing"


def test_known_directives_without_meaning_here_are_no_news() -> None:
    known = (
        "SERIAL 0 115200\nCONSOLE 1\nFONT f.psf\nKBDMAP m.ktl\nDISPLAY boot.msg\nF1 help.txt\nNOHALT 1\n"
        "MENU BACKGROUND splash.png\nMENU RESOLUTION 640 480\nMENU COLOR title 1;36;44 #ffffffff #0 std\n"
        "MENU MSGCOLOR #80ffffff #00000000 std\nMENU SAVE\n# remark\n; remark\n   \n\x1a\n"
        "FDTDIR /dtbs\nDEVICETREE x.dtb\nTEXT HELP\nwords of the help\nENDTEXT\nIPAPPEND 2\nPROMPT 0\n"
    )
    assert warnings(CONFIG + known) == []


def test_missing_includes_are_one_line() -> None:
    text = "".join(f"INCLUDE n{number}.cfg\n" for number in range(20)) + CONFIG + "UI menu.c32\n"
    (told,) = warnings(text)
    assert told.startswith("INCLUDE n0.cfg, n1.cfg, ") and told.endswith("n19.cfg: not there, skipped")


FOREIGN: Mapping[bytes, str] = {
    b"<!DOCTYPE html>\n<html><body>It works</body></html>": "an HTML page",
    b"set timeout=5\nmenuentry x {\n linux /vmlinuz\n}\n": "a configuration of GRUB",
    CONFIG.encode("utf-16"): "text in UTF-16",
    CONFIG.encode("utf-16-le"): "text in UTF-16",
    b"\x1f\x8b\x08\0\0\0\0\0\0\3xxxx": "a file compressed with gzip",
    b"#!ipxe\nkernel vmlinuz\nboot\n": "an iPXE script",
    b'{"kernel": "vmlinuz"}\n': "JSON",
    b"\x7fELF\2\1\1\0": "nothing known",
    b"  \n": "nothing but blanks",
    b"# TODO\n": "text",
}


@pytest.mark.parametrize("data", FOREIGN, ids=FOREIGN.values())
def test_what_is_no_configuration_is_named(data: bytes) -> None:
    for label in (None, "a"):
        with pytest.raises(ConfigError, match=f"cfg/default has no entry: .*{FOREIGN[data]}") as caught:
            boot(data, label=label)
        assert caught.value.hint and caught.value.message.isprintable()


def test_an_empty_file_is_named() -> None:
    with pytest.raises(NoBootSource, match="pxelinux.cfg/default is empty"):
        boot(b"")
