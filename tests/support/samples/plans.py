"""Plans from command lines."""

from __future__ import annotations

from pypxeboot.client.pipeline import Plan
from pypxeboot.config import planner
from pypxeboot.config.options import parse

MAC = "00:16:3e:01:02:03"


def plan(*argv: str) -> Plan:
    return planner.plan(parse(argv))


LIBXL_OUT = ["--output=/var/lib/xen/bootloader.7.out", "--output-format=simple0"]
LIBXL_OUT += ["--output-directory=/var/lib/xen/bootloader.7.d"]
LIBXL_END = [f"mac={MAC},bridge=xenbr1,", "/dev/vg/guest"]


ONE = f"mac={MAC}"
