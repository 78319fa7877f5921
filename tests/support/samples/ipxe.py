"""An iPXE script run to what it boots."""

from __future__ import annotations

from pypxeboot.entry import Choice
from tests.support.recorded.replay import Replay, script


def booted(*lines: str, **more: object) -> tuple[Choice, Replay]:
    return script("\n".join(["#!ipxe", *lines, ""]), **more)  # type: ignore[arg-type]
