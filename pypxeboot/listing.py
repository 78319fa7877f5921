"""The entries of a configuration as a person sees and names them."""

from __future__ import annotations

from typing import Optional

from pypxeboot.errors import ConfigError
from pypxeboot.menu import Action, Entry, Menu
from pypxeboot.pxelinux import Files
from pypxeboot.syslinux import Config, Do, Label, split
from pypxeboot.text import printable

# As many labels as a message shows.
_NAMES_SHOWN = 30


def entries(config: Config) -> list[Label]:
    """The labels that can be chosen, in file order, those of submenus among them."""
    return [label for label in config.labels if label.do is Do.COMMAND and not label.hidden]


def find(config: Config, wanted: str) -> Optional[Label]:
    """The label that ``wanted`` means: by name, by its whole LABEL line, by title, then by number from 1.

    Exactly if possible, else whatever the case.
    """
    labels = [label for label in config.labels if label.do is Do.COMMAND]
    for fold in (str, str.casefold):
        for text in (_name, _line, _title):
            for label in labels:
                if fold(text(label)) == fold(wanted):
                    return label
    listed = entries(config)
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 0
    return listed[number - 1] if 0 < number <= len(listed) else None


def _name(label: Label) -> str:
    return label.name or ""


def _line(label: Label) -> str:
    return (label.line or "").strip()


def _title(label: Label) -> str:
    return label.plain_title


def names(config: Config) -> str:
    """The labels for a message."""
    listed = [printable(label.line or "") for label in entries(config)]
    if not listed:
        return "no entries"
    more = f", and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
    return ", ".join(listed[:_NAMES_SHOWN]) + more


def menu(config: Config, files: Files) -> Menu:
    """What there is to choose from."""
    default = config.command if config.ui is None else config.default
    title = config.screens[0].title if config.screens else ""
    return Menu(tuple(_entry(label, files) for label in entries(config)), default, title)


def _entry(label: Label, files: Files) -> Entry:
    word, words = split(label.command)
    if word == ".localboot":
        return Entry(label.line, Action.LOCALBOOT, title=label.plain_title)
    if word.startswith("."):
        word, words = split(words)
    try:
        kernel = files.locate(word)
    except ConfigError:  # shown all the same: it was not chosen
        kernel = None
    return Entry(label.line, Action.BOOT, kernel, cmdline=words, title=label.plain_title)
