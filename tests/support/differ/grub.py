"""GRUB 2 for a BIOS, with random scripts of its language."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from pypxeboot.entry import Action
from pypxeboot.errors import PxeBootError
from tests.support.differ.case import Outcome, Texts, booted
from tests.support.ground import tools
from tests.support.recorded import boots, grub_cases

_CONFIG = "boot/grub/grub.cfg"
_MODULES = Path("/usr/lib/grub/i386-pc")

_NAMES = ("a", "b", "c", "n", "list", "v1", "_x")
_READ = (*_NAMES, "?", "#", "1", "2", "@", "*", "{a}", "{#}", "net_default_ip", "grub_cpu", "nosuch", "root")
_PLAIN = (
    "one",
    "two",
    "x",
    "z",
    "0",
    "1",
    "7",
    "08",
    "0x1f",
    "-3",
    "a/b",
    "k=v",
    "ünì",
    "a*",
    "[x]",
    "~",
    "!x",
)
_QUOTED = (
    *(
        '""',
        '"a b"',
        '"$a"',
        '"${b} c"',
        r'"x\"y"',
        r'"\$z"',
        r'"q\\r"',
        r'"p\nq"',
        '"it\'s"',
        '"$@"',
        '"$*"',
    ),
    *("'a b'", "'$a'", r"'q\r'", "''", "'a;b'", "'{b}'", '"a\tb"', '"l1 \\\n l2"', '"&|<>"', '$"m $a"'),
)
_ESCAPED = (r"a\ b", r"\$a", r"\"", r"\\", r"x\*y", r"\'q", "a\\\nb", r"\#h", r"e\{f\}")
_TESTS = ("=", "==", "!=", "-eq", "-ne", "-lt", "-gt", "-le", "-ge", "-plt", "-pgt")
_FACTS = ("x = x", "x = y", "1 -lt 2", "3 -gt 4", "-n a", "-z ''", '"$a" = "$b"', '-n "$a"', "a", "''")
_PATTERNS = (
    "'^[0-9]+$'",
    "'(.)(.)'",
    "x",
    "'^a|b$'",
    "--set a '([a-z]+)'",
    "-s 2:b '(.)(.)'",
    "'[[:alpha:]]{2}'",
)
_BROKEN = (
    *("}", "fi", "done", "then", "if true", "echo a & b", "echo a | b", "echo $", "menuentry", "a;;b", "; x"),
    *(
        "[[ a ]]",
        "function",
        "if ; then true; fi",
        "case x in",
        "menuentry x { }",
        "echo {a",
        "nosuch {\n a\n}",
    ),
)
_INITRDS = ("/i1", "/i1 /i2", "/i2 newc:a/b:/i1 sub/i1")
_COMMENTS = ("# it's a comment", "#x", '   # more "quotes', "", "#it's")


class Grub:
    """GRUB 2.06 of Debian's packages grub-pc-bin and grub-common.

    It loads kernels by ``linux16``: the one that says what it was handed begins in 16 bits.
    """

    boot_file = "boot/grub/i386-pc/core.0"
    http = False

    def program(self) -> Mapping[str, bytes]:
        """Return what grub-mknetdir makes: the program, with its modules and their lists."""
        maker = tools.need("grub-mknetdir")
        if not _MODULES.is_dir():
            tools.missing("the modules of grub-pc-bin")
        with tempfile.TemporaryDirectory() as directory:
            argv = [maker, f"--net-directory={directory}", "--subdir=boot/grub", "-d", str(_MODULES)]
            subprocess.run(argv, check=True, capture_output=True, timeout=120)
            paths = [path for path in Path(directory).rglob("*") if path.suffix in (".0", ".mod", ".lst")]
            return {str(path.relative_to(directory)): path.read_bytes() for path in paths}

    def make(self, random: Random) -> Texts:
        """Make a script whose entries tell all variables that it has set."""
        return {_CONFIG: _Script(random).text()}

    def ours(self, raw: dict[str, Any], files: Mapping[str, bytes]) -> Outcome:
        """Boot a case with nobody at the terminal."""
        case = replace(boots.case_of(raw, "grub"), files=dict(files))
        got, replay = grub_cases.run(case, ())
        if isinstance(got, PxeBootError):
            return Outcome(cmdline=got.message)
        if got.entry.action is not Action.BOOT:
            return Outcome(local=True)
        return booted(boots.tag_of(replay.kernel or b""), got.entry.cmdline, replay.ramdisk)

    def explain(self, texts: Texts, real: Outcome, ours: Outcome) -> str:
        """Name the difference on purpose that a script shows: the reduction of another may leave one."""
        if "set timeout=0\n" not in texts[_CONFIG] and real.kernel is None:
            return "without a timeout the real one waits for somebody"
        return ""


class _Script:
    """One random script, statement by statement.

    What its entries run prints no error: the real one would let that be read for 10 s.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._functions: list[str] = []
        self._depth = self._loops = 0

    def text(self) -> str:
        random, lines = self._random, ["set timeout=0"]
        for _ in range(random.randint(1, 5)):
            kind = random.random()
            if kind < 0.2 and len(self._functions) < 3:
                lines.append(self._function())
            elif kind < 0.28:
                lines.append(random.choice((*_COMMENTS, f"{self._simple()} # tail")))
            elif kind < 0.34:
                lines.append(random.choice(_BROKEN))
            else:
                lines.append(self._statement())
        return "\n".join([*lines, self._menu()]) + "\n"

    def _menu(self) -> str:
        random = self._random
        shown = " ".join(f'{name}="${name}"' for name in _NAMES)
        kernel = random.choice(("/k1", "(tftp)/k2", "/k3", "sub/k1"))
        body = [f"linux16 {kernel} {shown} q=$? $1 $chosen {random.choice(('', *_QUOTED, *_ESCAPED))}"]
        if random.random() < 0.5:
            body.insert(0, f"set {random.choice(_NAMES)}={self._word()}")
        if random.random() < 0.4:
            body.append(f"initrd16 {random.choice(_INITRDS)}")
        options = random.choice(("", "--class x", "--id myid", "--id 'm>y' --unrestricted", "extra args"))
        title = random.choice(("a", "'the title'", '"t $a"', "it's'"))
        entry = "menuentry {} {} {{\n{}\n}}".format(title, options, "\n".join(body))
        other = "menuentry other { linux16 /k2 other; }"
        wanted = random.choice(
            ("1", "myid", "'the title'", "a", "5", "nosuch", "'s>1'", "01", "0x1", "'0>0'")
        )
        shapes = (
            *[entry] * 4,
            f"submenu sub --id s {{\n{other}\n{entry}\n}}\nset default={wanted}",
            f"{other}\n{entry}\nset default={wanted}",
            f"if true; then\n{entry}\nfi",
        )
        return random.choice(shapes)

    def _word(self) -> str:
        random = self._random
        variable = f"${random.choice(_READ)}"
        return random.choice(
            (
                *(
                    random.choice(_PLAIN),
                    random.choice(_PLAIN),
                    random.choice(_QUOTED),
                    random.choice(_ESCAPED),
                ),
                *(variable, f"{random.choice(_PLAIN)}{variable}{random.choice(_QUOTED)}", f'"x{variable}"'),
            )
        )

    def _words(self, most: int) -> str:
        return " ".join(self._word() for _ in range(self._random.randint(0, most)))

    def _condition(self) -> str:
        random = self._random
        first, second = random.choice(_FACTS), random.choice(_FACTS)
        left = random.choice((self._word(), f'"${random.choice(_NAMES)}"', f"x${random.choice(_NAMES)}"))
        text = random.choice(
            (
                *(
                    f"{left} {random.choice(_TESTS)} {self._word()}",
                    f"{first} -a {second}",
                    f"{first} -o {second}",
                ),
                *(
                    f"! {first}",
                    f"'(' {first} -o {second} ')' -a {first}",
                    f"-s /{random.choice(('i1', 'no'))}",
                ),
                *(
                    f"-f /{random.choice(('i1', 'no'))}",
                    f'{random.choice(("-n", "-z"))} "${random.choice(_NAMES)}"',
                ),
            )
        )
        other = ("true", "false", "! true", "nosuch", f'regexp {random.choice(_PATTERNS)} "$a"')
        return random.choice((f"[ {text} ]", f"[ {text} ]", f"test {text}", random.choice(other)))

    def _simple(self) -> str:
        random, name = self._random, self._random.choice(_NAMES)
        call = f"{random.choice(self._functions)} {self._words(3)}" if self._functions else "true"
        return random.choice(
            (
                *[f"set {name}={self._word()}"] * 5,
                *(
                    f"{name}={self._word()}",
                    f'set {name}="${{{name}}}{random.choice(_PLAIN)}"',
                    f"unset {name}",
                ),
                *(f"export {name}", call, call, f"echo {random.choice(('', '-n ', '-e '))}{self._words(3)}"),
                *("false", f"nosuch {self._word()}", "insmod all_video", "shift", "shift 2", "set"),
                *(f"setparams {self._words(3)}", "break", "continue", "break 2", f"eval 'set {name}=$a'"),
                *(
                    self._condition(),
                    f"set {name}=$?",
                    f"set {name}='a  b'",
                    f"return {random.choice(('', '1'))}",
                ),
            )
        )

    def _statements(self) -> str:
        separator = self._random.choice(("\n", "; ", "\n\n"))
        return separator.join(self._statement() for _ in range(self._random.randint(1, 3)))

    def _statement(self) -> str:
        random = self._random
        if self._depth > 3 or random.random() < 0.55:
            return self._simple()
        self._depth += 1
        end = random.choice(("\n", "; "))
        kind = random.randrange(6)
        if kind < 3:
            text = f"if {self._condition()}; then{random.choice((' ', chr(10)))}{self._statements()}{end}"
            if random.random() < 0.4:
                text += f"elif {self._condition()}; then {self._statements()}{end}"
            if random.random() < 0.6:
                text += f"else {self._statements()}{end}"
            text += "fi"
        elif kind == 3:
            text = f"for {random.choice(_NAMES)} in {self._words(4)}; do {self._statements()}{end}done"
        else:
            text = self._loop(until=kind == 5, end=end)
        self._depth -= 1
        return text

    def _loop(self, *, until: bool, end: str) -> str:
        """Return a loop that ends: its variable is its own."""
        self._loops += 1
        name, sign = f"w{self._loops}", "=" if until else "!="
        word = "until" if until else "while"
        body = self._random.choice(("break", f"set a=$a{name}", f"if {self._condition()}; then set b=t; fi"))
        return f'{name}=""; {word} [ "${name}" {sign} "xx" ]; do set {name}="${{{name}}}x"; {body}{end}done'

    def _function(self) -> str:
        name = f"f{len(self._functions)}"
        ends = ("", "\nreturn", "\nreturn 3", '\nset n="$#-$1"')
        text = f"function {name} {{\n{self._statements()}{self._random.choice(ends)}\n}}"
        self._functions.append(name)
        return text
