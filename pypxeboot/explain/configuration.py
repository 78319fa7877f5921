"""The configuration files in a capture: which lines counted for what booted, and which mean nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pypxeboot.explain.page import ConfigurationFile, LineMark, MarkedLine
from pypxeboot.explain.tftp import TftpTransfer
from pypxeboot.syslinux.config.lexer import numbered_lines, split
from pypxeboot.syslinux.config.skipped import SkippedLines

_MOST_FILES, _MOST_LINES = 16, 1000
_ENDINGS = (".cfg", ".conf", ".menu", ".ipxe", ".gpxe")
_GLOBAL = frozenset("default ui timeout totaltimeout ontimeout onerror prompt include".split())
_BEFORE_LABELS = frozenset("append sysappend ipappend".split())


def files_read(transfers: Sequence[TftpTransfer], label: str) -> tuple[ConfigurationFile, ...]:
    """Return the configurations among ``transfers``; ``label`` is the entry that booted, empty: not known."""
    found = [
        ConfigurationFile(one.name, _marked(bytes(one.content), one.name, label))
        for one in transfers
        if one.size == len(one.content) and _is_configuration(one.name)
    ]
    return tuple(found[:_MOST_FILES])


def _is_configuration(name: str) -> bool:
    return "pxelinux.cfg/" in name or name.lower().endswith(_ENDINGS)


def _marked(data: bytes, name: str, label: str) -> tuple[MarkedLine, ...]:
    lines: list[MarkedLine] = []
    script = data.startswith((b"#!ipxe", b"#!gpxe"))
    inside = help_text = labelled = False
    skipped = SkippedLines()
    for _, text, _ in numbered_lines(data):
        if len(lines) >= _MOST_LINES:
            break
        word, rest = split(text)
        word = word.lower()
        before = len(skipped.texts)
        if word == "label":
            labelled = True
            inside = bool(label) and split(rest)[0] == label
        if not script and not help_text:
            skipped.judge(name, text, word, split(rest)[0].lower() if word == "menu" else "")
        help_text = (help_text or word == "text") and word != "endtext"
        if len(skipped.texts) > before:
            why = skipped.texts[-1].partition("means nothing, and is ")[2]
            lines.append(MarkedLine(text, LineMark.SKIPPED, why))
            continue
        counts = bool(word) and not word.startswith("#") and (script or inside or word in _GLOBAL)
        counts = counts or (not labelled and word in _BEFORE_LABELS)
        lines.append(MarkedLine(text, LineMark.COUNTED if counts else LineMark.PLAIN))
    return tuple(lines)
