"""The search for a configuration, and the parser of its language."""

from __future__ import annotations

import pytest

from pypxeboot.dhcp import boot_info
from pypxeboot.effects import Fetch, Fetched
from pypxeboot.errors import NoBootSource
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.search import find_config
from tests.support.recorded.replay import GUEST, LEASE, serving
from tests.support.samples.sources import SOURCE


def test_walk_takes_the_first_that_is_there() -> None:
    replay = serving({"pxelinux.cfg/0A4D": "x", "pxelinux.cfg/default": "y", "pxelinux.cfg/0A4D00AD": ""})
    location, data = replay.drive(find_config(ServerFiles(SOURCE), SOURCE, GUEST, LEASE))
    assert (str(location), data) == ("tftp://10.77.0.1/pxelinux.cfg/0A4D", b"x")
    assert len(replay.asked) == 8  # two UUIDs, the MAC, five addresses


def test_walk_goes_on_when_option_209_is_not_there() -> None:
    source = boot_info.boot_source(LEASE, config="cfg/x", path_prefix="p/")
    replay = serving({"p/pxelinux.cfg/default": "y"})
    location, _ = replay.drive(find_config(ServerFiles(source), source, GUEST, LEASE))
    assert replay.asked[0] == "tftp://10.77.0.1/p/cfg/x" and location.path == "p/pxelinux.cfg/default"


def test_walk_names_what_it_tried() -> None:
    with pytest.raises(NoBootSource) as caught:
        serving({}).drive(find_config(ServerFiles(SOURCE), SOURCE, GUEST, LEASE, ["arm64"]))
    assert caught.value.hint is not None and "default-arm64 " in caught.value.hint


def test_walk_is_not_stopped_by_an_error_of_the_server() -> None:
    steps = find_config(ServerFiles(SOURCE), SOURCE, GUEST, LEASE)
    effect = steps.send(None)
    log = steps.send(Fetched(None, "\x1b[2J is a directory"))
    assert isinstance(effect, Fetch) and "\\x1b[2J is a directory" in log.text  # type: ignore[union-attr]
