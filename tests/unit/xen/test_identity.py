"""A domain that libxl creates, and of which the bootloader's arguments say little: who it is, found.

The ``xl`` here is a stand-in, a shell script of that name that starts the bootloader as libxl does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypxeboot.config.options import parse
from pypxeboot.xen import identity, parent_xl
from tests.support.ground import MAC, UUID


def test_the_bridge_that_xl_conf_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    conf = tmp_path / "xl.conf"
    monkeypatch.setattr(parent_xl, "_XL_CONF", conf)
    for text, bridge in (
        ('# all of them\n#vif.default.bridge="xenbr9"\nvif.default.bridge="xenbr1"\n', "xenbr1"),
        ("autoballoon=0\n", None),
        ("what is this?", None),
    ):
        conf.write_text(text)
        argv = ["--output=bootloader.7.out", "--output-format=simple0", f"mac={MAC}", "--uuid", UUID]
        vif = identity.find_vif(identity.read_xenstore(parse(argv), 7)).vif
        assert vif.get("bridge") == bridge and vif["mac"] == MAC
