"""The scripts that run, one inside another, and how much they may use up until somebody presses a key."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.script import Script, ScriptLine
from pypxeboot.text import printable
from pypxeboot.url import Location

# Commands and expansions without anybody pressing a key. The largest public menus come to some thousands; a
# loop that never ends comes here within a second or two.
STEP_LIMIT = 50_000
# Scripts that have chained each other and wait for their return. Menus of menus have four or five.
DEPTH_LIMIT = 16
# Text of menus and parameters, over and over: a large menu has 10 KiB.
HELD_LIMIT = 4 << 20
# All that a script prints; it could fill a log otherwise.
PRINT_LIMIT = 1 << 20


@dataclass
class ScriptFrame:
    """A running script. ``at`` is the line that runs, ``next`` the one after it; a ``goto`` changes that.

    ``line_over``: nothing more of the line is run; ``over``: nor of the script.
    """

    image: Image
    script: Script
    at: int = 0
    next: int = 0
    line_over: bool = False
    over: bool = False

    @property
    def line(self) -> ScriptLine:
        """The line that runs."""
        return self.script.lines[self.at]

    @property
    def place(self) -> str:
        """Which line of which script runs."""
        return f"{self.image.uri.for_display}, line {self.line.number}"

    def advance(self) -> Optional[ScriptLine]:
        """Begin the next line and return it, None behind the last one."""
        if self.next >= len(self.script.lines):
            return None
        self.at, self.next = self.next, self.next + 1
        self.line_over = False
        return self.line

    def jump(self, label: str) -> bool:
        """Go on at ``label`` instead of the rest of the line; return whether there is one."""
        index = self.script.labels.get(label)
        if index is None:
            return False
        self.next, self.line_over = index, True
        return True

    def end(self, replacement: Optional[Image] = None) -> None:
        """End the script, and have ``replacement`` run in its place."""
        self.over = True
        if replacement is not None:
            self.image.replacement = replacement


@dataclass
class ScriptStack:
    """The running scripts: each has chained the one behind it, and waits for its return.

    ``told`` is what was said of lines that do not mean what they look like.
    """

    frames: list[ScriptFrame] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    @property
    def top(self) -> ScriptFrame:
        """The script whose lines are run."""
        return self.frames[-1]

    @property
    def location(self) -> Optional[Location]:
        """Where the script that runs came from, None if none does."""
        return self.top.image.location if self.frames else None

    @property
    def is_line_over(self) -> bool:
        """Whether the rest of the line that runs is not run."""
        return bool(self.frames) and (self.top.line_over or self.top.over)

    def push(self, image: Image, script: Script) -> ScriptFrame:
        """Begin a script, inside those that run."""
        self.frames.append(ScriptFrame(image, script))
        return self.top

    def pop(self) -> None:
        """Go back to the script that runs the innermost one."""
        self.frames.pop()


@dataclass
class Quota:
    """What a script has used up of steps, of text that is printed or held, and of ``depth``.

    Whoever presses keys is no endless loop: all but the depth begins anew then.
    """

    stack: ScriptStack
    steps: int = 0
    printed: int = 0
    held: int = 0
    depth: int = 0

    def error(self, what: str) -> ConfigError:
        """Return an error about the script that runs, naming its line."""
        if not self.stack.frames:
            return ConfigError(f"the iPXE script {what}")
        where = printable(self.stack.top.place)
        return ConfigError(f"iPXE script {where}: it {what}", hint="fix the script")

    def renew(self) -> None:
        """Begin anew, after somebody has pressed a key."""
        self.steps = self.printed = self.held = 0

    def step(self, cost: int = 1) -> None:
        """Count a command, an expansion, or what costs as much as several. Raises ConfigError."""
        self.steps += cost
        if self.steps > STEP_LIMIT:
            raise self.error(f"has taken {STEP_LIMIT} steps and boots nothing")

    def print(self, text: str) -> None:
        """Count lines that are printed. Raises ConfigError."""
        self.printed += len(text) + 1
        if self.printed > PRINT_LIMIT:
            raise self.error("prints more than anybody could read")

    def hold(self, *texts: str) -> None:
        """Count text that is kept in menus and parameters. Raises ConfigError."""
        self.held += sum(map(len, texts))
        if self.held > HELD_LIMIT:
            raise self.error("stores text without end")

    def enter(self) -> None:
        """Begin something that may hold another of its kind. Raises ConfigError."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise self.error("begins one thing inside another without end: do scripts chain each other?")

    def leave(self) -> None:
        """End what was entered last."""
        self.depth -= 1
