"""What the XML of a run tells of a boot of the hook: files of ours, and no others."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.virt import boot_files, domain_xml, live_xml
from pypxeboot.virt.hook import hooked_boot

HERE = f"{boot_files.DIRECTORY}/8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"


def tells(**told: str) -> str:
    element = live_xml.shown({name.replace("_", "-"): value for name, value in told.items()})
    element = element.replace("<booted", f"<booted xmlns='{domain_xml.LIVE_NAMESPACE}'")
    return f"<domain><metadata>{element}</metadata></domain>"


@pytest.mark.parametrize(
    ("told", "paths"),
    [
        ({"by": "hook", "kernel_file": f"{HERE}/kernel.1", "config_file": f"{HERE}/config.2"}, 2),
        ({"by": "hook", "action": "localboot", "config_file": f"{HERE}/config.2"}, 1),
        ({"by": "hook", "config_file": "/etc/shadow"}, None),
        ({"by": "hook", "config_file": f"{HERE}/../../../../shadow"}, None),
        ({"by": "hook", "config_file": f"{HERE}/.."}, None),
        ({"by": "hook", "kernel_file": f"{HERE}/kernel.1", "config_file": "config"}, None),
        ({"kernel_file": f"{HERE}/kernel.1"}, None),  # start's
    ],
)
def test_its_files(told: dict[str, str], paths: Optional[int]) -> None:
    found = hooked_boot.of(domain_xml.parse(tells(**told)))
    assert (None if found is None else len(found.paths)) == paths


def test_without_a_word() -> None:
    assert hooked_boot.of(domain_xml.parse("<domain><metadata/></domain>")) is None
