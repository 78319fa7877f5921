"""Whatever the configuration and whatever is pressed: a choice or an error, after not too many steps."""

from __future__ import annotations

from typing import Optional, Union

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Choice
from pypxeboot.errors import PxeBootError
from pypxeboot.picture import Terminal
from pypxeboot.syslinux.config.parser import SyslinuxParser
from pypxeboot.syslinux.loader import boot
from tests.support import effort
from tests.support.recorded.replay import GUEST, LEASE, TERMINAL, Press, attended, serving

WORDS = """
    LABEL|KERNEL k|KERNEL gone|LINUX k|APPEND|INITRD i|COM32 menu.c32|KERNEL menu.c32
    APPEND pxelinux.cfg/default|CONFIG pxelinux.cfg/default
    LOCALBOOT 0|DEFAULT|DEFAULT a|DEFAULT menu.c32|UI menu.c32|PROMPT 1|PROMPT 0
    TIMEOUT 10|TIMEOUT 0|TOTALTIMEOUT 20|ONTIMEOUT|ONTIMEOUT a|ONERROR a|NOESCAPE 1|IMPLICIT 0|ALLOWOPTIONS 0
    NOCOMPLETE 1|SAY|DISPLAY t|F1 t|F12 gone|INCLUDE inc|INCLUDE inc tag|MENU INCLUDE inc|TEXT HELP|ENDTEXT
    MENU TITLE|MENU LABEL ^A|MENU LABEL|MENU DEFAULT|MENU HIDE|MENU DISABLE|MENU SEPARATOR|MENU INDENT 3
    MENU BEGIN|MENU BEGIN s|MENU END|MENU GOTO s|MENU GOTO .top|MENU GOTO .hidden|MENU EXIT|MENU EXIT s
    MENU QUIT|MENU START|MENU HELP t|MENU PASSWD|MENU PASSWD a|MENU MASTER PASSWD a|MENU HIDDEN|MENU CLEAR
    MENU HIDDENKEY a,enter b|MENU SHIFTKEY|MENU IMMEDIATE|MENU NOIMMEDIATE|MENU AUTOBOOT #{a,b|MENU TABMSG
    MENU ONERROR a|MENU COLOR sel 1;31 * *|MENU ROWS 2|MENU ROWS -30|MENU WIDTH 9|MENU MARGIN 99
    LABEL a|LABEL b
    """
LINES = [word.strip() for line in WORDS.strip().splitlines() for word in line.split("|")]
KEYS = (
    "enter escape tab up down left right home end page-up page-down backspace delete insert resize".split()
    + [f"f{n}" for n in range(1, 13)]
    + [f"ctrl-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    + list("ab^ <>-+1\u00e9\u4e2d")
)

configs = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from(LINES), max_size=30).map(lambda lines: "\n".join(lines).encode()),
    st.lists(st.tuples(st.sampled_from(LINES), st.text(max_size=9)), max_size=20).map(
        lambda pairs: "\n".join(f"{word} {text}" for word, text in pairs).encode("utf-8", "replace")
    ),
)
presses = st.lists(
    st.one_of(st.sampled_from(KEYS), st.floats(0, 30), st.just(Terminal(1, 1)), st.just(TERMINAL)),
    max_size=25,
)


@pytest.mark.slow
@given(
    configs,
    configs,
    presses,
    st.sampled_from([None, 0.0, 7.0]),
    st.sampled_from([TERMINAL, Terminal(dumb=True), None]),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_configuration_and_any_keys(
    config: bytes, include: bytes, keys: list[Press], patience: Optional[float], terminal: Optional[Terminal]
) -> None:
    files = {
        "pxelinux.cfg/default": config,
        "inc": include,
        "k": "@kernel",
        "i": "initrd",
        "t": b"text\x1b[2J",
    }
    replay = serving(files, keys=keys, terminal=terminal)
    result: Union[Choice, PxeBootError]
    try:
        result = replay.drive(
            boot.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE, patience=patience))
        )
    except PxeBootError as error:
        result = error
    assert isinstance(result, (Choice, PxeBootError))
    assert len(replay.pictures) < 3000


@pytest.mark.parametrize("menu", [False, True])
def test_work_grows_with_the_number_of_labels_no_faster(menu: bool) -> None:
    def config(labels: int) -> bytes:
        lines = [f"LABEL l{n}\nMENU LABEL ^{n}\nKERNEL k\nMENU BEGIN m{n}\nMENU END\n" for n in range(labels)]
        return "".join(lines).encode()

    def parse(data: bytes) -> int:
        parser = SyslinuxParser(lambda name: iter(()), menu=menu)  # type: ignore[arg-type,return-value]
        steps = parser.file(data)

        def work() -> None:
            for _ in steps:
                raise AssertionError("nothing is read")
            parser.config()

        return effort.lines(work)

    small, large = parse(config(200)), parse(config(2000))
    assert large < 12 * small


@pytest.mark.slow
def test_fifty_thousand_labels() -> None:
    parts = {
        f"part{n}": "".join(f"LABEL {n}x{m}\nKERNEL k\nAPPEND {n}x{m}\n" for m in range(5000))
        for n in range(10)
    }
    config = "UI menu.c32\nTIMEOUT 10\n" + "".join(f"INCLUDE {name}\n" for name in parts)
    with pytest.raises(PxeBootError, match="larger than"):
        attended(config, (), files=parts)
    some = dict(list(parts.items())[:4])
    config = "PROMPT 1\nDEFAULT 0x0\n" + "".join(f"INCLUDE {name}\n" for name in some)
    choice, _ = attended(config, [*"3x4999", "enter"], files=some)
    assert choice.entry.cmdline == "BOOT_IMAGE=k 3x4999"
    menu, _ = attended("UI menu.c32 " + " ".join(list(some)[:2]), ["end", "enter"], files=some)
    assert menu.entry.label == "1x4999"
