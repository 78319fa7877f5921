"""U-Boot's dialect: its words, its names, what it boots when nobody types."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, Choice, Reason
from pypxeboot.errors import ConfigError, NoBootSource, NotFound, PxeBootError
from pypxeboot.lease import Lease
from pypxeboot.syslinux.config import search
from pypxeboot.uboot import boot as uboot
from tests.support.recorded.replay import GUEST, LEASE, Replay, serving
from tests.support.samples.uboot import BOOTIF, DTB

FILES = {"k": "@kernel", "k2": "@kernel", "i": "initrd", "i2": "initrd2", "i,i2": "joined"}
ARM = replace(GUEST, arch="arm64", board="rk3399-rock-pi-4")


def drive(replay: Replay, lease: Lease = LEASE, guest: Any = ARM, **more: Any) -> Choice:
    source = uboot.uboot_source(boot_info.boot_source(lease), None)
    return replay.drive(uboot.boot(BootRequest(source, guest, lease, **more)))


def boot(config: str, files: Optional[dict[str, Any]] = None, **more: Any) -> Choice:
    return drive(serving({**FILES, "pxelinux.cfg/default": config, **(files or {})}), **more)


@pytest.mark.parametrize(
    "config, label, reason",
    [
        ("DEFAULT b\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k2\n", "b", Reason.DEFAULT),
        ("LABEL a\nKERNEL k\nLABEL b\nKERNEL k2\n", "a", Reason.DEFAULT),
        ("LABEL a\nKERNEL k\nLABEL b\nKERNEL k2\nMENU DEFAULT\n", "b", Reason.DEFAULT),
        ("DEFAULT a\nLABEL a\nKERNEL k\nLABEL b\nMENU DEFAULT\nKERNEL k2\n", "a", Reason.DEFAULT),
        ("DEFAULT a\nONTIMEOUT b\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k2\n", "b", Reason.DEFAULT),
        ("LABEL a\nKERNEL k\nLABEL b\nKERNEL k2\nDEFAULT b\n", "b", Reason.DEFAULT),
        ("MENU TITLE x\nTIMEOUT 30\nDEFAULT b\nLABEL a\nLABEL b\nKERNEL k2\n", "b", Reason.TIMEOUT),
        ("PROMPT 1\nDEFAULT b\nLABEL a\nLABEL b\nKERNEL k2\n", "b", Reason.WAITS_FOREVER),
        ("PROMPT 0\nTIMEOUT 30\nDEFAULT b\nLABEL a\nLABEL b\nKERNEL k2\n", "b", Reason.DEFAULT),
        ("PROMPT\nDEFAULT two words\nLABEL two words\nKERNEL k\n", "two words", Reason.DEFAULT),
        ("DEFAULT A\nLABEL a\nKERNEL k\nLABEL A\nKERNEL k2\n", "A", Reason.DEFAULT),
        ("DEFAULT gone\nLABEL a\nKERNEL k\n", "a", Reason.DEFAULT),
        ("DEFAULT b\nLABEL b\nKERNEL no\nLABEL a\nKERNEL k\n", "a", Reason.DEFAULT),
        ("LABEL a\nMENU LABEL no kernel\nLABEL b\nKERNEL k\n", "b", Reason.DEFAULT),
    ],
)
def test_what_boots_when_nobody_types(config: str, label: str, reason: Reason) -> None:
    choice = boot(config)
    assert (choice.entry.label, choice.reason) == (label, reason)


def test_words_of_newer_versions() -> None:
    """FALLBACK is for a second try that a host has none of; FIT names a kernel, and a part of it behind #."""
    choice = boot("FALLBACK b\nDEFAULT a\nLABEL b\nKERNEL k\nLABEL a\nFIT k2#conf-1\nAPPEND x\n")
    assert choice.entry.kernel is not None
    assert (choice.entry.kernel.path, choice.entry.cmdline) == ("k2", "x")


def test_of_labels_of_one_name_the_last_is_the_default() -> None:
    choice = boot("DEFAULT a\nLABEL a\nKERNEL k\nLABEL a\nKERNEL k2\n")
    assert choice.entry.kernel is not None and choice.entry.kernel.path == "k2"


IP = "ip=10.77.0.173:10.77.0.1:10.77.0.1:255.255.255.0"


@pytest.mark.parametrize(
    "lines, cmdline",
    [
        ("", ""),
        ("APPEND a=1   b \t", "a=1   b \t"),
        ("APPEND a\nAPPEND b", "b"),
        ("APPEND -", "-"),
        ("APPEND a # b", "a # b"),
        ("IPAPPEND 3", f" {IP} {BOOTIF}"),
        ("APPEND x\nIPAPPEND 2", f"x {BOOTIF}"),
        ("APPEND x\nIPAPPEND 0x3", "x"),
        ("APPEND x\nIPAPPEND 4", "x"),
        ("APPEND x\nSYSAPPEND 3", "x"),
        ("APPEND x=${ipaddr} y=$(board) z=${no} $w", "x=10.77.0.173 y=rock-pi-4 z= $w"),
        ("APPEND \\$v '${soc}' a\\'b ${soc", "$v ${soc} a'b "),
        ("SAY hello\nAPPEND x", "x"),
        ("KASLRSEED\nAPPEND x", "x"),
        ("DEVICETREE-OVERLAY o\nAPPEND x", "x"),
        ("append x\r", "x\r"),
    ],
)
def test_command_lines(lines: str, cmdline: str) -> None:
    assert boot(f"LABEL a\nkernel k\n{lines}\n").entry.cmdline == cmdline


def test_global_append_is_unknown_and_words_of_the_user_stand_at_the_end() -> None:
    assert boot("APPEND g\nLABEL a\nKERNEL k\n", append="u").entry.cmdline == "u"
    assert boot("LABEL a\nKERNEL k\nAPPEND x\n", append="u=${soc}").entry.cmdline == "x u=${soc}"


@pytest.mark.parametrize(
    "lines, initrd",
    [
        ("INITRD i", "i"),
        ("INITRD i,i2", "i,i2"),
        ("APPEND initrd=i x", "i"),
        ("APPEND x initrd=i,i2 y", "i,i2"),
        ("APPEND x initrd=i", "i"),
        ("INITRD i2\nAPPEND initrd=i x", "i2"),
    ],
)
def test_the_first_statement_names_the_initrd(lines: str, initrd: str) -> None:
    assert [location.path for location in boot(f"LABEL a\nKERNEL k\n{lines}\n").entry.initrds] == [initrd]


@pytest.mark.parametrize(
    "ender",
    ["TEXT HELP\nsome words\nENDTEXT", "SYSAPPEND 2", "\r", "INITRD i\nINITRD i2", "ENDTEXT", "FDT t\nFDT t"],
)
def test_an_unknown_word_ends_a_label(ender: str) -> None:
    assert boot(f"LABEL a\nKERNEL k\n{ender}\nAPPEND lost\n", {"t": DTB}).entry.cmdline == ""


def test_text_of_help_is_read_as_words() -> None:
    choice = boot("LABEL a\nKERNEL k\nTEXT HELP\ndefault b\nENDTEXT\nLABEL b\nKERNEL k2\n")
    assert choice.entry.label == "b"


@pytest.mark.parametrize("line", ["LABEL", "DEFAULT", "APPEND", "APPEND # x", "LOCALBOOT", "INCLUDE gone"])
def test_what_makes_it_reject_the_whole_file(line: str) -> None:
    with pytest.raises(ConfigError, match="rejects the whole"):
        boot(f"LABEL z\nKERNEL k\n{line}\n")


@pytest.mark.parametrize("include", ["INCLUDE more", "MENU INCLUDE more"])
def test_includes(include: str) -> None:
    choice = boot(f"{include}\n", {"more": "LABEL m\nKERNEL k\n"})
    assert choice.entry.label == "m"
    with pytest.raises(ConfigError, match="16 deep"):
        boot(f"{include}\n", {"more": "INCLUDE more\n"})


@pytest.mark.parametrize("number", ["0", "-1", "1", "0x80"])
def test_localboot_is_the_disk(number: str) -> None:
    assert boot(f"LABEL a\nLOCALBOOT {number}\n").entry.action is Action.LOCALBOOT


def test_names_stand_behind_the_directory_of_the_boot_file() -> None:
    lease = replace(LEASE, bootfile="sub/u_boot.bin", options={210: b"elsewhere/"})
    files = {"sub/pxelinux.cfg/default": "LABEL a\nKERNEL /k\nINITRD http://h/i\n"}
    replay = serving({**files, "sub//k": "@kernel", "sub/http://h/i": "initrd"})
    entry = drive(replay, lease).entry
    assert entry.kernel is not None and entry.kernel.path == "sub//k"
    assert [location.path for location in entry.initrds] == ["sub/http://h/i"]


@pytest.mark.parametrize(
    "words, tree",
    [
        ("FDT t", "t"),
        ("DEVICETREE t", "t"),
        ("FDT -", None),
        ("FDTDIR d", "d/rk3399-rock-pi-4.dtb"),
        ("FDTDIR d/", "d/rk3399-rock-pi-4.dtb"),
        ("DEVICETREEDIR gone", None),
        ("FDTDIR d\nFDTOVERLAYS o1 o2", "d/rk3399-rock-pi-4.dtb"),
        ("", None),
    ],
)
def test_device_trees(words: str, tree: Optional[str]) -> None:
    files = {"t": DTB, "d/rk3399-rock-pi-4.dtb": DTB}
    entry = boot(f"LABEL a\nKERNEL k\n{words}\nAPPEND x\n", files).entry
    assert (entry.dtb.path if entry.dtb else None, entry.cmdline) == (tree, "x")


def test_names_of_configurations_in_order() -> None:
    replay = serving({})
    with pytest.raises(NoBootSource):
        drive(replay)
    names = [url.rpartition("/")[2] for url in replay.asked]
    assert names[:3] == [GUEST.uuid, "01-52-54-00-ab-cd-ef", "0A4D00AD"] and names[9] == "0"
    assert names[10:] == ["default-arm-rk3399-rock-pi-4", "default-arm-rk3399", "default-arm", "default"]
    assert search.config_names(ARM, LEASE, ["arm64"])[-5:] == (
        "pxelinux.cfg/default-arm64-rk3399-rock-pi-4",
        "pxelinux.cfg/default-arm64-rk3399",
        "pxelinux.cfg/default.arm64",
        "pxelinux.cfg/default-arm64",
        "pxelinux.cfg/default",
    )


def test_option_209_stands_alone() -> None:
    lease = replace(LEASE, options={209: b"mine"})
    replay = serving({**FILES, "pxelinux.cfg/default": "LABEL a\nKERNEL k\n"})
    with pytest.raises(NoBootSource):
        drive(replay, lease)
    assert replay.asked == ["tftp://10.77.0.1/mine"]
    assert drive(serving({**FILES, "mine": "LABEL m\nKERNEL k\n"}), lease).entry.label == "m"


@pytest.mark.parametrize("wanted, label", [("b", "b"), ("Bee", "b"), ("1", "a"), ("2", "b")])
def test_labels_that_are_asked_for(wanted: str, label: str) -> None:
    choice = boot("LABEL a\nKERNEL k\nLABEL b\nMENU LABEL Bee\nKERNEL k2\n", label=wanted)
    assert (choice.entry.label, choice.reason) == (label, Reason.LABEL)


@pytest.mark.parametrize(
    "config, error, text",
    [
        ("LABEL a\nKERNEL no\n", NotFound, "label 'a'"),
        ("LABEL a\nKERNEL k\r\n", ConfigError, "control character"),
        ("LABEL a\nKERNEL " + "x" * 600 + "\n", ConfigError, "longer than"),
        ("LABEL a\nKERNEL k\nAPPEND " + "x" * 3000 + "\n", ConfigError, "command line"),
        ("# nothing\n", ConfigError, "no entry"),
        ("\xff\xfe\0", ConfigError, "no entry"),
    ],
)
def test_what_cannot_boot(config: str, error: type[PxeBootError], text: str) -> None:
    with pytest.raises(error, match=text):
        boot(config)


def test_only_some_labels_are_tried() -> None:
    replay = serving({"pxelinux.cfg/default": "".join(f"LABEL l{n}\nKERNEL no{n}\n" for n in range(500))})
    with pytest.raises(NotFound):
        drive(replay)
    assert len(replay.log) <= uboot.TRY_LIMIT


LINES = st.sampled_from(
    "menu|menu default|label a|label|kernel k|append x initrd=|initrd i|include x|timeout 1|prompt|\r|# c"
    "|fdtdir d|localboot 1|text help|\t|default a|ipappend 99999999999|append ${|\x0b".split("|")
)


@given(st.one_of(st.binary(max_size=300), st.lists(LINES).map(lambda lines: "\n".join(lines).encode())))
def test_any_file_boots_or_is_refused(data: bytes) -> None:
    replay = serving({"k": "@kernel", "x": data[:40], "pxelinux.cfg/default": data})
    try:
        drive(replay)
    except PxeBootError as error:
        assert error.message.isprintable()


def test_a_gateway_is_the_first_router() -> None:
    lease = replace(LEASE, routers=(IPv4Address("10.77.0.9"), IPv4Address("10.77.0.8")))
    choice = boot("LABEL a\nKERNEL k\nIPAPPEND 1\n", lease=lease)
    assert choice.entry.cmdline.split(":")[2] == "10.77.0.9"


def test_a_list_is_without_the_words_of_the_user() -> None:
    replay = serving({"pxelinux.cfg/default": "LABEL a\nKERNEL k\nAPPEND x\n"})
    source = uboot.uboot_source(boot_info.boot_source(LEASE), None)
    location, menu = replay.drive(uboot.entries(BootRequest(source, ARM, LEASE, append="u")))
    assert str(location) == "tftp://10.77.0.1/pxelinux.cfg/default"
    assert [(entry.label, entry.cmdline) for entry in menu.entries] == [("a", "x")]
