"""The language of xl.cfg, as xl reads it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pypxeboot.errors import UsageError
from pypxeboot.xen.parent_xl import create_arguments
from pypxeboot.xen.xl_config import MAX_SIZE, parse, texts
from tests.support.effort import lines

WHOLE = """\
# A comment, and a line that is empty

name = "web"; memory=512
bootloader = '/usr/bin/pypxeboot' # behind a value
disk = [
  'phy:/dev/vg/web,xvda,w',   # in a list
  "file:/srv/a b.img,xvdb,r",
]
vif = [ 'mac=00:16:3e:01:02:03,bridge=xenbr0', '' ]
vif.default.bridge="xenbr1"
extra = "a=\\"b\\" \\t\\n"
empty = []
vcpus = 0x2
vif+=[ 'mac=00:16:3e:01:02:04' ]
name = "last"
"""


def test_a_whole_configuration() -> None:
    assert parse(WHOLE) == {
        "name": "last",
        "memory": "512",
        "bootloader": "/usr/bin/pypxeboot",
        "disk": ["phy:/dev/vg/web,xvda,w", "file:/srv/a b.img,xvdb,r"],
        "vif": ["mac=00:16:3e:01:02:03,bridge=xenbr0", "", "mac=00:16:3e:01:02:04"],
        "vif.default.bridge": "xenbr1",
        "extra": 'a="b" \t\n',
        "empty": [],
        "vcpus": "0x2",
    }
    assert parse(WHOLE[:-1]) == parse(WHOLE)
    assert parse("") == parse("\n\n# no more\n") == {}


def test_one_string_where_a_list_may_be() -> None:
    assert texts(parse("vif='mac=a'")["vif"]) == ["mac=a"]
    assert texts(parse("x=['a', ['b'], 'c']")["x"]) == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import os", "line 1: no setting"),
        ("name = 'a'\nvif = [ 'x' 'y' ]", "line 2: neither a comma"),
        ("\n\nname = 'a' 'b'", "line 3: more than one value"),
        ("vif = [ 'mac=a'", "ends in the middle"),
        ("vif =", "ends in the middle"),
        ("vif", "ends in the middle"),
        ("name = 'a", "line 1: this is not understood"),
        ("x = {'a': 1}", "line 1: this is not understood"),
        ("vif = [\n\n,]", "line 3: no value"),
        ("name = __import__('os').system('id')", "not understood"),
        ("a = ['b']\na += 'c'", "line 2: \\+= joins two lists"),
        ("x = " + "[" * 200, "no value"),
        ("name = 'a'\nextra = 'a\\x41'", "line 2: a string has .x in it"),
        ("name = 'a\0b'", "line 1: this is not understood"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(text)


def test_line_ends_of_windows_which_xl_does_not_take() -> None:
    with pytest.raises(UsageError, match="line 1: this is not understood") as raised:
        parse("name = 'a'\r\nvif = []\r\n")
    assert "Windows" in str(raised.value.hint)


def test_no_text_makes_it_raise_anything_else() -> None:
    rng = random.Random(2)
    for _ in range(3000):
        text = list(WHOLE)
        for _ in range(rng.randint(1, 5)):
            text[rng.randrange(len(text))] = rng.choice(
                "'\"[],=;\n\\#+ \0\u20ac" + chr(rng.randrange(0x3000))
            )
        try:
            parse("".join(text))
        except UsageError as why:
            assert why.message.isprintable()


@pytest.mark.parametrize("unit", ["a='b'\n", "'", "[", "\\", "#", "a=[", "a=['b',"])
def test_the_work_grows_with_the_size_alone(unit: str) -> None:
    def work(count: int) -> int:
        def attempt() -> None:
            try:
                parse(unit * count)
            except UsageError:
                pass

        return lines(attempt)

    assert work(4000) < 5 * work(1000) + 1000
    assert MAX_SIZE <= 1 << 20


@pytest.mark.parametrize(
    ("line", "file", "settings"),
    [
        ("create /etc/xen/a.cfg", "/etc/xen/a.cfg", []),
        ("-vvv create -c a.cfg", "a.cfg", []),
        ("create -F -p -f a.cfg", "a.cfg", []),
        ("create --defconfig=a.cfg name='x'", "a.cfg", ["name='x'"]),
        ("cr a.cfg vif=['mac=b'] memory=9", "a.cfg", ["vif=['mac=b']", "memory=9"]),
        ("create /dev/null kernel='/k'", "/dev/null", ["kernel='/k'"]),
        ("create", "", []),
    ],
)
def test_what_xl_create_was_given(line: str, file: str, settings: list[str]) -> None:
    assert create_arguments(line.split()) == (file, settings)


@pytest.mark.parametrize("line", ["", "list", "-v", "restore file", "c a.cfg", "destroy create"])
def test_other_commands_of_xl(line: str) -> None:
    none: Any = create_arguments(line.split())
    assert none is None
