"""The iPXE that boots one guest: the parts that its commands work on, and how a boot ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pypxeboot.bootsource import BootRequest
from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Print, Steps
from pypxeboot.entry import BootMenu, Choice, Entry
from pypxeboot.ipxe.engine import initial_settings
from pypxeboot.ipxe.engine.images import Image, Images
from pypxeboot.ipxe.engine.initial_settings import BuiltinSettings
from pypxeboot.ipxe.engine.interaction import Interaction, Selection
from pypxeboot.ipxe.engine.network import NetworkState
from pypxeboot.ipxe.engine.options import CommandCall, Syntax
from pypxeboot.ipxe.engine.parameters import ParameterLists
from pypxeboot.ipxe.engine.settings import Settings
from pypxeboot.ipxe.engine.stack import Quota, ScriptStack
from pypxeboot.ipxe.engine.status import LastFailure, error_text
from pypxeboot.terminal.forms import plain
from pypxeboot.url import Location

# One expanded command: no kernel takes a command line of a tenth of this.
EXPANSION_LIMIT = 64 << 10


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


@dataclass(frozen=True)
class ScriptCommand:
    """A command of the language: how it is called, and what it does."""

    syntax: Syntax
    run: Callable[[Machine, CommandCall], Steps[int]]


@dataclass(frozen=True)
class Build:
    """What an iPXE is built with: its commands, and the images that it can boot.

    ``start`` runs what is no script: a kernel, or another loader; it ends the boot, or gives a status.
    """

    commands: Mapping[str, ScriptCommand]
    start: Callable[[Machine, Image], Steps[int]]


@dataclass(frozen=True)
class Machine:
    """An iPXE that boots one guest, as ``request`` asks for it.

    It does not change, its parts do; each is described where it is defined.
    """

    request: BootRequest
    build: Build
    settings: Settings
    builtin: BuiltinSettings
    network: NetworkState
    images: Images
    parameters: ParameterLists
    stack: ScriptStack
    quota: Quota
    interaction: Interaction
    selection: Selection
    failure: LastFailure

    @classmethod
    def of(cls, request: BootRequest, build: Build, *, listing: bool = False) -> Machine:
        """Return a machine that has just been started; with ``listing`` the first menu ends its boot."""
        builtin = BuiltinSettings()
        settings = initial_settings.settings_of(request.guest, request.lease, builtin.lookup)
        stack = ScriptStack()
        quota = Quota(stack)
        return cls(
            request=request,
            build=build,
            settings=settings,
            builtin=builtin,
            network=NetworkState(settings, request.lease, request.lease),
            images=Images(),
            parameters=ParameterLists(quota),
            stack=stack,
            quota=quota,
            interaction=Interaction(quota, request.patience),
            selection=Selection(request.label, listing),
            failure=LastFailure(),
        )

    def say(self, text: str, end: str = "\n") -> Steps[None]:
        """Print a line, or several."""
        shown = "\n".join(plain(line, EXPANSION_LIMIT) for line in text.split("\n"))
        self.quota.print(shown)
        yield Print(shown + end)

    def fail(self, doing: str, status: int) -> Steps[int]:
        """Say that a command failed, and why, as iPXE does; its status."""
        return (yield from self.refuse(f"{doing}: {error_text(status)}", status))

    def refuse(self, words: str, status: int) -> Steps[int]:
        """Say why something cannot be; its status."""
        self.failure.note(words)
        yield from self.say(words)
        return status

    def choice(self, entry: Entry) -> Choice:
        """Return ``entry`` as what was chosen, with the reason, and the script that runs."""
        return Choice(entry, self.selection.reason, self.stack.location)
