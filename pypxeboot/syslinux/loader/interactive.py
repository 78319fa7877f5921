"""PXELINUX with somebody at the terminal: its prompt, its menus, and the way from one to the other.

Nothing is tried for ever without a person. What fails is the end where no key was ever pressed, unless
ONTIMEOUT may still boot something; and so is what fails twice with no key in between.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Print, Steps
from pypxeboot.entry import Choice, Reason
from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.syslinux.config.model import Config
from pypxeboot.syslinux.loader.current_config import CurrentConfig
from pypxeboot.syslinux.loader.execute import Executor, Redirect
from pypxeboot.syslinux.menu import defaults
from pypxeboot.syslinux.menu.message_files import MessageFiles
from pypxeboot.syslinux.menu.program import MenuProgram
from pypxeboot.syslinux.menu.prompt import BootPrompt
from pypxeboot.terminal.input import User, WaitEnded
from pypxeboot.text import printable

# Lines of SAY and files of DISPLAY that are shown; what came before them has left the screen.
_MESSAGES_SHOWN = 100


class InteractiveBoot:
    """One boot with somebody at the terminal."""

    def __init__(self, current: CurrentConfig, user_append: str, user: User) -> None:
        self._current = current
        self._executor = Executor(current, user_append, self)
        self._user = user
        self._message_files = MessageFiles(current.files.read)
        self._prompt = BootPrompt(current.config, user, self._message_files)

    def boot(self) -> Steps[Choice]:
        """Show prompts and menus, and run what is chosen there, until something boots."""
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
            except Redirect as redirect:
                menu, fresh = redirect.menu, redirect.fresh
                if redirect.message:
                    yield Print(f"{printable(redirect.message, 1000)}\n")
            if fresh:
                self._prompt = BootPrompt(self._current.config, self._user, self._message_files)

    def _at_prompt(self, fresh: bool) -> Steps[Optional[Choice]]:
        """Run what runs by itself in a fresh configuration, else what is asked for."""
        config = self._current.config
        if fresh:
            yield from self._print_messages(config)
        if fresh and config.command is not None and (config.ui is not None or not config.prompt):
            text, reason = config.command, Reason.DEFAULT
        else:
            text, reason = yield from self._ask_command(config)
        self._executor.error = None
        try:
            choice = yield from self._executor.run(text, reason)
        except ConfigError as error:
            self._executor.error, choice = error, None
        if choice is None:
            yield Print(f"{printable(self._failure(text, more=self._may_recover(reason)), 1000)}\n")
        return choice

    def _may_recover(self, tried: Reason) -> bool:
        """Tell whether ONTIMEOUT may still boot something when the prompt's time is over."""
        return self._current.config.timeout_command is not None and tried is not Reason.ONTIMEOUT

    def _print_messages(self, config: Config) -> Steps[None]:
        for said in config.messages[-_MESSAGES_SHOWN:]:
            if said.file:
                yield from self._message_files.print_file(said.text)
            else:
                yield Print(f"{printable(said.text, 1000)}\n")

    def _ask_command(self, config: Config) -> Steps[tuple[str, Reason]]:
        """Ask for the next command; if nobody types, it is ONTIMEOUT or DEFAULT. NOESCAPE never asks."""
        if config.noescape:
            if config.command is None:
                raise self._current.no_default()
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
                self._executor.refresh()
            text = config.command if isinstance(typed, WaitEnded) or not typed else typed
            if text is not None:
                return text, reason
            if isinstance(typed, WaitEnded):
                raise self._current.no_default()
            yield Print("No DEFAULT or UI configuration directive found!\n")

    def _in_menu(self, config: Config) -> Steps[Choice]:
        """Show the menu, again and again until something boots; "its end is the prompt, not another menu"."""
        line, ends = self._current.command_line, self._may_recover(Reason.TIMEOUT)
        program = MenuProgram(config, self._user, self._message_files, line, ends=ends)
        message = ""
        while True:
            command = yield from program.choose(message)
            if command is None:
                if self._user.gives_up("menu", more=True):
                    raise self._executor.error or ConfigError("the menu boots nothing, and nobody chooses")
                raise Redirect
            if command.reason is Reason.CHOSEN:
                self._executor.refresh()
            choice = yield from self._try_menu_command(command)
            if choice is None and program.screen.onerror and not self._executor.returned:
                yield from self._executor.log_next_try("MENU ONERROR")
                onerror = defaults.command(config, program.screen.onerror, Reason.ONERROR)
                choice = yield from self._try_menu_command(onerror)
            if choice is not None:
                return choice
            label = command.label
            tried = command.words if label is None else f"{label.screen} {label.position}"
            returned = self._executor.returned
            message = self._failure(tried, more=returned and self._may_recover(command.reason))
            if returned:
                raise Redirect(message=message)

    def _try_menu_command(self, command: defaults.MenuCommand) -> Steps[Optional[Choice]]:
        self._executor.error = None
        try:
            return (yield from self._executor.run_menu_command(command))
        except ConfigError as error:
            self._executor.error = error
            return None

    def _failure(self, command: str, *, more: bool = False) -> str:
        """Say why ``command`` did not boot; raise it if that is the end (:meth:`User.gives_up`)."""
        error = self._executor.cause
        if self._user.gives_up(command, more=more):
            raise error
        return error.message

    def show_menu(self, menu: Config, reason: Reason) -> Steps[Optional[Choice]]:
        """Leave what runs for ``menu``."""
        yield from ()
        raise Redirect(menu=menu)

    def restart(self, message: str = "") -> Steps[Choice]:
        """Leave what runs for the configuration that was just read."""
        yield from ()
        raise Redirect(fresh=True, message=message)

    def give_up(self, error: PxeBootError) -> None:
        """Go on: somebody is there to try something else."""
