"""lua.c32: what scripts may do, what they are kept from, and what they boot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.effects import LuaCall, RunLua
from pypxeboot.entry import Action, Choice, Reason
from pypxeboot.errors import ConfigError, PxeBootError, Refused
from pypxeboot.lua import script as lua
from pypxeboot.picture import Terminal
from pypxeboot.syslinux.loader import boot as ldlinux
from tests.support.recorded.replay import GUEST, LEASE, Replay, serving
from tests.support.samples.lua import PATTERNS, PEER, TEXTS


def calls(source: str, *answers: Sequence[Any]) -> tuple[list[LuaCall], str]:
    """What a script asks for, answered one by one and then with nothing; and its error."""
    running = lua.script(RunLua(source.encode(), "x.lua", ("one", "two"), "cfg", "PXELINUX 6.04"))
    asked, waiting, answer = [], list(answers), None
    try:
        while True:
            asked.append(running.send(answer))
            answer = waiting.pop(0) if waiting else ()
    except StopIteration as end:
        return asked, end.value


def said(source: str) -> str:
    """What a script prints."""
    asked, error = calls(source)
    assert not error, error
    return "".join(str(call.arguments[0]) for call in asked if call.name == "print")


@pytest.mark.parametrize(
    "source, text",
    [
        ("print(1, 'x', nil, true)", "1\tx\tnil\ttrue\n"),
        ("io.write('a', 1, 'b')", "a1b"),
        ("print(#arg, arg[0], arg[1], arg[2])", "2\tx.lua\tone\ttwo\n"),
        ("print(('hello world'):gsub('o', '0'))", "hell0 w0rld\t2\n"),
        ("for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do print(k, v) end", "a\t1\nb\t2\n"),
        ("print(string.format('%-5s|%03d', 'ab', 7))", "ab   |007\n"),
        ("print(require('syslinux') == syslinux, require 'string' == string)", "true\ttrue\n"),
        ("print(pcall(error, 'x'))", "false\tx\n"),
        ("print(xpcall(error, function(e) return e .. '!' end, 'x'))", "false\tx!\n"),
        (
            "print(syslinux.derivative(), syslinux.version(), syslinux.config_file())",
            "PXELINUX\tPXELINUX 6.04\tcfg\n",
        ),
        ("t = {3, 1, 2} table.sort(t) print(table.concat(t, ' '))", "1 2 3\n"),
        ("print(load('return 1 + 1')())", "2\n"),
        ("print(load('\\27Lua'))", "nil\tattempt to load a binary chunk (mode is 't')\n"),
        ("x = 1 print(_G.x, _G == _G._G)", "1\ttrue\n"),
        ("print(('\\195\\169'):byte(1, -1))", "195\t169\n"),
    ],
)
def test_plain_lua(source: str, text: str) -> None:
    assert said(source) == text


@pytest.mark.parametrize(
    "name", "os io.open io.read package debug python coroutine dofile_ collectgarbage".split()
)
def test_what_is_not_there(name: str) -> None:
    assert said(f"print({name})") == "nil\n"


BOMBS = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "return xpcall(error, function() while true do end end)",
    "print(setmetatable({}, {__tostring = function() while true do end end}))",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} for i = 1, 1e9 do t[i] = i .. 'x' end",
    "return ('x'):rep(1e9)",
    "return ('x'):rep(1e5, ('y'):rep(1e5))",
    "while true do ('x'):rep(1e6) end",
    "local function f() return 1 + f() end return f()",
    "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
    "return ('x'):rep(5000):find(('x*'):rep(100) .. 'y')",
    "while true do pcall(string.find, ('x'):rep(500), ('x-'):rep(100) .. 'y') end",
    "return ('x'):rep(1e5):gsub('.-b', '')",
    "return table.unpack({}, 1, 1e8)",
    "return setmetatable({}, {__gc = function() while true do end end})",
    "return " + "(" * 10000,
    "goto x ::x:: goto x",
    "getmetatable('').__index = nil",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("source", BOMBS)
def test_bombs_do_not_go_off(source: str) -> None:
    asked, error = calls(source)
    assert error and not asked


def test_nothing_of_python_is_within_reach() -> None:
    source = """
    local seen = {}
    local function look(value, path)
      if seen[value] then return end
      if type(value) == 'userdata' or type(value) == 'thread' then print(path) end
      if type(value) ~= 'table' then return end
      seen[value] = true
      for k, v in pairs(value) do look(k, path) look(v, path .. '.' .. tostring(k)) end
      local m = getmetatable(value)
      if type(m) == 'table' then look(m, path .. '<meta>') end
    end
    look(_G, '_G')
    """
    assert said(source) == ""


@given(TEXTS, PATTERNS, st.text(alphabet="ab%0129", max_size=4))
def test_gsub_and_gmatch_are_as_in_lua(text: str, pattern: str, repl: str) -> None:
    program = (
        "local s, p, r = ...; local out = {}; local ok, a, b = pcall(string.gsub, s, p, r);"
        "if not ok then return 'error' end; pcall(function() for x, y in string.gmatch(s, p) do "
        "out[#out + 1] = tostring(x) .. ',' .. tostring(y) end end); return a .. b .. table.concat(out, ';')"
    )
    theirs = PEER.execute(program, text, pattern, repl)
    quoted = ", ".join(
        '"' + "".join(f"\\{ord(char):03d}" for char in item) + '"' for item in (text, pattern, repl)
    )
    program = program.replace("...", quoted, 1).replace("return 'error'", "print('error') return")
    ours = said(program.replace("return a ..", "io.write(a ..").replace("out, ';')", "out, ';'))")).rstrip(
        "\n"
    )
    if theirs != "error" and ours != "error":
        assert ours == theirs.encode("latin-1").decode("utf-8", "surrogateescape")


@given(st.binary(max_size=200))
def test_any_source_is_run_or_refused(source: bytes) -> None:
    running = lua.script(RunLua(source, "x.lua"))
    try:
        running.send(None)
    except StopIteration as end:
        assert isinstance(end.value, str)


CONFIG = "DEFAULT s\nLABEL s\nCOM32 lua.c32\nAPPEND s.lua\nLABEL other\nKERNEL k2\nAPPEND o=1\n"
DELL = replace(GUEST, smbios={"SYSVENDOR": "Dell Inc.", "SYSSERIAL": "7"})


def replay(script: str, files: Optional[dict[str, Any]] = None, config: str = CONFIG) -> Replay:
    base = {"k": "@kernel", "k2": "@kernel", "i": "initrd", "pxelinux.cfg/default": config, "s.lua": script}
    return serving({**base, **(files or {})})


def boot(script: str, files: Optional[dict[str, Any]] = None, **more: Any) -> Choice:
    return replay(script, files).drive(
        ldlinux.boot(BootRequest(boot_info.boot_source(LEASE), DELL, LEASE, **more))
    )


@pytest.mark.parametrize(
    "script, cmdline",
    [
        ("syslinux.run_command('other x')", "BOOT_IMAGE=k2 o=1 x"),
        ("syslinux.run_command('k y=1')", "BOOT_IMAGE=k y=1"),
        ("syslinux.run_command('gone') syslinux.run_command('other')", "BOOT_IMAGE=k2 o=1"),
        ("syslinux.boot_linux('k', 'a initrd=i')", "BOOT_IMAGE=k a initrd=i"),
        ("syslinux.run_kernel_image('k', 'a', 2, 1)", "BOOT_IMAGE=k a BOOTIF=01-52-54-00-ab-cd-ef"),
        ("syslinux.boot_it(syslinux.loadfile('k'), nil, 'init=/bin/sh')", "init=/bin/sh"),
        ("local m = require 'more' m.go()", "BOOT_IMAGE=k2 o=1"),
        ("dofile 'more.lua' .go()", "BOOT_IMAGE=k2 o=1"),
        (
            "local d = require 'dmi'.gettable() if d.system.manufacturer:match('^Dell') "
            "and d['system.serial'] == '7' then syslinux.run_command('other') end",
            "BOOT_IMAGE=k2 o=1",
        ),
        ("if syslinux.get_key(9) == -1 then syslinux.run_command('other') end", "BOOT_IMAGE=k2 o=1"),
        ("syslinux.sleep(600) syslinux.run_command('other')", "BOOT_IMAGE=k2 o=1"),
        ("for _, s in ipairs(syslinux.ipappend_strs()) do if s:match('^BOOTIF=') then b = s end end "
         "syslinux.run_command('k ' .. b)", "BOOT_IMAGE=k BOOTIF=01-52-54-00-ab-cd-ef"),
        ("if not pcall(syslinux.loadfile, 'no') then syslinux.run_command('other') end", "BOOT_IMAGE=k2 o=1"),
    ],
)  # fmt: skip
def test_what_scripts_boot(script: str, cmdline: str) -> None:
    files = {"more.lua": "return {go = function() syslinux.run_command('other') end}"}
    choice = boot(script, files)
    assert choice.entry.cmdline == cmdline and choice.reason is Reason.DEFAULT


def test_a_ramdisk_put_together() -> None:
    script = (
        "local sl = syslinux local i = sl.initramfs():load('i'):add_file('/etc/x', 'hello', 1) "
        "print(i:size(), sl.filesize(sl.loadfile('k')) > 100) sl.boot_it(sl.loadfile('k'), i, 'x')"
    )
    entry = boot(script, append="u").entry
    assert entry.cmdline == "x u" and [location.path for location in entry.initrds] == ["i"]
    assert [(packed.path, packed.data) for packed in entry.packed] == [("/etc/x", b"hello")]


@pytest.mark.parametrize(
    "script, action", [("syslinux.local_boot(0)", Action.LOCALBOOT), ("syslinux.reboot(1)", Action.REBOOT)]
)
def test_scripts_that_end_it(script: str, action: Action) -> None:
    assert boot(script).entry.action is action


@pytest.mark.parametrize(
    "script, error, text",
    [
        ("print('hello')", ConfigError, "boots nothing"),
        ("error('my words')", ConfigError, "my words"),
        ("error('a\\nb\\27[31m')", ConfigError, "failed: s.lua:1: a"),
        ("if", ConfigError, "s.lua:1"),
        ("while true do end", ConfigError, "too long"),
        ("while true do syslinux.sleep(0) end", Refused, "calls more than"),
        ("for i = 1, 100 do pcall(syslinux.loadfile, 'x' .. i) end", ConfigError, "more than 64 files"),
        ("syslinux.run_command('s')", ConfigError, "for ever"),
        ("require('gone')", ConfigError, "gone.lua is not there"),
        ("syslinux.run_command('gone')", PxeBootError, "'gone'"),
    ],
)
def test_scripts_that_boot_nothing(script: str, error: type[PxeBootError], text: str) -> None:
    with pytest.raises(error) as caught:
        boot(script)
    assert text in caught.value.message and caught.value.message.isprintable()


def test_what_is_printed_reaches_the_terminal_tame() -> None:
    running = replay("print('a\\27[2J\\tb') io.write('c') syslinux.run_command('other')")
    running.drive(ldlinux.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    assert running.printed == "a\\x1b[2J   b\nc"
    running = replay("print(('x'):rep(9e5)) while true do print('y') end")
    with pytest.raises(Refused):
        running.drive(ldlinux.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    assert len(running.printed) <= 64 * 1024


def test_keys_of_a_person() -> None:
    running = replay(
        "local k = syslinux.get_key(5000) syslinux.run_command(k == syslinux.KEY.F2 and 'other' or 'k')"
    )
    running = replace(running, terminal=Terminal(), keys=("f2",))
    choice = running.drive(ldlinux.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE, label="s")))
    assert choice.entry.cmdline == "BOOT_IMAGE=k2 o=1"


def test_a_machine_without_lua_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lua, "_VERSIONS", ("lua0",))
    with pytest.raises(Refused) as caught:
        boot("print(1)")
    assert caught.value.hint is not None and "pypxeboot[lua]" in caught.value.hint


@pytest.mark.parametrize(
    "call",
    [
        "syslinux.sleep('x')",
        "syslinux.sleep({})",
        "syslinux.sleep(1/0)",
        "syslinux.msleep(nil)",
        "syslinux.msleep(0/0)",
        "syslinux.get_key('x')",
        "syslinux.get_key(1/0)",
        "syslinux.run_kernel_image('k', 'l', 'x', 0)",
        "syslinux.run_kernel_image('k', 'l', 0, {})",
        "syslinux.run_kernel_image('k', 'l', 0/0, 0)",
    ],
)
def test_what_is_no_number_is_told_to_the_script(call: str) -> None:
    asked, error = calls(call)
    assert not asked and "number expected" in error
