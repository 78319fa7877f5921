"""What the loader does with a configuration, beyond the recorded boots."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from typing import Any, Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, Entry, Reason
from pypxeboot.errors import ConfigError, InternalError, NotFound, PxeBootError, Refused
from pypxeboot.syslinux.com32.unresolved import UnresolvedEntry
from pypxeboot.syslinux.loader import boot as ldlinux
from pypxeboot.syslinux.loader.sysappend import select, strings
from pypxeboot.url import Location
from tests.support.recorded.replay import GUEST, LEASE, boot, serving

TWO = "DEFAULT a\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k2\n"


@pytest.mark.parametrize(
    "head, label, reason",
    [
        ("", "a", Reason.DEFAULT),
        ("TIMEOUT 10\n", "a", Reason.DEFAULT),
        ("PROMPT 1\n", "a", Reason.WAITS_FOREVER),
        ("PROMPT 1\nONTIMEOUT b\n", "a", Reason.WAITS_FOREVER),
        ("PROMPT 1\nTIMEOUT 10\n", "a", Reason.TIMEOUT),
        ("PROMPT 1\nTOTALTIMEOUT 10\nONTIMEOUT b\n", "b", Reason.ONTIMEOUT),
        ("PROMPT 1\nTIMEOUT 10\nONTIMEOUT b\nNOESCAPE 1\n", "a", Reason.DEFAULT),
        ("PROMPT 1\nUI b\n", "b", Reason.DEFAULT),
    ],
)
def test_what_boots_when_nobody_types(head: str, label: str, reason: Reason) -> None:
    choice = boot(head + TWO)
    assert (choice.entry.label, choice.reason) == (label, reason)


@pytest.mark.parametrize(
    "config, cmdline",
    [
        ("DEFAULT a\nLABEL a\nKERNEL k\n", "BOOT_IMAGE=k "),
        ("DEFAULT a u=1  v\nLABEL a\nKERNEL k x\nAPPEND y\nINITRD i\n", "BOOT_IMAGE=k x y initrd=i u=1  v"),
        ("ALLOWOPTIONS 0\nDEFAULT a u\nLABEL a\nKERNEL k\n", "BOOT_IMAGE=k u"),
        ("ALLOWOPTIONS 0\nDEFAULT k u\n", "BOOT_IMAGE=k "),
        ("APPEND g\nIPAPPEND 2\nDEFAULT k u\n", "BOOT_IMAGE=k u BOOTIF=01-52-54-00-ab-cd-ef"),
        ("DEFAULT .linux k u\n", "BOOT_IMAGE=k u"),
    ],
)
def test_command_lines(config: str, cmdline: str) -> None:
    assert boot(config).entry.cmdline == cmdline


@pytest.mark.parametrize(
    "words, cmdline, initrds",
    [
        ("s", "BOOT_IMAGE=k s", []),
        ("initrd=i2", "BOOT_IMAGE=k initrd=i2", ["i2"]),
    ],
)
def test_user_words_stand_at_the_end(words: str, cmdline: str, initrds: list[str]) -> None:
    entry = boot("DEFAULT a\nLABEL a\nKERNEL k\n", append=words).entry
    assert entry.cmdline == cmdline and [location.path for location in entry.initrds] == initrds
    assert boot("DEFAULT a\nLABEL a\nCOM32 linux\nAPPEND k x\n", append="s").entry.cmdline.endswith("k x s")


@pytest.mark.parametrize(
    "config, kind, text",
    [
        ("LABEL a\nKERNEL k\n", ConfigError, "neither DEFAULT nor UI"),
        ("DEFAULT nope\nLABEL a\nKERNEL k\n", NotFound, "'nope'"),
        ("IMPLICIT 0\nDEFAULT k\n", ConfigError, "IMPLICIT 0"),
        ("DEFAULT a\nLABEL a\nKERNEL pxelinux.0\n", Refused, "label 'a'"),
        ("DEFAULT a\nLABEL a\nKERNEL memdisk\nINITRD i\n", Refused, "memdisk"),
        ("DEFAULT a\nLABEL a\nBOOT k\n", Refused, "'k'"),
        ("DEFAULT a\nLABEL a\nKERNEL i.0\n", NotFound, "i.0"),
        ("DEFAULT a\nLABEL a\nKERNEL i\n", Refused, "not a kernel"),
        ("DEFAULT a\nLABEL a\nKERNEL hdt.c32\n", Refused, "hdt.c32 shows information"),
        ("DEFAULT a\nLABEL a\nKERNEL lua.c32\n", Refused, "lua.c32"),
        ("DEFAULT a\nLABEL a\nMENU QUIT\n", ConfigError, "label 'a'"),
        ("DEFAULT a\nLABEL a\nKERNEL -::k\n", ConfigError, "label 'a'"),
        ("DEFAULT a\nLABEL a\nCOM32 cmd\nAPPEND a\n", ConfigError, "for ever"),
        ("DEFAULT a\nLABEL a\nCONFIG pxelinux.cfg/default\n", ConfigError, "for ever"),
        ("DEFAULT a\nLABEL a\nCOM32 pxechn\nAPPEND pxelinux.0\n", ConfigError, "for ever"),
        ("DEFAULT a\nLABEL a\nCOM32 pxechn\nAPPEND other.0\n", Refused, "other.0"),
        ("DEFAULT a\nLABEL a\nCONFIG nope\n", ConfigError, "'nope'"),
        ("UI menu.c32\n", ConfigError, "no entry"),
        ("UI menu.c32\nLABEL q\nMENU QUIT\n", ConfigError, "boots nothing"),
    ],
)
def test_what_cannot_boot(config: str, kind: type[PxeBootError], text: str) -> None:
    with pytest.raises(kind) as caught:
        boot(config)
    assert text in caught.value.message and caught.value.message.isprintable()


@pytest.mark.parametrize("more", [{"label": "a"}, {}])
def test_a_missing_kernel_is_asked_for_once(more: dict[str, str]) -> None:
    with pytest.raises(NotFound, match="label 'a'"):
        boot("PROMPT 1\nTIMEOUT 1\nDEFAULT a\nLABEL a\nKERNEL no\n", **more)


def test_a_missing_default_names_the_labels() -> None:
    with pytest.raises(NotFound) as caught:
        boot("DEFAULT nope\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k2\n")
    assert caught.value.hint is not None and "a, b" in caught.value.hint


def test_a_kernel_may_end_in_0() -> None:
    files = {"vmlinuz-5.10.0": "@kernel"}
    assert boot("DEFAULT a\nLABEL a\nKERNEL vmlinuz-5.10.0\n", files=files).entry.cmdline.startswith(
        "BOOT_IMAGE=v"
    )


@pytest.mark.parametrize(
    "config, label, reason, cmdline",
    [
        (
            "DEFAULT a u\nONERROR b x\nLABEL a\nKERNEL no\nLABEL b\nKERNEL k2\n",
            "b",
            Reason.ONERROR,
            "BOOT_IMAGE=k2 a u",
        ),
        ("DEFAULT a\nONERROR k2 x\nLABEL a\nKERNEL no\n", None, Reason.ONERROR, "BOOT_IMAGE=k2 x a"),
        ("DEFAULT no\nTIMEOUT 1\nONTIMEOUT b\nLABEL b\nKERNEL k2\n", "b", Reason.ONTIMEOUT, "BOOT_IMAGE=k2 "),
        (
            "UI menu.c32\nMENU ONERROR b x\nLABEL a\nKERNEL no\nLABEL b\nKERNEL k2\n",
            "b",
            Reason.ONERROR,
            "BOOT_IMAGE=k2 x",
        ),
    ],
)
def test_after_a_failure(config: str, label: Optional[str], reason: Reason, cmdline: str) -> None:
    choice = boot(config)
    assert (choice.entry.label, choice.reason, choice.entry.cmdline) == (label, reason, cmdline)


@pytest.mark.parametrize(
    "how", ["LOCALBOOT 0", "LOCALBOOT -1", "LOCALBOOT 0xffff", "LOCALBOOT", "COM32 chain\nAPPEND hd0"]
)
def test_the_disk(how: str) -> None:
    assert boot(f"DEFAULT a\nLABEL a\n{how}\n").entry.action is Action.LOCALBOOT


def test_another_configuration_in_another_directory() -> None:
    config = "DEFAULT c\nLABEL c\nCONFIG o.cfg sub/\n"
    choice = boot(config, files={"o.cfg": "DEFAULT k\n", "sub/k": "@kernel"})
    assert choice.entry.kernel is not None and choice.entry.kernel.path == "sub/k"
    assert str(choice.config) == "tftp://10.77.0.1/o.cfg"


def test_a_chained_pxelinux_starts_over() -> None:
    config = "DEFAULT c\nLABEL c\nCOM32 pxechn\nAPPEND x/pxelinux.0 -c o.cfg -p sub/\n"
    choice = boot(config, files={"sub/o.cfg": "DEFAULT a\nLABEL a\nKERNEL k\n", "sub/k": "@kernel"})
    assert str(choice.config) == "tftp://10.77.0.1/sub/o.cfg"


SMBIOS = {"CPU": "6P", "SYSVENDOR": " A  B\t", "SYSSERIAL": "\x01", "SYSSKU": "a\u202eb", "SYSFF": "1"}


def test_sysappend_strings() -> None:
    there = strings(replace(GUEST, smbios=SMBIOS), LEASE, "10.77.0.1")
    assert len(there) == 19
    assert select(0x7FFFF, there) == [
        "ip=10.77.0.173:10.77.0.1:10.77.0.1:255.255.255.0",
        "BOOTIF=01-52-54-00-ab-cd-ef",
        "SYSUUID=2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b",
        "CPU=6P",
        "SYSVENDOR=A_B",
        "SYSFF=1",
    ]
    assert select(0, there) == []
    assert select(8, strings(GUEST, LEASE, None)) == ["CPU=6PXLS"]


@pytest.mark.parametrize(
    "uuid, there",
    [
        ("8c3a1f2e-5b6d-4e0f-9a0b-1c2d3e4f5a6b", False),
        ("8c3a1f2e-5b6d-4ef0-9a0b-1c2d3e4f5a6b", False),
        ("8c3a1f2e-5b6d-4e10-9a0b-1c2d3e4f5a6b", True),
        (None, False),
    ],
)
def test_one_uuid_in_eight_is_not_said(uuid: Optional[str], there: bool) -> None:
    assert bool(strings(replace(GUEST, uuid=uuid), LEASE, None)[2]) is there


def test_unknown_addresses_are_zeros() -> None:
    lease = replace(LEASE, options={3: bytes(8)})
    assert strings(GUEST, lease, "files.lab")[0] == "ip=10.77.0.173:0.0.0.0:0.0.0.0:255.255.255.0"
    lease = replace(LEASE, options={}, routers=LEASE.routers * 2)
    assert strings(GUEST, lease, None)[0] == "ip=10.77.0.173:0.0.0.0:0.0.0.0:255.255.255.0"


def test_entries_are_listed_without_loading() -> None:
    replay = serving({"pxelinux.cfg/default": dedent(
        """
        MENU TITLE top
        LABEL a
          KERNEL nope
          INITRD i
        LABEL b c
          MENU LABEL ^Bee
          LOCALBOOT 0
        LABEL broken
          KERNEL -::x
        """
    )})  # fmt: skip
    config, menu = replay.drive(ldlinux.entries(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    assert config.name == "default" and (menu.title, menu.default) == ("top", None)
    assert [(entry.label, entry.title, entry.action) for entry in menu.entries] == [
        ("a", "a", Action.BOOT),
        ("b c", "Bee", Action.LOCALBOOT),
        ("broken", "broken", Action.BOOT),
    ]
    assert menu.entries[0].cmdline == "BOOT_IMAGE=nope initrd=i" and not replay.loaded


@pytest.mark.parametrize("there, label", [(True, None), (False, "b")])
@pytest.mark.parametrize("word", ["KERNEL x.0", "BOOT x.0", "KERNEL memdisk"])
def test_after_what_needs_firmware_nothing_else_boots(word: str, there: bool, label: Optional[str]) -> None:
    """The real one would have handed over; what is not there is a failure like any other."""
    config = f"DEFAULT a\nTIMEOUT 5\nONTIMEOUT b\nONERROR b\nLABEL a\n{word}\nLABEL b\nKERNEL k\n"
    files = {"x.0": "program", "memdisk": "program"} if there else {}
    if label is None:
        with pytest.raises(Refused, match="needs real firmware"):
            boot(config, files=files)
    else:
        assert boot(config, files=files).entry.label == label


def test_a_server_that_has_no_address_is_the_boot_server() -> None:
    config = "DEFAULT a\nLABEL a\nKERNEL nowhere::k\nINITRD 10.77.0.3::i,far.example::i,0.0.0.0::i2\n"
    files = {"pxelinux.cfg/default": config, "k": "@kernel", "i": "initrd", "i2": "initrd2"}
    replay = serving(files, names={"far.example": ("10.9.9.9",)})
    choice = replay.drive(ldlinux.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    assert choice.entry.kernel == Location("tftp", "10.77.0.1", "k")
    assert [place.host for place in choice.entry.initrds] == ["10.77.0.3", "far.example", "10.77.0.1"]
    assert any("nowhere" in line and "boot server" in line for line in replay.log)


def test_a_file_without_a_label_is_looked_for_along_path() -> None:
    config = "PATH one:two\nDEFAULT menu\nTIMEOUT 5\nLABEL a\nKERNEL k\n"
    assert boot(config, files={"two/menu.c32": "module"}).entry.label == "a"
    assert boot("UI 10.77.0.3::x/menu.c32\nTIMEOUT 5\nLABEL a\nKERNEL k\n").entry.label == "a"


@pytest.mark.parametrize("word", ["KERNEL", "INITRD"])
def test_a_user_of_bytes_in_a_url(word: str) -> None:
    kernel = b"" if word == "KERNEL" else b" KERNEL k\n"
    config = (
        b"DEFAULT a\nONERROR b\nLABEL a\n"
        + kernel
        + word.encode()
        + b" http://u\x80@10.77.0.1/x\nLABEL b\n KERNEL k2\n"
    )
    choice = boot(config)
    assert (choice.entry.label, choice.reason) == ("b", Reason.ONERROR)
    choice = boot(config, files={"http://u%80@10.77.0.1/x": "@kernel"})
    assert choice.entry.label == "a"


def test_what_nobody_foresaw_is_the_failure_of_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = UnresolvedEntry.resolve

    def stumble(self: UnresolvedEntry, *args: Any) -> Entry:
        if self.kernel == "k":
            raise RecursionError("too deep")
        return resolve(self, *args)

    monkeypatch.setattr(UnresolvedEntry, "resolve", stumble)
    choice = boot("DEFAULT a\nONERROR b\nLABEL a\n KERNEL k\nLABEL b\n KERNEL k2\n")
    assert (choice.entry.label, choice.reason) == ("b", Reason.ONERROR)
    with pytest.raises(InternalError, match="label 'a': internal error: RecursionError: too deep"):
        boot("DEFAULT a\nLABEL a\n KERNEL k\n")
