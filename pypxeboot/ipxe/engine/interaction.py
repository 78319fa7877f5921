"""The questions of a script: its menus and forms, who answers them, and what is chosen of them."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import FindTerminal, Steps
from pypxeboot.entry import Reason
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.stack import Quota
from pypxeboot.picture import Terminal
from pypxeboot.terminal.forms import ITEM_LIMIT, Dialog, DialogItem, plain
from pypxeboot.terminal.input import User

# Questions that nobody is there to answer: a menu that comes back so often comes back for ever.
UNANSWERED_LIMIT = 100


@dataclass
class Interaction:
    """The dialogs of a script by name, and the ``user`` at the terminal as soon as there was one.

    ``patience`` is how long a question waits for somebody at the terminal, None for ever; ``unanswered``
    counts the questions since the last key.
    """

    quota: Quota
    patience: Optional[float] = None
    user: Optional[User] = None
    unanswered: int = 0
    dialogs: dict[str, Dialog] = field(default_factory=dict)

    def find_user(self) -> Steps[Optional[User]]:
        """Return who sits at the terminal, None if nobody can."""
        terminal: Optional[Terminal] = yield FindTerminal()
        if terminal is None:
            return None
        if self.user is None:
            self.user = User(terminal, self.patience)
        self.user.terminal = terminal
        return self.user

    def note_key(self) -> None:
        """Have all counts begin anew: somebody is there, and whoever presses keys is no endless loop."""
        self.unanswered = 0
        self.quota.renew()

    def count_unanswered(self) -> None:
        """Count a question that nobody answers. Raises ConfigError where it is one too many."""
        self.unanswered += 1
        if self.unanswered > UNANSWERED_LIMIT:
            error = self.quota.error("asks again and again, and nobody is there to answer")
            raise ConfigError(error.message, hint="choose with --label, or let somebody answer with -i")

    def create_dialog(self, name: str, title: str) -> None:
        """Make a dialog without items. Raises ConfigError where there are too many."""
        if len(self.dialogs) >= ITEM_LIMIT:
            raise self.quota.error("makes menus without end")
        self.quota.hold(name, title)
        self.dialogs[name] = Dialog(title)

    def remove_dialog(self, name: str) -> None:
        """Forget a dialog, if it is there."""
        self.dialogs.pop(name, None)

    def add_item(self, dialog: Dialog, item: DialogItem) -> None:
        """Put an item below the others. Raises ConfigError where there are too many."""
        if len(dialog.items) >= ITEM_LIMIT:
            raise self.quota.error("makes a menu without end")
        self.quota.hold(item.name or "", item.text)
        dialog.items.append(item)


@dataclass
class Selection:
    """What is asked for of the menus, and what was chosen.

    ``label`` means a menu item, None once that was chosen; with ``listing`` the first menu ends the boot.
    ``chosen`` is the name of the item that was chosen last, ``reason`` why it was that one.
    """

    label: Optional[str] = None
    listing: bool = False
    chosen: Optional[str] = None
    reason: Reason = Reason.SCRIPT

    def take_label(self) -> Optional[str]:
        """Return the label that is asked for; nothing is any more."""
        label, self.label = self.label, None
        return label

    def choose(self, name: str) -> None:
        """Have the item called ``name`` be the one that was chosen last."""
        self.chosen = plain(name, 200)

    def find_item(self, dialog: Dialog) -> Optional[str]:
        """Return the name of the item that is asked for, None if none is, or it is not in this menu.

        The label is a name, a title, or, in the first menu, a number in its list.
        """
        label = self.label
        if label is None:
            return None
        for item in dialog.choices:
            if item.name == label:
                return label
        for item in dialog.choices:
            if plain(item.text, 200).strip() == label.strip():
                return item.name
        if self.chosen is None and label.isascii() and label.isdecimal() and len(label) < 7:
            return next((item.name for item in dialog.choices[int(label) - 1 :][:1] if int(label)), None)
        return None
