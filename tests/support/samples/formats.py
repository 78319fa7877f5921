"""What every output format for direct kernel boot has to render."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Callable

import jsonschema

from pypxeboot.entry import Action
from pypxeboot.guest import Guest
from pypxeboot.output.formats import FORMATS
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult
from tests.support.ground import tools
from tests.support.samples.results import BOOT

SCHEMAS = tools.DATA / "schemas"
LOCAL = replace(BOOT, action=Action.LOCALBOOT, kernel=None, ramdisk=None, initrds=(), cmdline="")
ODD = "/disks/a b,c 'd'.img"

Render = Callable[[BootResult, Guest], bytes]
DIRECT: dict[str, Render] = {
    name: lambda result, guest, row=row: row.render(result, OutputRequest(guest, row.name))  # type: ignore[misc]
    for name, row in FORMATS.items()
    if row.monitor is not None
}


def check(value: object, name: str) -> None:
    """That ``value`` is what the schema in file ``name`` describes."""
    jsonschema.validate(value, json.loads((SCHEMAS / name).read_text()))
