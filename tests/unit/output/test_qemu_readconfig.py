"""What the hook writes for QEMU's -readconfig, and where a domain's XML may name it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.errors import HandoverError
from pypxeboot.output import qemu_readconfig
from pypxeboot.text import decode
from tests.support.samples.readconfig import MOST


def test_files() -> None:
    assert qemu_readconfig.config("/d/k", "/d/i", "a  b=c,d 'e' \\") == (
        b'[machine]\n  kernel = "/d/k"\n  initrd = "/d/i"\n  append = "a  b=c,d \'e\' \\"\n'
    )
    assert qemu_readconfig.config("/d/k", None, "") == b'[machine]\n  kernel = "/d/k"\n'
    assert b"[machine]" not in qemu_readconfig.config(None, None, "")


@pytest.mark.parametrize(
    ("cmdline", "what"),
    [('a="b"', "a quote"), ("a\nb", "a line feed"), ("a\0b", "a NUL byte"), ("x" * (MOST + 1), "takes 1009")],
)
def test_what_the_form_cannot_say(cmdline: str, what: str) -> None:
    with pytest.raises(HandoverError, match=what) as caught:
        qemu_readconfig.config("/d/k", None, cmdline)
    assert caught.value.hint and "pypxeboot-virt" in caught.value.hint
    with pytest.raises(HandoverError, match="path of the kernel"):
        qemu_readconfig.config('/d/"k', None, "")


@given(st.binary(max_size=100))
def test_one_line_for_each_value(cmdline: bytes) -> None:
    try:
        lines = qemu_readconfig.config("/k", None, decode(cmdline)).split(b"\n")
    except HandoverError:
        assert set(cmdline) & set(b'"\n\0')
        return
    assert lines[2:] == ([b'  append = "' + cmdline + b'"', b""] if cmdline else [b""])
