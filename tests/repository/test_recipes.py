"""What the recipes build, built: the example of each, run as the module that it would be."""

from __future__ import annotations

import re
import shlex
from types import ModuleType

import pytest

from pypxeboot.bootsource import BootRequest, BootSource, Kind
from pypxeboot.entry import Action, Reason
from pypxeboot.links.link import FoundLink, Link
from pypxeboot.output.formats import OutputFormat
from pypxeboot.output.request import OutputRequest
from pypxeboot.syslinux.com32 import table
from pypxeboot.url import Location
from tests.support.ground import tools
from tests.support.recorded import replay
from tests.support.samples.results import BOOT, GUEST


def example(recipe: str) -> ModuleType:
    """The module that the first example of a recipe is."""
    text = (tools.ROOT / "docs/recipes" / f"{recipe}.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    module = ModuleType(f"example_of_{recipe.replace('-', '_')}")
    exec(compile(blocks[0], recipe, "exec"), vars(module))
    return module


def row(recipe: str, names: dict[str, object]) -> object:
    """The row that the recipe puts into a table, evaluated."""
    text = (tools.ROOT / "docs/recipes" / f"{recipe}.md").read_text()
    line = re.findall(r"```python\n(.*?)```", text, re.S)[1].strip().rstrip(",")
    return eval(f"{{{line}}}" if ": " in line else line, names)


def test_the_output_format() -> None:
    found = row("output-format", {"OutputFormat": OutputFormat})
    assert isinstance(found, OutputFormat) and found.name == "kexec"
    data = example("output-format").render(BOOT, OutputRequest(GUEST, found.name))
    assert BOOT.kernel is not None and BOOT.kernel.path is not None
    assert shlex.split(data.decode())[:3] == ["kexec", "--load", BOOT.kernel.path]


def test_the_com32_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = example("com32-module")
    found = row("com32-module", {"halt": module})
    assert isinstance(found, dict)
    monkeypatch.setattr(table, "MODULES", {**table.MODULES, **found})
    config = "DEFAULT a\nLABEL a\n COM32 halt.c32\n"
    assert replay.boot(config, files={"halt.c32": b"x"}).entry.action is Action.POWEROFF


def test_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = example("link").Ipvlan
    assert issubclass(kind, Link) and row("link", {}) == {"ipvlan": ("ipvlan.Ipvlan",)}
    assert kind.mode == "ipvlan" and kind._connect is not Link._connect
    assert FoundLink(kind, "eth0", {}).error is None


def test_the_loader() -> None:
    loader = example("loader")
    source = BootSource(Kind.CONFIG, "10.77.0.1", "", bootfile=Location("tftp", "10.77.0.1", "a.line"))
    request = BootRequest(source, replay.GUEST, replay.LEASE, append="quiet")
    served = replay.serving({"a.line": b"vmlinuz console=ttyS0\n", "vmlinuz": "@kernel"})
    choice = served.drive(loader.boot(request))
    assert (choice.entry.cmdline, choice.reason) == ("console=ttyS0 quiet", Reason.DEFAULT)
    _location, menu = replay.serving({"a.line": b"vmlinuz\n"}).drive(loader.entries(request))
    assert [entry.label for entry in menu.entries] == ["line"]
