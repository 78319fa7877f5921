"""PXELINUX with somebody at the terminal: its prompt, its menus, and from one to the other.

Nothing is tried for ever without a person. What fails is the end where no key was ever pressed, unless
ONTIMEOUT may still mend it; and so is what fails twice with no key in between.
"""

from __future__ import annotations

from typing import Optional, Protocol

from pypxeboot.effects import Log, Print, Steps
from pypxeboot.entry import Choice, Reason
from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.menu import defaults
from pypxeboot.syslinux.menu.message_files import Texts
from pypxeboot.syslinux.menu.program import Program
from pypxeboot.syslinux.menu.prompt import Prompt
from pypxeboot.terminal.input import User, WaitEnded
from pypxeboot.text import printable

# Lines of SAY and files of DISPLAY that are shown; what came before them has left the screen.
_SAID = 100


class Detour(Exception):
    """What runs is left for good: for a menu, for another configuration, else for the prompt.

    ``message`` says why, where that is not what was asked for.
    """

    def __init__(self, *, menu: Optional[Config] = None, fresh: bool = False, message: str = "") -> None:
        super().__init__()
        self.menu = menu
        self.fresh = fresh
        self.message = message


class Machine(Protocol):
    """The loader, as whoever sits before it uses it."""

    error: Optional[PxeBootError]
    returned: bool
    """Whether what boots nothing was a module: it ends at the prompt, wherever it was started from."""

    @property
    def config(self) -> Config:
        """The configuration as it is now."""

    def run(self, text: str, reason: Reason) -> Steps[Optional[Choice]]:
        """Run ``text`` as if typed at the prompt; None if it boots nothing, with the cause in ``error``."""

    def picked(self, command: defaults.Command) -> Steps[Optional[Choice]]:
        """Run what a menu chose."""

    def command_line(self, label: Label) -> str:
        """The command line of ``label``."""

    def no_default(self) -> ConfigError:
        """There is nothing that Enter would run."""

    def refresh(self) -> None:
        """Somebody chose: the limits begin anew."""


class Attended:
    """One boot with a person."""

    def __init__(self, machine: Machine, user: User, texts: Texts) -> None:
        self._machine = machine
        self._user = user
        self._texts = texts
        self._prompt = Prompt(machine.config, user, texts)

    def boot(self) -> Steps[Choice]:
        """Until something boots."""
        menu: Optional[Config] = None
        fresh = True
        while True:
            try:
                if menu is not None:
                    return (yield from self._in_menu(menu))
                choice = yield from self._at_prompt(fresh)
                if choice is not None:
                    return choice
                menu, fresh = None, False
            except Detour as detour:
                menu, fresh = detour.menu, detour.fresh
                if detour.message:
                    yield Print(f"{printable(detour.message, 1000)}\n")
            if fresh:
                self._prompt = Prompt(self._machine.config, self._user, self._texts)

    def _at_prompt(self, fresh: bool) -> Steps[Optional[Choice]]:
        """What runs by itself in a fresh configuration, else what is asked for."""
        config = self._machine.config
        if fresh:
            yield from self._say(config)
        if fresh and config.command is not None and (config.ui is not None or not config.prompt):
            text, reason = config.command, Reason.DEFAULT
        else:
            text, reason = yield from self._asked(config)
        self._machine.error = None
        try:
            choice = yield from self._machine.run(text, reason)
        except ConfigError as error:
            self._machine.error, choice = error, None
        if choice is None:
            yield Print(f"{printable(self._failure(text, more=self._may_mend(reason)), 1000)}\n")
        return choice

    def _may_mend(self, tried: Reason) -> bool:
        """Whether ONTIMEOUT may still boot something when the prompt's time is over."""
        return self._machine.config.rescue is not None and tried is not Reason.ONTIMEOUT

    def _say(self, config: Config) -> Steps[None]:
        for said in config.said[-_SAID:]:
            if said.file:
                yield from self._texts.printed(said.text)
            else:
                yield Print(f"{printable(said.text, 1000)}\n")

    def _asked(self, config: Config) -> Steps[tuple[str, Reason]]:
        """The next command: typed, or, if nobody does, ONTIMEOUT or DEFAULT. NOESCAPE never asks."""
        if config.noescape:
            if config.command is None:
                raise self._machine.no_default()
            return config.command, Reason.DEFAULT
        while True:
            typed = yield from self._prompt.ask()
            if typed is WaitEnded.TIMEOUT and config.ontimeout:
                return config.ontimeout, Reason.ONTIMEOUT
            if typed is WaitEnded.TIMEOUT:
                reason = Reason.TIMEOUT
            else:
                reason = Reason.WAITS_FOREVER if typed is WaitEnded.PATIENCE else Reason.CHOSEN
            if not isinstance(typed, WaitEnded):
                self._machine.refresh()
            text = config.command if isinstance(typed, WaitEnded) or not typed else typed
            if text is not None:
                return text, reason
            if isinstance(typed, WaitEnded):
                raise self._machine.no_default()
            yield Print("No DEFAULT or UI configuration directive found!\n")

    def _in_menu(self, config: Config) -> Steps[Choice]:
        """The menu, again and again until something boots; "its end is the prompt, not another menu"."""
        line, ends = self._machine.command_line, self._may_mend(Reason.TIMEOUT)
        program = Program(config, self._user, self._texts, line, ends=ends)
        message = ""
        while True:
            command = yield from program.choose(message)
            if command is None:
                if self._user.gives_up("menu", more=True):
                    raise self._machine.error or ConfigError("the menu boots nothing, and nobody chooses")
                raise Detour
            if command.reason is Reason.CHOSEN:
                self._machine.refresh()
            choice = yield from self._tried(command)
            if choice is None and program.screen.onerror and not self._machine.returned:
                yield from self._say_trying()
                onerror = defaults.command(config, program.screen.onerror, Reason.ONERROR)
                choice = yield from self._tried(onerror)
            if choice is not None:
                return choice
            label = command.label
            tried = command.words if label is None else f"{label.screen} {label.position}"
            returned = self._machine.returned
            message = self._failure(tried, more=returned and self._may_mend(command.reason))
            if returned:
                raise Detour(message=message)

    def _tried(self, command: defaults.Command) -> Steps[Optional[Choice]]:
        self._machine.error = None
        try:
            return (yield from self._machine.picked(command))
        except ConfigError as error:
            self._machine.error = error
            return None

    def _say_trying(self) -> Steps[None]:
        assert self._machine.error is not None
        yield Log(f"{self._machine.error.message}; trying MENU ONERROR", warning=True)

    def _failure(self, command: str, *, more: bool = False) -> str:
        """Why ``command`` did not boot; raised if that is the end (:meth:`User.gives_up`)."""
        error = self._machine.error
        assert error is not None  # whatever boots nothing says why
        if self._user.gives_up(command, more=more):
            raise error
        return error.message
