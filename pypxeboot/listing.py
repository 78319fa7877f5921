"""The entries of a configuration as a person sees and names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.labels import Config, Do, Label
from pypxeboot.text import printable

# As many labels as a message shows.
_NAMES_SHOWN = 30


def entries(config: Config) -> list[Label]:
    """The labels that can be chosen, in file order, those of submenus among them."""
    return [label for label in config.labels if label.do is Do.COMMAND and not label.hidden]


def find(config: Config, wanted: str) -> Optional[Label]:
    """The label that ``wanted`` means: by its name, its whole LABEL line, its title, or its number from 1."""
    found = named([label for label in config.labels if label.do is Do.COMMAND], wanted)
    if found is not None:
        return found
    listed = entries(config)
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 0
    return listed[number - 1] if 0 < number <= len(listed) else None


def named(labels: Sequence[Label], wanted: str) -> Optional[Label]:
    """The label of that name, LABEL line or title; whatever the case, if none is exactly so."""
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
    """The labels for a message."""
    listed = [printable(label.line or "") for label in entries(config)]
    if not listed:
        return "no entries"
    more = f", and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
    return ", ".join(listed[:_NAMES_SHOWN]) + more
