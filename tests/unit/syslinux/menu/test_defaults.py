"""Menus without a person, and labels that are asked for by name."""

from __future__ import annotations

from textwrap import dedent
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import BootMenu, Reason
from pypxeboot.errors import ConfigError, PxeBootError, Refused
from pypxeboot.syslinux.loader import boot as ldlinux
from tests.support.recorded.replay import GUEST, LEASE, boot, serving

MENU = dedent(
    """
    UI menu.c32
    LABEL a
      KERNEL k
      APPEND n=a
    LABEL linux second one
      MENU LABEL ^Second
      KERNEL k2
      APPEND n=b
    LABEL off
      MENU DISABLE
      KERNEL k
    MENU BEGIN more
      MENU TITLE More
      LABEL deep
        MENU LABEL Deep ^down
        KERNEL k
        APPEND n=deep
    MENU END
    LABEL ghost
      MENU HIDE
      KERNEL k
      APPEND n=ghost
    """
)


@pytest.mark.parametrize(
    "wanted, word",
    [
        ("a", "n=a"),
        ("linux", "n=b"),
        ("linux second one", "n=b"),
        ("LINUX Second One", "n=b"),
        ("Second", "n=b"),
        ("SECOND", "n=b"),
        ("Deep down", "n=deep"),
        ("ghost", "n=ghost"),
        ("1", "n=a"),
        ("3", "n=deep"),
    ],
)
def test_labels_by_name_line_title_and_number(wanted: str, word: str) -> None:
    choice = boot(MENU, label=wanted)
    assert choice.entry.cmdline.split()[1] == word and choice.reason is Reason.LABEL


@pytest.mark.parametrize("wanted", ["nope", "4", "0", "off", "more", "", "second one", "9" * 5000])
def test_unknown_labels_get_the_list(wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        boot(MENU, label=wanted)
    assert caught.value.hint == "it has a, linux second one, deep"


def test_a_label_in_a_file_that_only_the_menu_reads() -> None:
    files = {"other.cfg": "LABEL o\nKERNEL k2\nAPPEND x\n"}
    choice = boot("DEFAULT menu.c32 other.cfg\nLABEL a\nKERNEL k\n", label="o", files=files)
    assert choice.entry.cmdline == "BOOT_IMAGE=k2 x"
    choice = boot("DEFAULT menu.c32 other.cfg\nLABEL a b\nKERNEL k\n", label="a b", files=files)
    assert choice.entry.cmdline == "BOOT_IMAGE=k "


NESTED = dedent(
    """
    UI menu.c32
    LABEL a
      KERNEL k
      APPEND n=a
    LABEL tools
      MENU LABEL ^Tools
      COM32 menu.c32
      APPEND tools.cfg
    MENU BEGIN more
      MENU TITLE More
      LABEL other
        KERNEL vesamenu.c32
        APPEND http://10.77.0.9/other.cfg tools.cfg
    MENU END
    LABEL gone
      KERNEL menu.c32
      APPEND gone.cfg
    """
)
NESTED_FILES = {
    "tools.cfg": "LABEL t\nKERNEL k2\nAPPEND n=t\nMENU BEGIN deep\nLABEL u\nKERNEL k\nAPPEND n=u\nMENU END\n"
    "LABEL back\nKERNEL menu.c32\nAPPEND tools.cfg\n",
    "http://10.77.0.9/other.cfg": "LABEL far\nMENU LABEL ^Far away\nKERNEL k\nAPPEND n=far\n",
}


@pytest.mark.parametrize(
    "wanted, word", [("t", "n=t"), ("U", "n=u"), ("Far away", "n=far"), ("5", "n=t"), ("6", "n=u")]
)
def test_a_label_of_a_menu_that_an_entry_opens(wanted: str, word: str) -> None:
    choice = boot(NESTED, label=wanted, files=NESTED_FILES)
    assert choice.entry.cmdline.split()[1] == word and choice.reason is Reason.LABEL


def test_menus_of_other_files_are_listed_last() -> None:
    replay = serving({"pxelinux.cfg/default": NESTED, **NESTED_FILES})
    _, menu = replay.drive(ldlinux.entries(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    found = [(entry.label, entry.menu) for entry in menu.entries]
    assert found == [
        ("a", ()),
        ("tools", ()),
        ("other", ("More",)),
        ("gone", ()),
        ("t", ("Tools",)),
        ("u", ("Tools", "deep")),
        ("back", ("Tools",)),
    ]
    for number, (label, _) in enumerate(found, 1):
        if label in ("a", "t", "u"):  # those that boot by themselves
            assert boot(NESTED, label=str(number), files=NESTED_FILES).entry.label == label
    # Another server is not bothered for a mere list; and a label that is there asks for nothing more.
    assert not any("10.77.0.9" in url for url in replay.asked)
    replay = serving({"pxelinux.cfg/default": NESTED, **NESTED_FILES, "k": "@kernel"})
    replay.drive(ldlinux.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE, label="a")))
    assert not any("tools" in url for url in replay.asked)


def test_menus_that_open_each_other_without_end() -> None:
    files = {f"m{n}": f"LABEL l{n}\nKERNEL menu.c32\nAPPEND m{n + 1}\n" for n in range(100)}
    config = "UI menu.c32\nLABEL l\nKERNEL menu.c32\nAPPEND m0\n"
    with pytest.raises(ConfigError, match="no entry 'nope'"):
        boot(config, label="nope", files=files)
    wide = "UI menu.c32\n" + "".join(f"LABEL x{n}\nKERNEL menu.c32\nAPPEND m{n}\n" for n in range(100))
    with pytest.raises(ConfigError, match="no entry 'nope'"):
        boot(wide, label="nope", files=files)


def test_a_number_counts_titles_that_are_numbers() -> None:
    assert boot("LABEL 2\nKERNEL k\nLABEL x\nKERNEL k2\n", label="2").entry.cmdline == "BOOT_IMAGE=k "


def test_many_labels_are_not_all_named() -> None:
    with pytest.raises(ConfigError, match="no entry") as caught:
        boot("".join(f"LABEL x{n}\n" for n in range(100)), label="y")
    assert caught.value.hint is not None and caught.value.hint.endswith("x29, and 70 more")


def listed(config: str, files: Optional[dict[str, str]] = None) -> BootMenu:
    replay = serving({"pxelinux.cfg/default": config, **(files or {})})
    return replay.drive(ldlinux.entries(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))[1]


def test_a_list_of_menus() -> None:
    menu = listed("TIMEOUT 1\nDEFAULT linux\n" + MENU)
    assert [(entry.label, entry.menu) for entry in menu.entries] == [
        ("a", ()),
        ("linux second one", ()),
        ("deep", ("More",)),
    ]
    assert menu.default == "a"


@pytest.mark.parametrize(
    "lines, said",
    [
        ("KERNEL k\nINITRD i", "boot k i BOOT_IMAGE=k initrd=i"),
        ("COM32 linux\nAPPEND k initrd=i initrdfile=x@y dtb=t z", "boot k i x t BOOT_IMAGE=k"),
        ("COM32 ifcpu64\nAPPEND k a -- k2", "boot k BOOT_IMAGE=k a"),
        ("COM32 cmd\nAPPEND other x", "boot k2 BOOT_IMAGE=k2 o=1 x"),
        ("COM32 mboot.c32\nAPPEND xen a --- k b --- i", "boot xen k i xen a"),
        ("COM32 chain\nAPPEND hd0", "localboot"),
        ("LOCALBOOT 0", "localboot"),
        ("COM32 reboot", "reboot"),
        ("KERNEL vesamenu.c32\nAPPEND sub.cfg ~", "boot menu sub.cfg ~"),
        ("CONFIG c.cfg d/", "boot configuration c.cfg"),
        ("COM32 config\nAPPEND c.cfg", "boot configuration c.cfg"),
        ("COM32 pxechn\nAPPEND http://s/pxelinux.0 -p x", "boot starts over as http://s/pxelinux.0"),
        ("COM32 lua\nAPPEND a.lua b", "boot Lua script a.lua"),
        ("KERNEL hdt.c32", "boot hdt.c32 shows information and boots nothing"),
        ("KERNEL memdisk\nINITRD i", "boot memdisk needs firmware"),
        ("COM32 cmd\nAPPEND e", "boot commands that lead to each other"),
    ],
)
def test_what_entries_come_to(lines: str, said: str) -> None:
    entry = listed(f"LABEL e\n{lines}\nLABEL other\nKERNEL k2\nAPPEND o=1\n").entries[0]
    packed = (item.location for item in entry.packed)
    files = (entry.kernel, *entry.initrds, *packed, *(module.location for module in entry.modules), entry.dtb)
    names = [location.path for location in files if location is not None]
    words = " ".join(word for word in (entry.action.value, *names, entry.cmdline, entry.meaning) if word)
    assert words.startswith(said) and (names or words == said)


WORDS = st.sampled_from(
    "-- --- -x -c -p -o 209.s=x k initrd=a,b initrdfile=a@b dtb=t 64 -pxe- -iso- , @ hd0".split()
)
MODULES = st.sampled_from(
    "menu linux mboot pxechn ifcpu ifcpu64 ifplop whichsys config cmd lua chain x".split()
)


@given(MODULES, st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=8))
def test_any_arguments_of_a_module(module: str, words: list[str]) -> None:
    """They boot, lead somewhere or are refused; and the list says what."""
    config = f"DEFAULT e\nLABEL e\nCOM32 {module}.c32\nAPPEND {' '.join(words)}\n"
    assert len(listed(config).entries) <= 2
    try:
        boot(config)
    except PxeBootError as error:
        assert error.message.isprintable()


@pytest.mark.parametrize(
    "head, word, reason",
    [
        ("", "n=a", Reason.WAITS_FOREVER),
        ("TIMEOUT 1\n", "n=a", Reason.TIMEOUT),
        ("TOTALTIMEOUT 1\n", "n=a", Reason.TIMEOUT),
        ("MENU SHIFTKEY\n", "n=a", Reason.DEFAULT),
        ("TIMEOUT 1\nDEFAULT deep x\n", "n=deep", Reason.TIMEOUT),
        ("TIMEOUT 1\nDEFAULT ghost\n", "n=a", Reason.TIMEOUT),
        ("TIMEOUT 1\nONTIMEOUT ghost x\n", "n=ghost", Reason.ONTIMEOUT),
        ("ONTIMEOUT ghost x\n", "n=a", Reason.WAITS_FOREVER),
        ("TIMEOUT 1\nMENU SEPARATOR\n", "n=a", Reason.WAITS_FOREVER),
        ("TIMEOUT 1\nLABEL g\nMENU GOTO more\n", "n=deep", Reason.WAITS_FOREVER),
    ],
)
def test_what_a_menu_boots_untouched(head: str, word: str, reason: Reason) -> None:
    choice = boot(head + MENU)
    assert (choice.entry.cmdline.split()[1], choice.reason) == (word, reason)


@pytest.mark.parametrize(
    "lines",
    ["LABEL a\nMENU PASSWD x\nKERNEL k\n", "MENU BEGIN s\nMENU PASSWD x\nLABEL a\nKERNEL k\nMENU END\n"],
)
def test_waiting_is_no_way_around_a_password(lines: str) -> None:
    """Where the real one waits for ever for it. With a timeout it asks for none."""
    with pytest.raises(Refused, match="wants a password, and nobody chooses"):
        boot(f"UI menu.c32\n{lines}")
    assert boot(f"UI menu.c32\n{lines}", label="a").entry.kernel is not None
    if lines.startswith("LABEL"):
        assert boot(f"UI menu.c32\nTIMEOUT 1\n{lines}").reason is Reason.TIMEOUT


@pytest.mark.parametrize("program", ["menu.c32", "boot/vesamenu.c32", "gfxboot.c32 bootlogo", "m"])
def test_menu_programs(program: str) -> None:
    config = f"DEFAULT {program}\nLABEL m\nMENU HIDE\nCOM32 vesamenu\nLABEL x\nMENU DEFAULT\nKERNEL k2\n"
    assert boot(config).entry.label == "x"


def test_default_menu_without_an_extension() -> None:
    config = "DEFAULT menu\nLABEL x\nKERNEL k2\n"
    assert boot(config, files={"menu.c32": "x"}).entry.label == "x"
    assert boot(config, label="X").entry.label == "x"


def test_submenus_that_lead_in_circles() -> None:
    screens = ["MENU BEGIN a", "LABEL x", "MENU GOTO b", "MENU END", "MENU BEGIN b", "LABEL y", "MENU GOTO a"]
    with pytest.raises(ConfigError, match="boots nothing"):
        boot("\n".join(["UI menu.c32", *screens, "MENU END"]))


def test_menus_that_lead_to_themselves() -> None:
    with pytest.raises(ConfigError, match="lead to each other for ever"):
        boot("UI menu.c32\nTIMEOUT 1\nLABEL a\nKERNEL menu.c32\n")


@pytest.mark.parametrize(
    "config, default",
    [
        (MENU, "a"),
        (MENU.replace("UI", "DEFAULT"), "a"),
        ("TIMEOUT 1\nONTIMEOUT k\n" + MENU, None),
        ("DEFAULT nope\n", None),
        ("DEFAULT m\nLABEL m\nKERNEL menu.c32\nAPPEND gone ~\nLABEL q\nMENU HELP x\nMENU DEFAULT\n", "m"),
        ("UI menu.c32\nLABEL q\nMENU QUIT\nLABEL h\nMENU HELP h\n", None),
    ],
)
def test_the_default_of_a_list(config: str, default: str) -> None:
    replay = serving({"pxelinux.cfg/default": config})
    _, menu = replay.drive(ldlinux.entries(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    assert menu.default == default
