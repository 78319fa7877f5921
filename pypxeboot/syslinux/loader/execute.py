"""Run command lines: by their type, to what boots, or to why nothing does.

The rules are those of PXELINUX 6.04 (com32/elflink/ldlinux: execute.c, kernel.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Protocol

from pypxeboot.bootsource import Kind, kind_of_name
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import Load, Loaded, Log, RunIpxe, RunIpxeScript, Steps
from pypxeboot.entry import Action, Choice, Entry, Reason
from pypxeboot.errors import ConfigError, InternalError, PxeBootError, Refused, joined_hints
from pypxeboot.guest import Guest
from pypxeboot.syslinux.com32 import table
from pypxeboot.syslinux.com32.unresolved import UnresolvedEntry
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.lexer import joined, split, split_command
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.loader.command_line import (
    is_pxelinux,
    linux_line,
    module_name,
    needs_firmware,
    parse_command,
    type_of,
)
from pypxeboot.syslinux.loader.current_config import CurrentConfig
from pypxeboot.syslinux.menu import defaults
from pypxeboot.text import encode, printable

# "cmdline too long" (execute.c): 2048 with the NUL.
CMDLINE_LIMIT = 2047
# Commands that lead to other commands or configurations. Real chains have two or three links.
STEP_LIMIT = 32


class Redirect(Exception):
    """Leave what runs for good: for a menu, for another configuration, else for the prompt.

    ``message`` says why, where that is not what was asked for.
    """

    def __init__(self, *, menu: Optional[Config] = None, fresh: bool = False, message: str = "") -> None:
        super().__init__()
        self.menu = menu
        self.fresh = fresh
        self.message = message


class Operator(Protocol):
    """Who sits before the loader: somebody at a terminal, or nobody."""

    def show_menu(self, menu: Config, reason: Reason) -> Steps[Optional[Choice]]:
        """Show ``menu``, which is run for ``reason``, and run what is chosen there."""

    def restart(self, message: str = "") -> Steps[Choice]:
        """Begin with the configuration that was just read; ``message`` says why, if nobody asked for it."""

    def give_up(self, error: PxeBootError) -> None:
        """Raise ``error``, which the real loader would not come back from, unless somebody is there."""


class Executor:
    """Runs commands in the current configuration.

    ``error`` is why the last one booted nothing. ``returned``: that was a module, which ends at the prompt,
    wherever it was started from. ``user_append`` goes to the end of every kernel's command line.
    """

    def __init__(self, current: CurrentConfig, user_append: str, operator: Operator) -> None:
        self.current = current
        self.error: Optional[PxeBootError] = None
        self.returned = False
        self._user_append = user_append
        self._operator = operator
        self._steps = 0

    @property
    def config(self) -> Config:
        """The configuration as it is now."""
        return self.current.config

    @property
    def cause(self) -> PxeBootError:
        """Why nothing boots. To be asked for after a command that booted nothing."""
        assert self.error is not None  # whatever boots nothing says why
        return self.error

    def refresh(self) -> None:
        """Count anew against the limits: somebody chose."""
        self._steps = 0
        self.current.files.refresh()

    def run(self, text: str, reason: Reason) -> Steps[Optional[Choice]]:
        """Run ``text`` as if typed: a label, else a file; if that fails, ONERROR.

        None if it boots nothing, with the cause in ``error``.
        """
        self.count_step()
        self.returned = False
        config, files = self.config, self.current.files
        word, words = split_command(text)
        label = config.by_name.get(word)
        if label is not None:
            command = joined(self.current.command_line(label), words)
            choice = yield from self.execute(command, reason, label)
        elif not config.implicit:
            why = f"{printable(word)!r} is not a label, and IMPLICIT 0 forbids files"
            choice = self.fail(ConfigError(why))
        else:
            if type_of(word) == "linux":
                word = yield from files.complete_extension(word, config.path)
            command = joined(word, words if config.allowoptions else "")
            choice = yield from self.execute(command, reason, None, sysappend=True)
        if choice is None and self.config.onerror and not self.returned:
            choice = yield from self._onerror()
        return choice

    def _onerror(self) -> Steps[Optional[Choice]]:
        """Run ``<label's command line> <whole DEFAULT line>``, as 6.x does: ONERROR's own arguments are lost.

        Without DEFAULT that is what C prints of no string.
        """
        yield from self.log_next_try("ONERROR")
        config = self.config
        text, default = config.onerror, config.command
        label = config.by_name.get(split(text)[0])
        line = self.current.command_line(label) if label else text
        command = f"{line} {'(null)' if default is None else default}"
        return (yield from self.execute(command, Reason.ONERROR, label, sysappend=True))

    def run_menu_command(self, chosen: defaults.MenuCommand) -> Steps[Optional[Choice]]:
        """Run what a menu chose."""
        label = chosen.label
        text = chosen.words if label is None else self.current.command_line(label) + chosen.words
        text = text if chosen.edited is None else chosen.edited
        on_error = chosen.reason is Reason.ONERROR
        return (yield from self.execute(text, chosen.reason, label, sysappend=on_error))

    def execute(
        self, command: str, reason: Reason, label: Optional[Label], *, sysappend: bool = False
    ) -> Steps[Optional[Choice]]:
        """Run a command line by its type (execute.c); None if it fails, the cause in ``error``.

        ``sysappend`` adds the strings that SYSAPPEND asks for outside of labels.
        """
        self.returned = False
        try:
            return (yield from self._execute(command, reason, label, sysappend))
        except (PxeBootError, Redirect):
            raise
        except Exception as why:  # what nobody foresaw is the failure of this command, as of any other
            error = InternalError.of(why)
            return self.fail(InternalError(f"{where(label, command)}: {error.message}", hint=error.hint))

    def _execute(
        self, command: str, reason: Reason, label: Optional[Label], sysappend: bool
    ) -> Steps[Optional[Choice]]:
        if len(encode(command)) > CMDLINE_LIMIT:
            return self.fail(
                ConfigError(
                    f"the command line of {where(label, command)} is longer than {CMDLINE_LIMIT} bytes: "
                    "PXELINUX does not boot it"
                )
            )
        strings = self.current.sysappend(self.config.sysappend) if sysappend else []
        kind, word, words = parse_command(command, " ".join(strings))
        if kind == "localboot":
            return self.end(label, Action.LOCALBOOT, reason)
        if not word:
            return self.fail(ConfigError(f"{where(label, command)} names no file to boot"))
        if kind == "com32":
            module = table.parse(module_name(word), words, self.current.guest.arch)
            choice = yield from module.run(_ModuleCall(self, word, reason, label))
            self.returned = choice is None
            return choice
        if kind == "config":
            return (yield from self.read_config(word, words, sysappend=self.config.sysappend))
        if kind == "firmware" and kind_of_name(word) is Kind.IPXE_BINARY:
            return (yield from self._run_ipxe(word, words))
        if kind == "firmware":
            error = needs_firmware(where(label, command), word)
            there = yield from self.current.files.exists(word)
            return self._hand_over(error) if there else self.fail(error)
        # What is left is a kernel, even if its name ends like a bootstrap program's (vmlinuz-5.10.0): its
        # content decides.
        cmdline, initrds = linux_line(word, words, self._user_append)
        return (yield from self._load(label, UnresolvedEntry(word, cmdline, initrds), reason))

    def boot(self, label: Optional[Label], entry: UnresolvedEntry, reason: Reason) -> Steps[Optional[Choice]]:
        """Boot a kernel that a module has put together, the user's words at the end of its command line."""
        cmdline = joined(entry.cmdline, self._user_append)
        return self._load(label, replace(entry, cmdline=cmdline), reason)

    def _load(
        self, label: Optional[Label], wanted: UnresolvedEntry, reason: Reason
    ) -> Steps[Optional[Choice]]:
        """Have the files of an entry loaded."""
        kernel, files = wanted.kernel, self.current.files
        if not all(wanted.initrds):
            what = "INITRD (or initrd= in APPEND) names no file, or has a comma too many"
            return self.fail(ConfigError(f"{where(label, kernel)}: {what}"))
        yield from files.look_up(kernel, *wanted.initrds, *wanted.modules)
        try:
            entry = wanted.resolve(label, files)
        except ConfigError as error:
            return self.fail(ConfigError(f"{where(label, kernel)}: {error.message}", hint=error.hint))
        reply: Loaded = yield Load(entry)
        if reply.script and entry.kernel is not None:
            choice: Choice = yield RunIpxeScript(entry.kernel)
            return choice
        if reply.kind is Refused and not reply.ok and (yield from files.holds_config(kernel)):
            return (yield from self.read_config(kernel, "", sysappend=self.config.sysappend))
        if not reply.ok:
            why = printable(reply.error) or f"{entry.kernel} cannot be loaded"
            hint = f"the configuration is {self.current.location}"
            if label is None:
                hint = f"no label has that name: there is {lookup.names(self.config)}"
                hint = joined_hints(hint, files.lost[0] if files.lost else None) or hint
            if type_of(kernel) == "program" and reply.kind is Refused:
                return self._hand_over(needs_firmware(where(label, kernel), kernel))
            return self.fail(
                reply.kind(
                    f"{where(label, kernel)}: {why}",
                    hint=joined_hints(
                        files.lost_host, *((hint, reply.hint) if label is None else (reply.hint, hint))
                    ),
                )
            )
        return Choice(entry, reason, self.current.location)

    def end(self, label: Optional[Label], action: Action, reason: Reason) -> Choice:
        """End with something else than a kernel."""
        name, title = (None, "") if label is None else (label.name, label.plain_title)
        return Choice(Entry(name, action, title=title), reason, self.current.location)

    def show_menu(self, names: Sequence[str], reason: Reason) -> Steps[Optional[Choice]]:
        """Show the menu in the files ``names``."""
        self.count_step()
        current = self.current
        menu = yield from defaults.read(current.files, current.location, names)
        current.catalog.show(menu)
        return (yield from self._operator.show_menu(menu, reason))

    def read_config(self, name: str, directory: str, *, sysappend: int = 0) -> Steps[Optional[Choice]]:
        """Put the configuration in the file ``name`` in the place of this one, and begin again.

        A global SYSAPPEND outlives CONFIG, but not config.c32 ("SysAppends = ipappend_flags").
        """
        self.count_step()
        data = yield from self.current.files.read(name)
        if data is None:
            why = f"the configuration {printable(name)!r} is not there"
            self._operator.give_up(ConfigError(why))
            yield from self.current.use(b"", sysappend)  # the one that led here is gone all the same
            return (yield from self._operator.restart(why))
        yield from self.current.switch(name, data, directory, sysappend)
        self.error = None
        return (yield from self._operator.restart())

    def start_over(
        self, program: str, config_file: Optional[str], prefix: Optional[str], label: Optional[Label]
    ) -> Steps[Optional[Choice]]:
        """Start a bootstrap program: another PXELINUX begins with options 209 and 210; or an iPXE."""
        if kind_of_name(program) is Kind.IPXE_BINARY:
            return (yield from self._run_ipxe(program, ""))
        if not is_pxelinux(program):
            return self.fail(needs_firmware(where(label, program), program))
        self.count_step()
        yield from self.current.start_over(program, config_file, prefix)
        self.error = None
        return (yield from self._operator.restart())

    def _run_ipxe(self, word: str, words: str) -> Steps[Optional[Choice]]:
        """Run the script in the initrd of an iPXE program (ipxe.lkrn), else what DHCP has for an iPXE."""
        _cmdline, initrds = linux_line(word, words)
        try:
            location = self.current.files.locate(initrds[0] if initrds else word)
        except ConfigError as error:
            return self.fail(error)
        choice: Choice = yield RunIpxeScript(location) if initrds else RunIpxe(location)
        return choice

    def log_next_try(self, what: str) -> Steps[None]:
        """Say in the log why ``what`` is tried now."""
        if self.error is not None:
            yield Log(f"{self.error.message}; trying {what}", warning=True)

    def count_step(self) -> None:
        """Count a step from one thing to another. Raises ConfigError where there are too many."""
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise ConfigError(
                f"{self.current.location}: commands and configurations lead to each other for ever",
                hint="fix its DEFAULT, CONFIG or COM32 lines",
            )

    def _hand_over(self, error: PxeBootError) -> Optional[Choice]:
        """Fail where the real one would hand the machine over: neither ONERROR nor ONTIMEOUT has a turn."""
        self._operator.give_up(error)
        self.returned = True
        return self.fail(error)

    def fail(self, error: PxeBootError) -> Optional[Choice]:
        """Boot nothing, because of ``error``."""
        self.error = error
        return None


@dataclass(frozen=True)
class _ModuleCall:
    """What a module may do that the command line of ``label`` runs: see :class:`Com32Api`."""

    executor: Executor
    word: str
    reason: Reason
    label: Optional[Label]

    @property
    def files(self) -> ServerFiles:
        return self.executor.current.files

    @property
    def guest(self) -> Guest:
        return self.executor.current.guest

    @property
    def config_path(self) -> str:
        return self.executor.current.location.path

    @property
    def strings(self) -> Sequence[Optional[str]]:
        return self.executor.current.strings

    @property
    def error(self) -> Optional[PxeBootError]:
        return self.executor.error

    def sysappend(self, mask: int) -> list[str]:
        return self.executor.current.sysappend(mask)

    def where(self, file: Optional[str] = None) -> str:
        return where(self.label, self.word if file is None else file)

    def fail(self, error: PxeBootError) -> Optional[Choice]:
        return self.executor.fail(error)

    def count_step(self) -> None:
        self.executor.count_step()

    def run(self, command: Optional[str]) -> Steps[Optional[Choice]]:
        default = self.executor.config.command or ""
        return self.executor.run(default if command is None else command, self.reason)

    def boot(self, entry: UnresolvedEntry) -> Steps[Optional[Choice]]:
        return self.executor.boot(self.label, entry, self.reason)

    def end(self, action: Action) -> Choice:
        return self.executor.end(self.label, action, self.reason)

    def show_menu(self, names: Sequence[str]) -> Steps[Optional[Choice]]:
        return self.executor.show_menu(names, self.reason)

    def read_config(self, name: str, directory: str) -> Steps[Optional[Choice]]:
        return self.executor.read_config(name, directory)

    def start_over(
        self, program: str, config_file: Optional[str], prefix: Optional[str]
    ) -> Steps[Optional[Choice]]:
        return self.executor.start_over(program, config_file, prefix, self.label)


def where(label: Optional[Label], command: str) -> str:
    """Name an entry for a message: its label, else the file that its command names."""
    if label is None or label.name is None:
        return repr(printable(split(command)[0]))
    return f"label {printable(label.name)!r}"
