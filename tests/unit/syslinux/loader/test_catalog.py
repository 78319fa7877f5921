"""What can be listed and chosen: entries of menus, and of the configurations that entries lead to."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Choice
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.loader import boot as ldlinux
from tests.support import effort
from tests.support.recorded.replay import GUEST, LEASE, Replay, boot, serving

OTHER = "UI menu.c32\nLABEL x\nKERNEL k\nLABEL disk0\nKERNEL k2\nAPPEND d=0\n"

NET, CONFIG_C32 = "LABEL net\n", "COM32 config.c32\nAPPEND other.cfg\n"

# Ways to another configuration, each with what it needs beside it; archiso, SystemRescue and grml are built
# by the third.
WAYS = {
    "config": "DEFAULT menu\nLABEL menu\nCONFIG other.cfg\n",
    "config.c32": "UI config.c32 other.cfg\n",
    "whichsys": f"DEFAULT s\nLABEL s\nCOM32 whichsys.c32\nAPPEND -iso- i -pxe- net\n{NET}CONFIG other.cfg\n",
    "ifcpu64": f"DEFAULT s\nLABEL s\nCOM32 ifcpu64.c32\nAPPEND net -- old\n{NET}{CONFIG_C32}",
    "cmd": "UI cmd.c32 net\nLABEL net\nCONFIG other.cfg\n",
    "menu": "UI menu.c32\nLABEL a\nKERNEL k\nMENU BEGIN more\nLABEL b\nMENU LABEL ^More\n"
    "CONFIG other.cfg\nMENU END\n",
    "pxechn": "DEFAULT a\nLABEL a\nKERNEL k\nLABEL b\nCOM32 pxechn.c32\nAPPEND pxelinux.0 -c other.cfg\n",
}


def listed(config: str, files: Optional[dict[str, str]] = None) -> tuple[dict[str, tuple[str, ...]], Replay]:
    """The labels of a list, each with the titles of the menus that lead to it."""
    replay = serving({"pxelinux.cfg/default": config, "other.cfg": OTHER, **(files or {})})
    _, menu = replay.drive(ldlinux.entries(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    return {entry.label or "": entry.menu for entry in menu.entries}, replay


def chosen(config: str, label: str, files: Optional[dict[str, str]] = None) -> Choice:
    return boot(config, label=label, files={"other.cfg": OTHER, **(files or {})})


@pytest.mark.parametrize("config", WAYS.values(), ids=WAYS)
def test_what_lies_behind_another_configuration(config: str) -> None:
    labels, replay = listed(config)
    assert {"x", "disk0"} <= set(labels) and not replay.loaded
    choice = chosen(config, "disk0")
    assert choice.entry.cmdline == "BOOT_IMAGE=k2 d=0" and choice.config is not None
    assert str(choice.config) == "tftp://10.77.0.1/other.cfg"
    number = str([*labels].index("disk0") + 1)
    assert chosen(config, number).entry.cmdline == "BOOT_IMAGE=k2 d=0"


def test_the_way_there_is_told() -> None:
    labels, _ = listed(WAYS["menu"])
    assert labels["disk0"] == ("more", "More")


@pytest.mark.parametrize("way", ["CONFIG other.cfg sub/", "COM32 config.c32\nAPPEND other.cfg sub/"])
def test_names_are_those_of_the_directory_of_the_configuration(way: str) -> None:
    files = {"other.cfg": "INCLUDE more.cfg\n", "sub/more.cfg": "LABEL q\nKERNEL k\n", "sub/k": "@kernel"}
    config = f"LABEL a\n{way}\nLABEL z\nKERNEL k\n"
    assert str(chosen(config, "q", files).entry.kernel) == "tftp://10.77.0.1/sub/k"
    assert str(chosen(config, "z", files).entry.kernel) == "tftp://10.77.0.1/k"


def test_configurations_that_lead_to_each_other_end() -> None:
    files = {"a.cfg": "LABEL a\nCONFIG b.cfg\n", "b.cfg": "LABEL b\nCONFIG a.cfg\n"}
    labels, replay = listed("LABEL z\nCONFIG a.cfg\n", files)
    assert [*labels] == ["z", "a", "b"]
    assert replay.asked.count("tftp://10.77.0.1/a.cfg") == 1


def test_many_configurations_are_not_all_read() -> None:
    config = "".join(f"LABEL l{number}\nCONFIG c{number}.cfg\n" for number in range(100))
    _, replay = listed(config, {f"c{number}.cfg": f"LABEL m{number}\nKERNEL k\n" for number in range(100)})
    assert len([url for url in replay.asked if "/c" in url]) < 20


def test_what_is_not_there_is_no_end() -> None:
    labels, replay = listed("LABEL a\nCONFIG nosuch.cfg\nLABEL b\nKERNEL k\n")
    assert [*labels] == ["a", "b"] and any("nosuch.cfg" in line for line in replay.log)
    with pytest.raises(ConfigError, match="has no entry 'q'"):
        chosen("LABEL a\nCONFIG nosuch.cfg\nLABEL b\nKERNEL k\n", "q")


RENDERED = "http://10.77.0.1/menu.php?mac=52-54-00-ab-cd-ef"


@pytest.mark.parametrize("url", [RENDERED, "http://10.77.0.1/boot/other.cfg"])
def test_a_kernel_that_is_the_url_of_a_configuration(url: str) -> None:
    """Booting follows it, and so does listing."""
    files = {url: OTHER, "k2": "@kernel"}
    config = f"LABEL net\nKERNEL {url}\nLABEL z\nKERNEL http://10.77.0.1/vmlinuz\n"
    labels, replay = listed(config, files)
    assert [*labels] == ["net", "z", "x", "disk0"] and labels["disk0"] == ("net",)
    assert not any(asked.endswith("vmlinuz") for asked in replay.asked), "it has the name of a kernel"
    assert chosen(config, "disk0", files).entry.cmdline == "BOOT_IMAGE=k2 d=0"


def test_many_urls_are_not_all_asked_for() -> None:
    config = "".join(f"LABEL l{number}\nKERNEL http://10.77.0.1/k.php?{number}\n" for number in range(100))
    _, replay = listed(config)
    assert len([url for url in replay.asked if "k.php" in url]) < 20


def test_a_label_is_listed_in_few_steps() -> None:
    """A rack's configuration has ten thousand."""

    def lines(count: int) -> int:
        labels = (f"LABEL l{n}\n KERNEL images/{n}/k\n APPEND initrd=images/{n}/i q\n" for n in range(count))
        config = "".join(labels)
        listed(config)
        return effort.lines(lambda: listed(config))

    assert lines(1100) - lines(100) < 300 * 1000
