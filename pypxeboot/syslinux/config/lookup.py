"""Find entries of a configuration as a person names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.syslinux.config.model import Config, Label, MenuAction
from pypxeboot.text import printable

# As many labels as a message shows.
_NAMES_SHOWN = 30
# Submenus in each other; menus for people have two or three.
_PATH_SHOWN = 8


def entries(config: Config) -> list[Label]:
    """List the labels that can be chosen, in file order, those of submenus among them."""
    return [label for label in config.labels if label.action is MenuAction.COMMAND and not label.hidden]


def find(config: Config, wanted: str) -> Optional[Label]:
    """Find the label that ``wanted`` means: by name, whole LABEL line, title, or number from 1."""
    return by_name(config, wanted) or by_number([config], wanted)


def by_name(config: Config, wanted: str) -> Optional[Label]:
    """Find the label of that name, LABEL line or title in ``config``."""
    return match_name([label for label in config.labels if label.action is MenuAction.COMMAND], wanted)


def by_number(configs: Sequence[Config], wanted: str) -> Optional[Label]:
    """Find the entry of that number, counted from 1 through all of ``configs``."""
    listed = [label for config in configs for label in entries(config)]
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 0
    return listed[number - 1] if 0 < number <= len(listed) else None


def paths(config: Config) -> list[tuple[str, ...]]:
    """List for every screen the titles of the menus that lead to it, the top one left out."""
    found: list[tuple[str, ...]] = []
    for screen in config.screens:  # a parent stands before what it holds
        own = (printable(screen.title or screen.tag, 60),)
        found.append(() if screen.parent is None else (found[screen.parent] + own)[:_PATH_SHOWN])
    return found


def match_name(labels: Sequence[Label], wanted: str) -> Optional[Label]:
    """Find the label of that name, LABEL line or title; whatever the case, if none is exactly so."""
    for texts in ((_name, _line), (_title,)):
        for fold in (str, str.casefold):
            for text in texts:
                for label in labels:
                    if fold(text(label)) == fold(wanted):
                        return label
    return None


def _name(label: Label) -> str:
    return label.name or ""


def _line(label: Label) -> str:
    return (label.line or "").strip()


def _title(label: Label) -> str:
    return label.plain_title


def names(config: Config) -> str:
    """List the labels for a message."""
    listed = [printable(label.line or "") for label in entries(config)]
    if not listed:
        return "none"
    more = f", and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
    return ", ".join(listed[:_NAMES_SHOWN]) + more
