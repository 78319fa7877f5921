"""The language of xl.cfg against xl's own reader, libxlutil: it has to be read, and refused, alike."""

from __future__ import annotations

import random
from typing import Optional

import pytest

from pypxeboot.errors import UsageError
from pypxeboot.xen import xl_config
from tests.support import xlutil

NAMES = ("name", "vif", "type", "a", "b", "a.b", "a_b")

# One a line; ~ is the end of a line within one.
LISTS = """\
vif=["a","b",]
vif=[~"a",~~"b"~]
vif=[]
vif = [ ~ ]
vif=["a" "b"]
vif=["a"; "b"]
vif=["a";]
vif=( "a" )
vif=[,]
vif=["a",,"b"]
vif=["a"~"b"]
vif=["a"~,"b"]
vif=[[ "a" ],"b"]
vif=["a",["b",[]]]
vif=["a"]["b"]
vif=[ #c~"a", # d~ "b" ]~
vif=[x]
vif=["a"
vif=["a",
vif += ["a"]
vif+=["a"]
vif=["a"]~vif+=["b"]~
vif=["a"]~vif +=["b"]~vif+= ["c"]
vif+=["a"];vif+=["b"];vif=["c"];vif+=[]
vif="a"~vif+=["b"]
vif=["a"]~vif+="b"
vif=["a"]~vif+=1
vif=["mac=00:16:3e:01:02:03\\~,bridge=x"]
vif=["a"\\~,"b"]
"""
WORDS = """\
name="a"~name+="b"
name=1~name+=2~
name="a"~name += 2
name + ="a"
name=abc~
name=a-b
name=1.2
name=0x10
name=0X10~
name=064
name=12abc
name=12abg~
name=-5
name=+5
name=5M
name=5M~
name=5.5
name=1e5
name=true
name=None~
name = b
name=xen/foo
name=/dev/x
name=
name
=1
name=1,~
name=1 b=2
name=~1
name==1
a=1;b=2;;
a="x";b="y"
;;a=1~~;
A="x"
_a="x"
a_b=1;a.b=2~a1=3
1a=1
a-b=1
 \ta\t=\t1\t
a=1\\~b=2
\\~a=1
a=\\~1
def f(): pass
import os
"""
COMMENTS = """\
name="x" # c
name="x"# c~
name='x'#c~
name=1;#c~a=2
name=1~# c
#
#~
# c
# c~
name="#x"
"""
STRINGS = """\
a="x'y"
a='x"y'
a="x\\"y"
a='x\\'y'
a="x\\'y"
a="\\a\\b\\f\\n\\r\\t\\v\\\\"
a="\\q"
a="\\8"
a="\\x41"
a="\\x4"
a="\\x"
a="\\0"
a="\\00"
a="\\07"
a="\\101b"
a="\\1234"
a="\\6 1"
a="\\6-1x"
a="\\6 -1"
a="\\6--1"
a="\\6\\n"
a="\\"
a="x
a='x
a="x~"
a="x\\~y"
a="x""y"
a=""
a=''
a='''x'''
a="\u00e9\u65e5"
a=\u00e9
a="tab\there"
"""
OTHERS = """\
name="x"\r
name="x"\r~vif=["a"]\r~
\r~
name="x"\v
name="x"\f~b=1
name="x" @
name="x" @~
@
@~
name="x"~)
name="x"~)~
{}
\ufeffname="x"
"""
CASES = [
    line.replace("~", "\n") for text in (LISTS, WORDS, COMMENTS, STRINGS, OTHERS) for line in text.split("\n")
]

PIECES = (
    r"""a b vif name = += [ ] , "x" 'y' ; \ 12 0x1f 1.5 abc -1 "a\"b" '\'q' "\n" "\x41" "\101" "\12" a-b"""
).split(" ") + [
    "(",
    ")",
    '"',
    "@",
    "#",
    " ",
    "\n",
    "#c\n",
    "\\\n",
    "\t",
    "\r\n",
    '"mac=00:16:3e:01:02:03,bridge=br"',
]
VALUES = (
    '"x"', "'y'", "12", '["x"]', '["x","y"]', '["x",]', "[]", '[\n"x"\n,"y"\n]', '["x" #c\n]', "abc",
    '"a\\"b"',
)  # fmt: skip


def ours(text: str) -> Optional[xlutil.Found]:
    """The same as xlutil.read() by our reader."""
    try:
        found = xl_config.parse(text)
    except UsageError as why:
        assert why.message.isprintable()
        return None

    def item(value: xl_config.Value) -> object:
        return value if isinstance(value, str) else [v if isinstance(v, str) else None for v in value]

    return {name: item(value) for name, value in found.items() if name in NAMES}


@pytest.mark.parametrize("text", CASES)
def test_by_hand(text: str) -> None:
    assert ours(text) == xlutil.read(text, NAMES)


def random_text(rng: random.Random) -> str:
    """A few lines that may be right, often with something in them that should not be there."""
    if rng.random() < 0.5:
        return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 9)))
    text = ""
    for _ in range(rng.randint(1, 4)):
        sign = rng.choice(("=", " = ", "+=", " += ", "="))
        end = rng.choice(("\n", ";", " # c\n", "\r\n", "", "\n\n", " \n"))
        text += rng.choice(("a", "b", "vif", "name")) + sign + rng.choice(VALUES) + end
    if rng.random() < 0.5:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PIECES) + text[at:]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_by_chance(seed: int) -> None:
    rng = random.Random(seed)
    taken = 0
    for _ in range(10_000):
        text = random_text(rng)
        found = xlutil.read(text, NAMES)
        taken += bool(found)
        assert ours(text) == found, text
    assert taken > 500, "most of these texts should not be refused"
