"""How many boots a host runs at a time, found before anything is known of the boot that asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from pypxeboot.config import files
from pypxeboot.errors import UsageError

_MOST = 1000
_OPTION, _FILE_OPTION = "--max-boots", "--config-file"
_KEY = re.compile(r"\s*max-boots\s*=\s*(\S+)\s*", re.IGNORECASE)


def parse_max_boots(text: str) -> int:
    """Return the number that ``--max-boots`` says, 0 for ``no``. Raises ValueError."""
    if text.strip().lower() == "no":
        return 0
    if not re.fullmatch("[0-9]{1,4}", text) or not 0 < int(text) <= _MOST:
        raise ValueError(f"{text!r} is neither 1 to {_MOST} nor no")
    return int(text)


def look_up(argv: Sequence[str]) -> Optional[int]:
    """Return what ``argv`` or the configuration files say of it, None where nobody does.

    It is a mere look: what is wrong there is told by who reads all of it later.
    """
    try:
        given = _option(argv, _OPTION)
        if given is not None:
            return parse_max_boots(given)
        found = [_in_defaults(text) for _path, text in files.read_ahead(_option(argv, _FILE_OPTION))]
        texts = [text for text in found if text is not None]
        return parse_max_boots(texts[-1]) if texts else None
    except (UsageError, ValueError):
        return None


def _option(argv: Sequence[str], name: str) -> Optional[str]:
    """Return the last value of an option."""
    found = None
    for before, word in zip(["", *argv], argv):
        if before == name:
            found = word
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def _in_defaults(text: str) -> Optional[str]:
    """Return what the section [defaults] of a configuration file says."""
    inside, found = False, None
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[defaults]"
        elif inside and (match := _KEY.fullmatch(line)):
            found = match[1]
    return found
