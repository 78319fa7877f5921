"""What runs an iPXE script: its commands one by one, under budgets, with everything they share.

``execute`` is iPXE's image_exec(): scripts run in here, the rest is handed to what ``ipxe/boot.py`` plugs in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from pypxeboot.effects import Log, Print, ReadClock, Steps
from pypxeboot.entry import BootMenu, Choice, Reason
from pypxeboot.errors import ConfigError
from pypxeboot.guest import Guest
from pypxeboot.ipxe.engine import images as ipxeimages
from pypxeboot.ipxe.engine import script as ipxescript
from pypxeboot.ipxe.engine.images import Image, Images
from pypxeboot.ipxe.engine.initial_settings import BuiltinSettings
from pypxeboot.ipxe.engine.network import NetworkState
from pypxeboot.ipxe.engine.options import BadUsage, CommandCall, Syntax
from pypxeboot.ipxe.engine.script import ScriptLine
from pypxeboot.ipxe.engine.settings import Settings
from pypxeboot.ipxe.engine.status import Status, error_text
from pypxeboot.terminal.forms import Dialog, plain
from pypxeboot.terminal.input import User
from pypxeboot.text import printable
from pypxeboot.url import Location

# Commands and expansions without anybody pressing a key. The largest public menus come to some thousands; a
# loop that never ends comes here within a second or two.
STEP_LIMIT = 50_000
# One expanded command: no kernel takes a command line of a tenth of this.
EXPANSION_LIMIT = 64 << 10
# Scripts that have chained each other and wait for their return. Menus of menus have four or five.
DEPTH_LIMIT = 16
# The largest public scripts have 100 KiB.
SCRIPT_LIMIT = 1 << 20
# Text of menus and parameters, over and over: a large menu has 10 KiB.
HELD_LIMIT = 4 << 20
# All that a script prints; it could fill a log otherwise.
PRINT_LIMIT = 1 << 20


class MenuFound(Exception):
    """What was asked for is only what there is to choose from: the first menu, and where it stands."""

    def __init__(self, location: Location, menu: BootMenu) -> None:
        super().__init__()
        self.location = location
        self.menu = menu


class BootChosen(Exception):
    """The guest boots: the way out of however many scripts, none of which runs any more."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.choice = choice


@dataclass
class ScriptFrame:
    """A running script. ``at`` is the line that runs, ``next`` the one after it; a ``goto`` changes that.

    ``labels`` says where: "first matching label from the top wins".
    """

    image: Image
    lines: list[ScriptLine]
    labels: dict[str, int]
    at: int = 0
    next: int = 0
    line_over: bool = False
    over: bool = False


@dataclass(frozen=True)
class ScriptCommand:
    """A command of the language: how it is called, and what it does."""

    syntax: Syntax
    run: Callable[[Machine, CommandCall], Steps[int]]


@dataclass
class Parameters:
    """What is sent with a request: ``params``, ``param`` and ``param --header``."""

    method: str = "POST"
    fields: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Machine:
    """An iPXE that boots one guest.

    ``start`` runs what is no script: a kernel, or another loader; it ends the boot, or gives a status.
    ``patience`` is how long a question waits for somebody at the terminal, None for ever; ``label`` the name
    of a menu item that was asked for, None once it was chosen; with ``listing`` the first menu ends it.
    ``chosen`` is the item that was chosen last, ``failure`` why the last command failed, and ``blame`` on
    which line of which script.
    """

    guest: Guest
    settings: Settings
    builtin: BuiltinSettings
    network: NetworkState
    commands: Mapping[str, ScriptCommand]
    start: Callable[[Machine, Image], Steps[int]]
    patience: Optional[float] = None
    user_append: str = ""
    label: Optional[str] = None
    listing: bool = False
    chosen: Optional[str] = None
    reason: Reason = Reason.SCRIPT
    questions: int = 0
    user: Optional[User] = None
    images: Images = field(default_factory=Images)
    dialogs: dict[str, Dialog] = field(default_factory=dict)
    parameters: dict[str, Parameters] = field(default_factory=dict)
    frames: list[ScriptFrame] = field(default_factory=list)
    failure: str = ""
    blame: str = ""
    depth: int = 0
    _steps: int = 0
    _printed: int = 0
    _held: int = 0

    # What commands and their errors say.

    def say(self, text: str, end: str = "\n") -> Steps[None]:
        """Print a line, or several."""
        shown = "\n".join(plain(line, EXPANSION_LIMIT) for line in text.split("\n"))
        self._printed += len(shown) + 1
        if self._printed > PRINT_LIMIT:
            raise self.limit_error("prints more than anybody could read")
        yield Print(shown + end)

    def fail(self, doing: str, status: int) -> Steps[int]:
        """Say that a command failed, and why, as iPXE does; its status."""
        return (yield from self.refuse(f"{doing}: {error_text(status)}", status))

    def refuse(self, words: str, status: int) -> Steps[int]:
        """Say why something cannot be; its status."""
        self.failure = self.failure or words  # what failed first is the cause of the rest
        yield from self.say(words)
        return status

    def limit_error(self, what: str) -> ConfigError:
        """Return an error about the script that runs, naming its line."""
        if not self.frames:
            return ConfigError(f"the iPXE script {what}")
        frame = self.frames[-1]
        where = f"{frame.image.uri.for_display}, line {frame.lines[frame.at].number}"
        return ConfigError(f"iPXE script {printable(where)}: it {what}", hint="mend the script")

    def step(self, cost: int = 1) -> None:
        """Count a step against the budget."""
        self._steps += cost
        if self._steps > STEP_LIMIT:
            raise self.limit_error(f"has taken {STEP_LIMIT} steps and boots nothing")

    def enter(self) -> None:
        """Begin something that may hold another of its kind."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise self.limit_error(
                "begins one thing inside another without end: do scripts chain each other?"
            )

    def leave(self) -> None:
        """End it."""
        self.depth -= 1

    def hold(self, *texts: str) -> None:
        """Count text that is kept in menus and parameters."""
        self._held += sum(map(len, texts))
        if self._held > HELD_LIMIT:
            raise self.limit_error("stores text without end")

    def key_pressed(self) -> None:
        """Somebody is there: whoever presses keys is no endless loop."""
        self._steps = self._printed = self._held = self.questions = 0

    # Lines and commands.

    def expand(self, text: str) -> Steps[str]:
        """``text`` with every ``${...}`` replaced: "innermost first, repeated until none is left"."""
        while True:
            parts = ipxescript.innermost(text)
            if parts is None:
                return text
            self.step()
            before, name, behind = parts
            if "unixtime" in name:
                self.builtin.unixtime = yield ReadClock()
            text = before + (self.settings.show(name) or "") + behind
            if len(text) > EXPANSION_LIMIT:
                raise self.limit_error("has a setting that expands without end")

    def line(self, text: str) -> Steps[int]:
        """Run one line; its status. ``||`` and ``&&`` bind alike, left to right."""
        status: int = Status.OK
        skip = False
        for command in ipxescript.commands(text):
            if not skip:
                words = []
                for word in command.words:
                    words.append((yield from self.expand(word)))
                if sum(map(len, words)) > EXPANSION_LIMIT:
                    raise self.limit_error(f"has a command longer than {EXPANSION_LIMIT >> 10} KiB")
                status = yield from self.command(words)
                if self.frames and (self.frames[-1].line_over or self.frames[-1].over):
                    break
            skip = (command.operator == "||" and not status) or (command.operator == "&&" and bool(status))
        return status

    def command(self, words: list[str]) -> Steps[int]:
        """Run one command; "an empty command succeeds"."""
        self.step()
        if not words:
            return Status.OK
        self.failure = self.blame = ""
        status = yield from self._command(words)
        self.builtin.follow_server(self.settings.show("next-server"))
        if status:
            self.builtin.errno = status
            self.failure = self.failure or f"{words[0]}: {error_text(status)}"
        return status

    def _command(self, words: list[str]) -> Steps[int]:
        command = self.commands.get(words[0])
        if command is None:
            return (yield from self.refuse(f"{words[0]}: command not found", Status.NOT_A_COMMAND))
        try:
            return (yield from command.run(self, command.syntax.parse(words)))
        except BadUsage as why:
            return (yield from self.refuse(why.message, why.status))

    # Images.

    def executable(self, image: Image) -> Steps[bool]:
        """Whether the image could be run; says why not."""
        if ipxeimages.is_pxelinux(image) or ipxeimages.is_syslinux_menu(image):
            return True
        if (yield from image.identify()) is not None:
            return True
        self.failure = ipxeimages.unfit(image)
        yield Log(printable(self.failure))
        return False

    def execute(self, image: Image) -> Steps[int]:
        """Run an image and those that replace it; its status, if it returns."""
        self.enter()
        after: Optional[Image] = image
        status: int = Status.OK
        while after is not None:
            image, after = after, None
            status = yield from self._execute(image)
            after, image.replacement = image.replacement, None
        self.leave()
        return status

    def _execute(self, image: Image) -> Steps[int]:
        if not self.images.may_run(image):
            yield Log(f"{printable(image.name)} is not trusted: imgverify has not passed it", warning=True)
            return Status.DENIED
        before = self.builtin.cwuri
        self.builtin.cwuri = image.uri
        if (yield from image.identify()) == "script":
            status = yield from self._script(image)
        else:
            status = yield from self.start(self, image)
        if image.autofree:
            yield from self.images.free(image)
        self.builtin.cwuri = before
        return status

    def _script(self, image: Image) -> Steps[int]:
        """Run a script. It is no image while it runs, and the last one afterwards."""
        data = yield from image.read(SCRIPT_LIMIT)
        if data is None:
            words = f"{image.name}: a script of more than {SCRIPT_LIMIT >> 20} MiB is none"
            return (yield from self.refuse(words, Status.NO_SPACE))
        selected = self.images.selected is image
        registered = self.images.remove(image)
        lines = ipxescript.lines(data)
        labels = {line.label: at for at, line in reversed(list(enumerate(lines))) if line.label is not None}
        self.frames.append(ScriptFrame(image, lines, labels))
        status = yield from self._lines(self.frames[-1])
        self.frames.pop()
        if registered:
            self.images.add(image)
            self.images.selected = image if selected else self.images.selected
            if image.replacement is not None:
                yield from self.images.free(image)
        return status

    def _lines(self, frame: ScriptFrame) -> Steps[int]:
        """Run the lines: "a line whose status is non-zero ends the script with that status"."""
        status: int = Status.OK
        while frame.next < len(frame.lines):
            frame.at, frame.next = frame.next, frame.next + 1
            frame.line_over = False
            line = frame.lines[frame.at]
            status = Status.CUT_SHORT if line.cut_short else (yield from self.line(line.text))
            if status:
                self.blame = self.blame or f"{frame.image.uri.for_display}, line {line.number}"
            if status or frame.over:
                break
        return status


def script(machine: Machine) -> Optional[Location]:
    """Where the script that runs came from."""
    return machine.frames[-1].image.location if machine.frames else None
