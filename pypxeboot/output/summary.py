"""The result for a person who boots by hand: what boots and why, from where, how fast, and what was odd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from pypxeboot.entry import WHY, Action
from pypxeboot.result import BootResult, Request
from pypxeboot.text import printable, size_text

_ACTIONS = {
    Action.BOOT: "boots",
    Action.LOCALBOOT: "boots from the guest's own disk",
    Action.REBOOT: "restarts the guest",
    Action.POWEROFF: "switches the guest off",
}
_BOLD, _YELLOW, _RED, _PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
_WIDTH = 9  # of the longest key


def render(result: BootResult, kept: Optional[str], *, colours: bool) -> str:
    """Return the summary; ``kept`` is the directory that the files stay in, None where they do not."""
    lines: list[str] = []
    for key, text in rows(result, kept):
        colour = {"warning": _YELLOW, "failed": _RED}.get(key, _BOLD)
        head = f"{key:{_WIDTH}}"
        lines.append(f"{colour}{head}{_PLAIN} {text}\n" if colours else f"{head} {text}\n")
    return "".join(lines)


def rows(result: BootResult, kept: Optional[str]) -> Iterator[tuple[str, str]]:
    """Yield each fact about a boot as key and text, what boots first; ``kept`` as for :func:`render`."""
    what = "the boot file" if result.label is None else f"entry {printable(result.label)}"
    yield "result", f"{what} {_ACTIONS[result.action]}, because {WHY[result.reason]}"
    if result.failure is not None:
        yield "failed", printable(result.failure.message, 2000)
        if result.failure.hint:
            yield "", f"-> {printable(result.failure.hint, 2000)}"
    if result.config is not None:
        yield "from", printable(result.config, 400)
    lease = result.lease
    if lease is not None:
        server = f" from {lease.server_id}" if lease.server_id else ""
        yield "lease", printable(f"{lease.address}{server}, boot server {lease.next_server or 'none'}", 400)
    yield from _files(result)
    for text in result.warnings:
        yield "warning", printable(text, 2000)
    seconds = result.seconds
    parts = f"link {seconds.link:.2f}, DHCP {seconds.dhcp:.2f}, configuration {seconds.config:.2f}"
    yield "time", f"{seconds.total:.2f} s: {parts}, download {seconds.download:.2f}"
    if result.action is Action.BOOT:
        stay = "not kept; --keep, or --output-directory DIR, keeps them"
        yield "files", stay if kept is None else f"in {printable(kept, 400)}"


def _files(result: BootResult) -> Iterator[tuple[str, str]]:
    came = {request.url: request for request in result.requests if request.result == "ok"}
    kernel = result.kernel
    if kernel is not None:
        kind = f", {printable(kernel.format, 40)}" if kernel.format else ""
        monitors = printable(" and ".join(kernel.boots), 80)
        boots = f" (boots as {monitors})" if monitors else ""
        yield "kernel", f"{_file(kernel.url, came)}{kind}{boots}"
    for initrd in result.initrds:
        yield "initrd", _file(initrd.url, came)
    for module in result.modules:
        yield "module", _file(module.url, came)
    if result.dtb is not None:
        yield "dtb", _file(result.dtb.url, came)
    if kernel is not None:
        yield "cmdline", printable(result.cmdline, 8192) or "(empty)"


def _file(url: str, came: Mapping[str, Request]) -> str:
    """Return a file's URL, with its size and rate where it was downloaded."""
    request = came.get(url)
    if request is None:
        return printable(url, 400)
    rate = f"{size_text(request.bytes / max(request.seconds, 0.001))}/s"
    return f"{printable(url, 400)}  {size_text(request.bytes)} in {request.seconds:.2f} s, {rate}"
