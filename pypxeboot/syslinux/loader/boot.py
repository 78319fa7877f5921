"""What PXELINUX does with its configuration: nobody, one given label, or a person at a terminal chooses.

The rules are those of PXELINUX 6.04 (com32/elflink/ldlinux: ldlinux.c, execute.c, kernel.c). Where firmware
would wait for ever, what Enter would boot is booted at once, or, at a terminal, after a while.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn, Optional

from pypxeboot.bootsource import Kind, kind_of_name, source_of_chained
from pypxeboot.effects import FindTerminal, Load, Loaded, Log, RunIpxe, RunIpxeScript, Steps
from pypxeboot.entry import Action, BootMenu, Choice, Entry, Reason
from pypxeboot.errors import ConfigError, PxeBootError, Refused
from pypxeboot.loader import BootRequest
from pypxeboot.picture import Terminal
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.files import Files, parse
from pypxeboot.syslinux.config.lexer import first, joined, split
from pypxeboot.syslinux.config.model import Config, Do, Label
from pypxeboot.syslinux.config.search import walk
from pypxeboot.syslinux.loader import lua_module, modules, sysappend
from pypxeboot.syslinux.loader.catalog import Catalog
from pypxeboot.syslinux.loader.command_line import linux_line, module_of, type_of, typed, unbootable
from pypxeboot.syslinux.loader.interactive import Attended, Detour
from pypxeboot.syslinux.loader.unresolved import Parts, Wrapped, assembled
from pypxeboot.syslinux.menu import defaults
from pypxeboot.syslinux.menu.message_files import Texts
from pypxeboot.terminal.input import User
from pypxeboot.text import SPACE, encode, printable
from pypxeboot.url import Location, is_absolute

# "cmdline too long" (execute.c): 2048 with the NUL.
CMDLINE_LIMIT = 2047
# Commands that lead to other commands or configurations. Real chains have two or three links.
STEP_LIMIT = 32


def entries(request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
    """List what the main configuration has to choose from, and where it is; nothing is loaded."""
    loader = _Loader(request)
    yield from loader.begin()
    return (yield from loader.listed())


def boot(request: BootRequest) -> Steps[Choice]:
    """Find the configuration, and boot what it says, what its label names, or what somebody chooses.

    A named ``arch`` adds ``default.<arch>`` to the search. Raises NoBootSource if there is no configuration,
    ConfigError if nothing in it boots, and what the driver says of an entry that cannot be loaded.
    """
    loader = _Loader(request)
    yield from loader.begin()
    if request.label is not None:
        return (yield from loader.chosen(request.label))
    terminal: Optional[Terminal] = yield FindTerminal()
    if terminal is None:
        return (yield from loader.unattended())
    return (yield from loader.attended(User(terminal, request.patience)))


class _Loader:
    def __init__(self, request: BootRequest) -> None:
        self._source = request.source
        self._guest = request.guest
        self._lease = request.lease
        self._arch = request.arch
        self._user_append = request.append
        self._files = Files(request.source)
        self._attended = False
        self._steps = 0
        self.error: Optional[PxeBootError] = None
        self.returned = False
        self._main: Location
        self.config: Config
        self._catalog: Catalog
        self._available = sysappend.strings(request.guest, request.lease, request.source.server)

    def begin(self) -> Steps[None]:
        """Find and read the main configuration."""
        archs = (self._arch,) if self._arch else ()
        self._main, data = yield from walk(self._files, self._source, self._guest, self._lease, archs)
        yield from self._read(data)

    def _read(self, data: bytes, sysappend: int = 0) -> Steps[None]:
        yield Log(f"configuration {self._main}")
        yield from self._use(data, sysappend)

    def _use(self, data: bytes, sysappend: int) -> Steps[None]:
        self.config, self.error = (yield from parse(self._files, data, sysappend)), None
        arch = self._guest.arch
        self._catalog = Catalog(self._files, self._main, self.config, arch, self.command_line)

    def attended(self, user: User) -> Steps[Choice]:
        """What ``user`` makes of it."""
        self._attended = True
        return (yield from Attended(self, user, Texts(self._files.read)).boot())

    def refresh(self) -> None:
        """Somebody chose: the limits begin anew."""
        self._steps = 0
        self._files.refresh()

    def unattended(self) -> Steps[Choice]:
        """What boots when nobody types (ldlinux.c, main)."""
        config, choice = self.config, None
        prompt_first = config.prompt and config.ui is None and not config.noescape
        if config.command is not None and not prompt_first:
            choice = yield from self.run(config.command, Reason.DEFAULT)
        if choice is None:
            choice = yield from self._prompt()
        return choice

    def _prompt(self) -> Steps[Choice]:
        """The ``boot:`` prompt: a timeout runs ONTIMEOUT, else DEFAULT; without one, what Enter would run.

        What has failed once is not tried again: the real one would, for ever.
        """
        config = self.config
        timed = bool(config.timeout or config.totaltimeout) and not config.noescape
        command, reason = config.command, Reason.TIMEOUT if timed else Reason.WAITS_FOREVER
        if config.rescue is not None:
            command, reason = config.rescue, Reason.ONTIMEOUT
        if self.error is not None and reason is not Reason.ONTIMEOUT:
            self._give_up()
        if command is None:
            raise self.no_default()
        yield from self._say_trying("ONTIMEOUT")
        choice = yield from self.run(command, reason)
        if choice is None:
            self._give_up()
        return choice

    def no_default(self) -> ConfigError:
        """There is nothing that Enter would run."""
        return ConfigError(
            f"{self._main} has neither DEFAULT nor UI: a person has to choose",
            hint=f"choose with --label: {lookup.names(self._catalog.shown)}",
        )

    def chosen(self, wanted: str) -> Steps[Choice]:
        """The entry that ``wanted`` names, as when it is chosen in the loader or its menu."""
        choice = None
        if wanted in self.config.by_name:
            choice = yield from self.run(wanted, Reason.LABEL)
        else:
            label = yield from self._catalog.find(wanted)
            choice = yield from self._execute(self.command_line(label), Reason.LABEL, label)
        if choice is None:
            self._give_up()
        return choice

    def listed(self) -> Steps[tuple[Location, BootMenu]]:
        """What there is to choose from, in the menu if one is shown, else at the prompt."""
        return self._main, (yield from self._catalog.listed())

    def run(self, text: str, reason: Reason) -> Steps[Optional[Choice]]:
        """Run ``text`` as if typed: a label, else a file; if that fails, ONERROR."""
        self._step()
        self.returned = False
        word, words = first(text)
        label = self.config.by_name.get(word)
        if label is not None:
            command = joined(self.command_line(label), words)
            choice = yield from self._execute(command, reason, label)
        elif not self.config.implicit:
            choice = self._fail(ConfigError(f"{printable(word)!r} is no label, and IMPLICIT 0 forbids files"))
        else:
            if type_of(word) == "linux":
                word = yield from self._files.completed(word, self.config.path)
            command = joined(word, words if self.config.allowoptions else "")
            choice = yield from self._execute(command, reason, None, sysappend=True)
        if choice is None and self.config.onerror and not self.returned:
            choice = yield from self._onerror()
        return choice

    def _onerror(self) -> Steps[Optional[Choice]]:
        """6.x runs ``<label's command line> <whole DEFAULT line>``; ONERROR's own arguments are lost.

        Without DEFAULT that is what C prints of no string.
        """
        yield from self._say_trying("ONERROR")
        text, default = self.config.onerror, self.config.command
        label = self.config.by_name.get(split(text)[0])
        command = f"{self.command_line(label) if label else text} {'(null)' if default is None else default}"
        return (yield from self._execute(command, Reason.ONERROR, label, sysappend=True))

    def command_line(self, label: Label) -> str:
        """The label's command line with the SYSAPPEND strings, empty if it has none."""
        if label.do not in (Do.COMMAND, Do.HELP):
            return ""
        return " ".join([label.command, *self._strings(label.sysappend)])

    def _strings(self, mask: int) -> list[str]:
        return sysappend.selected(mask, self._available)

    def _execute(
        self, command: str, reason: Reason, label: Optional[Label], *, sysappend: bool = False
    ) -> Steps[Optional[Choice]]:
        """Run a command line by its type (execute.c); None if it fails, the cause in ``error``.

        ``sysappend`` adds the strings that SYSAPPEND asks for outside of labels.
        """
        self.returned = False
        if len(encode(command)) > CMDLINE_LIMIT:
            return self._fail(
                ConfigError(
                    f"the command line of {_shown(label, command)} is longer than {CMDLINE_LIMIT} bytes: "
                    "PXELINUX does not boot it"
                )
            )
        strings = self._strings(self.config.sysappend) if sysappend else []
        kind, word, words = typed(command, " ".join(strings))
        if kind == "localboot":
            return self._choice(self._end(label, Action.LOCALBOOT), reason)
        if not word:
            return self._fail(ConfigError(f"{_shown(label, command)} names no file to boot"))
        if kind == "com32":
            choice = yield from self._module(word, words, reason, label)
            self.returned = choice is None
            return choice
        if kind == "config":
            return (yield from self._configure(word, words, sysappend=self.config.sysappend))
        if kind == "firmware" and kind_of_name(word) is Kind.IPXE_BINARY:
            return (yield from self._ipxe(word, words))
        if kind == "firmware":
            error = unbootable(_shown(label, command), word)
            there = yield from self._files.exists(word)
            return self._stops(error) if there else self._fail(error)
        # What is left is a kernel, even if its name ends like a bootstrap program's (vmlinuz-5.10.0): its
        # content decides.
        cmdline, initrds = linux_line(word, words, self._user_append)
        return (yield from self._try(label, Parts(word, cmdline, initrds), reason))

    def _try(self, label: Optional[Label], parts: Parts, reason: Reason) -> Steps[Optional[Choice]]:
        """Have the files of an entry loaded."""
        kernel = parts.kernel
        yield from self._files.look_up(kernel, *parts.initrds, *parts.modules)
        try:
            entry = assembled(parts, label, self._files)
        except ConfigError as error:
            where = _shown(label, kernel)
            return self._fail(ConfigError(f"{where}: {error.message}", hint=error.hint))
        reply: Loaded = yield Load(entry)
        if reply.script and entry.kernel is not None:
            choice: Choice = yield RunIpxeScript(entry.kernel)
            return choice
        if reply.kind is Refused and not reply.ok and (yield from self._files.holds_config(kernel)):
            return (yield from self._configure(kernel, "", sysappend=self.config.sysappend))
        if not reply.ok:
            why = printable(reply.error) or f"{entry.kernel} cannot be loaded"
            hint = f"the configuration is {self._main}"
            if label is None:
                hint = f"no label has that name either: there is {lookup.names(self.config)}"
            if type_of(kernel) == "program" and reply.kind is Refused:
                return self._stops(unbootable(_shown(label, kernel), kernel))
            return self._fail(reply.kind(f"{_shown(label, kernel)}: {why}", hint=reply.hint or hint))
        return self._choice(entry, reason)

    def _module(
        self, word: str, words: str, reason: Reason, label: Optional[Label]
    ) -> Steps[Optional[Choice]]:
        """A COM32 module, by what it means."""
        plan = modules.interpret(module_of(word), words, self._guest.arch)
        if isinstance(plan, modules.Menu):
            return (yield from self._menu(plan.names, reason))
        if isinstance(plan, modules.Run):
            command = self.config.command if plan.command is None else plan.command
            return (yield from self.run(command or "", reason))
        if isinstance(plan, modules.Configure):
            return (yield from self._configure(plan.name, plan.directory))
        if isinstance(plan, modules.Linux):
            cmdline = joined(plan.cmdline, self._user_append)
            wrapped = [Wrapped(name, path) for name, path in plan.packed]
            parts = Parts(plan.kernel, cmdline, plan.initrds, wrapped=wrapped, dtb=plan.dtb)
            return (yield from self._try(label, parts, reason))
        if isinstance(plan, modules.Multiboot):
            first, rest = plan.images[0], plan.images[1:]
            parts = Parts(first, joined(first, self._user_append), modules=rest)
            return (yield from self._try(label, parts, reason))
        if isinstance(plan, modules.Chain):
            return (yield from self._chain(plan, reason, label))
        if isinstance(plan, modules.Lua):
            return (yield from self._lua(plan, reason, label))
        if isinstance(plan, modules.End):
            return self._choice(self._end(label, Action(plan.action)), reason)
        return self._fail(Refused(f"{_shown(label, word)}: {printable(module_of(word))}.c32 {plan.why}"))

    def _lua(self, plan: modules.Lua, reason: Reason, label: Optional[Label]) -> Steps[Optional[Choice]]:
        """lua.c32: what its script boots; one that boots nothing returns to the prompt."""

        def run(command: Optional[str]) -> Steps[Optional[Choice]]:
            return self.run(self.config.command or "" if command is None else command, reason)

        def boot(parts: Parts) -> Steps[Optional[Choice]]:
            cmdline = joined(parts.cmdline, self._user_append)
            return self._try(label, replace(parts, cmdline=cmdline), reason)

        def end(action: Action) -> Choice:
            return self._choice(self._end(label, action), reason)

        self._step()
        site = lua_module.Site(self._files, self._guest, self._main.path, self._available, run, boot, end)
        choice = yield from lua_module.run(site, plan)
        if choice is None and self.error is None:
            self._fail(
                ConfigError(f"{_shown(label, plan.name)}: the script {printable(plan.name)!r} boots nothing")
            )
        return choice

    def _menu(self, names: tuple[str, ...], reason: Reason) -> Steps[Optional[Choice]]:
        """menu.c32: its default; if that fails MENU ONERROR, without anything appended.

        One that ends without a command leaves it to ONTIMEOUT of the prompt.
        """
        self._step()
        menu = yield from defaults.read(self._files, self._main, names)
        self._catalog.show(menu)
        if self._attended:
            raise Detour(menu=menu)
        if defaults.ends(menu) and self.config.rescue is not None and reason is not Reason.ONTIMEOUT:
            return self._fail(ConfigError("the menu ends, and has booted nothing"))
        picked, screen = defaults.unattended(menu)
        choice = yield from self.picked(picked)
        if choice is None and screen.onerror and not self.returned:
            yield from self._say_trying("MENU ONERROR")
            choice = yield from self.picked(defaults.command(menu, screen.onerror, Reason.ONERROR))
        if choice is None and not self.returned:
            self._give_up()  # the real one shows the menu again, for ever
        return choice

    def picked(self, picked: defaults.Command) -> Steps[Optional[Choice]]:
        """Run what a menu chose."""
        text = picked.words if picked.label is None else self.command_line(picked.label) + picked.words
        text = text if picked.edited is None else picked.edited
        on_error = picked.reason is Reason.ONERROR
        return (yield from self._execute(text, picked.reason, picked.label, sysappend=on_error))

    def _configure(self, name: str, directory: str, *, sysappend: int = 0) -> Steps[Optional[Choice]]:
        """CONFIG: "name resolved against the old cwd, then chdir(dir)", a text put behind the prefix.

        A global SYSAPPEND outlives it, but not config.c32 ("SysAppends = ipappend_flags").
        """
        self._step()
        data = yield from self._files.read(name)
        if data is None:
            why = f"the configuration {printable(name)!r} is not there"
            if not self._attended:
                raise ConfigError(why)
            yield from self._use(b"", sysappend)  # the one that led here is gone all the same
            raise Detour(fresh=True, message=why)
        self._main = self._files.locate(name)
        directory = directory.rstrip(SPACE)
        if directory:
            files = self._files
            files.prefix = directory if is_absolute(directory) else files.prefix + directory
        yield from self._read(data, sysappend)
        return (yield from self._anew())

    def _ipxe(self, word: str, words: str) -> Steps[Optional[Choice]]:
        """An iPXE program runs the script in its initrd (ipxe.lkrn), else what DHCP has for an iPXE."""
        _cmdline, initrds = linux_line(word, words)
        try:
            location = self._files.locate(initrds[0] if initrds else word)
        except ConfigError as error:
            return self._fail(error)
        choice: Choice = yield RunIpxeScript(location) if initrds else RunIpxe(location)
        return choice

    def _chain(self, plan: modules.Chain, reason: Reason, label: Optional[Label]) -> Steps[Optional[Choice]]:
        """pxechn.c32: another PXELINUX starts over with options 209 and 210; or an iPXE."""
        if kind_of_name(plan.name) is Kind.IPXE_BINARY:
            return (yield from self._ipxe(plan.name, ""))
        if kind_of_name(plan.name) is not Kind.PXELINUX or "pxelinux" not in plan.name:
            return self._fail(unbootable(_shown(label, plan.name), plan.name))
        self._step()
        source = replace(self._source, prefix=self._files.prefix)
        self._source = source_of_chained(source, plan.name, plan.config_file, plan.prefix)
        self._files.server, self._files.prefix = self._source.server, self._source.prefix
        self._available = sysappend.strings(self._guest, self._lease, self._source.server)
        yield from self.begin()
        return (yield from self._anew())

    def _anew(self) -> Steps[Choice]:
        """A configuration that was just read takes over."""
        if self._attended:
            raise Detour(fresh=True)
        return (yield from self.unattended())

    def _say_trying(self, what: str) -> Steps[None]:
        if self.error is not None:
            yield Log(f"{self.error.message}; trying {what}", warning=True)

    def _end(self, label: Optional[Label], action: Action) -> Entry:
        return Entry(label.name if label else None, action, title=label.plain_title if label else "")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise ConfigError(
                f"{self._main}: commands and configurations lead to each other for ever",
                hint="mend its DEFAULT, CONFIG or COM32 lines",
            )

    def _give_up(self) -> NoReturn:
        assert self.error is not None  # whatever boots nothing says why
        raise self.error

    def _stops(self, error: PxeBootError) -> Optional[Choice]:
        """The real one would hand the machine over here: neither ONERROR nor ONTIMEOUT has a turn."""
        if not self._attended:
            raise error
        self.returned = True
        return self._fail(error)

    def _fail(self, error: PxeBootError) -> Optional[Choice]:
        self.error = error
        return None

    def _choice(self, entry: Entry, reason: Reason) -> Choice:
        return Choice(entry, reason, self._main)


def _shown(label: Optional[Label], command: str) -> str:
    if label is None or label.name is None:
        return repr(printable(split(command)[0]))
    return f"label {printable(label.name)!r}"
