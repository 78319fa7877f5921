"""Text that XML can carry."""

from __future__ import annotations

import re

from pypxeboot.errors import HandoverError

# What XML 1.0 cannot hold at all, and the carriage return, which every parser makes a line feed of.
_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def writable(name: str, text: str) -> str:
    """``text`` itself, if XML can hold it. Raises HandoverError."""
    wrong = _NO_XML.search(text)
    if wrong is not None:
        raise HandoverError(f"{name} holds {wrong[0]!r}, which XML cannot")
    return text
