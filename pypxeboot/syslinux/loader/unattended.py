"""PXELINUX with nobody at the terminal.

Where the real one would wait or try for ever, what Enter would boot is booted at once.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Steps
from pypxeboot.entry import Choice, Reason
from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.syslinux.config.model import Config
from pypxeboot.syslinux.loader.current_config import CurrentConfig
from pypxeboot.syslinux.loader.execute import Executor
from pypxeboot.syslinux.menu import defaults


class UnattendedBoot:
    """One boot without a person: what is the default boots, or the entry that was asked for."""

    def __init__(self, current: CurrentConfig, user_append: str) -> None:
        self._current, self._user_append = current, user_append
        self._executor = Executor(current, user_append, self)

    def boot(self) -> Steps[Choice]:
        """Boot what boots when nobody types (ldlinux.c, main)."""
        config, choice = self._current.config, None
        prompt_first = config.prompt and config.ui is None and not config.noescape
        if config.command is not None and not prompt_first:
            choice = yield from self._executor.run(config.command, Reason.DEFAULT)
        if choice is None:
            choice = yield from self._at_prompt()
        return choice

    def _at_prompt(self) -> Steps[Choice]:
        """Leave the ``boot:`` prompt: a timeout runs ONTIMEOUT, else DEFAULT; without one, what Enter runs.

        What has failed once is not tried again: the real one would, for ever.
        """
        config, executor = self._current.config, self._executor
        timed = bool(config.timeout or config.totaltimeout) and not config.noescape
        command, reason = config.command, Reason.TIMEOUT if timed else Reason.WAITS_FOREVER
        if config.timeout_command is not None:
            command, reason = config.timeout_command, Reason.ONTIMEOUT
        if executor.error is not None and reason is not Reason.ONTIMEOUT:
            raise executor.error
        if command is None:
            raise self._current.no_default()
        yield from executor.log_next_try("ONTIMEOUT")
        choice = yield from executor.run(command, reason)
        if choice is None:
            raise executor.cause
        return choice

    def boot_label(self, wanted: str) -> Steps[Choice]:
        """Boot the entry that ``wanted`` names, as when it is chosen in the loader or its menu."""
        current, executor = self._current, self._executor
        if current.config.is_empty:
            raise current.no_default()
        if wanted in current.config.by_name:
            choice = yield from executor.run(wanted, Reason.LABEL)
        else:
            place, label = yield from current.catalog.find(wanted)
            if place is not current:
                self._current, self._executor = place, Executor(place, self._user_append, self)
            executor = self._executor
            choice = yield from executor.execute(place.command_line(label), Reason.LABEL, label)
        if choice is None:
            raise executor.cause
        return choice

    def show_menu(self, menu: Config, reason: Reason) -> Steps[Optional[Choice]]:
        """Run the default of ``menu``; if that fails MENU ONERROR, without anything appended.

        A menu that ends without a command leaves it to ONTIMEOUT of the prompt.
        """
        executor = self._executor
        timeout_command = self._current.config.timeout_command
        if defaults.ends(menu) and timeout_command is not None and reason is not Reason.ONTIMEOUT:
            return executor.fail(ConfigError("the menu ends, and has booted nothing"))
        command, screen = defaults.default_command(menu)
        choice = yield from executor.run_menu_command(command)
        if choice is None and screen.onerror and not executor.returned:
            yield from executor.log_next_try("MENU ONERROR")
            command = defaults.command(menu, screen.onerror, Reason.ONERROR)
            choice = yield from executor.run_menu_command(command)
        if choice is None and not executor.returned:
            raise executor.cause  # the real one shows the menu again, for ever
        return choice

    def restart(self, message: str = "") -> Steps[Choice]:
        """Boot by the configuration that was just read."""
        return self.boot()

    def give_up(self, error: PxeBootError) -> None:
        """Raise ``error``: nobody is there to try something else."""
        raise error
