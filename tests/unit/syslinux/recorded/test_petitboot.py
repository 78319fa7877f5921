"""What petitboot asserts of its parsers of pxelinux.cfg, syslinux.cfg and iPXE scripts, and what is so here.

Its test/parser (at 96063aa2) has 24 programs for PXE and 4 for SYSLINUX; each is a row here, in other words.
The dialect here is that of PXELINUX, so of each row that differs the reason is told, and what PXELINUX does
instead is asserted. Every kernel command line begins with BOOT_IMAGE=, and INITRD adds its own words to it,
which petitboot leaves out: that holds for all rows, and is no difference that is told again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Optional

import pytest

from pypxeboot import bootsource
from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action
from pypxeboot.errors import ConfigError, NoBootSource
from pypxeboot.guest import Guest
from pypxeboot.ipxe import boot as ipxe
from pypxeboot.syslinux.loader import boot as ldlinux
from tests.support.recorded.replay import LEASE, Replay, serving
from tests.support.recorded.replay import boot as boot_of

HOST = "10.9.9.1"
MAC = "12:34:56:78:9a:bc"
FILES = "label l\nkernel kernel\ninitrd initrd\n"
SLASH = "label l\nkernel ./kernel\nappend a command line\ninitrd /initrd\n"
WORD = "default l\nlabel l\nkernel ./d/k\nappend a command line\ninitrd=./d/i\n"

NOT_A_WORD = "PXELINUX knows no line initrd=FILE: the line is skipped, and no ramdisk is loaded"
SLASHES = "to PXELINUX a leading slash is nothing special: it goes behind the prefix as it is"
PREFIX = "names are relative to the prefix of PXELINUX, not to the directory of the configuration"


@dataclass(frozen=True)
class Row:
    """One of petitboot's programs: what DHCP says, where the configuration is, and what it comes to.

    ``why`` tells of what differs; then ``kernel`` and ``initrd`` are what PXELINUX makes of it.
    """

    name: str
    config: str
    at: str
    kernel: str
    initrd: Optional[str] = None
    words: str = ""
    bootfile: str = ""
    options: dict[int, str] = field(default_factory=dict)
    by_hand: bool = False
    address: str = "192.168.0.1"
    why: str = ""


T = f"tftp://{HOST}"
ROWS = (
    Row(
        "discover-bootfile-absolute-conffile",
        FILES,
        f"{T}/dir2//dir1/conf",
        f"{T}/dir2/kernel",
        f"{T}/dir2/initrd",
        bootfile="dir2/binary",
        options={209: "/dir1/conf"},
        why=f"{SLASHES}; {PREFIX}",
    ),
    Row(
        "discover-bootfile-async-file",
        FILES,
        f"{T}/dir/conf",
        f"{T}/dir/kernel",
        f"{T}/dir/initrd",
        options={209: f"{T}/dir/conf"},
        by_hand=True,
    ),
    Row(
        "discover-bootfile-pathprefix",
        FILES,
        f"{T}/dir1/pxelinux.cfg/default",
        f"{T}/dir1/kernel",
        f"{T}/dir1/initrd",
        bootfile="dir2/binary",
        options={210: "dir1/"},
    ),
    Row(
        "discover-bootfile-relative-conffile",
        FILES,
        f"{T}/dir/conf",
        f"{T}/dir/kernel",
        f"{T}/dir/initrd",
        bootfile="dir/binary",
        options={209: "conf"},
    ),
    Row(
        "discover-bootfile-root",
        FILES,
        f"{T}/pxelinux.cfg/default",
        f"{T}/kernel",
        f"{T}/initrd",
        bootfile="binary",
    ),
    Row(
        "discover-bootfile-subdir",
        FILES,
        f"{T}/dir/pxelinux.cfg/default",
        f"{T}/dir/kernel",
        f"{T}/dir/initrd",
        bootfile="dir/binary",
    ),
    Row(
        "initrd-in-append",
        "default l\nlabel l\nkernel ./d/k\nappend a command line initrd=./d/i\n",
        f"{T}/dir/conf",
        f"{T}/dir/./d/k",
        f"{T}/dir/./d/i",
        "a command line initrd=./d/i",
        options={209: f"{T}/dir/conf"},
        by_hand=True,
    ),
    Row(
        "ip-without-conf",
        WORD,
        f"{T}/dir/pxelinux.cfg/C0A8",
        f"{T}/dir/./d/k",
        None,
        "a command line",
        bootfile="dir/pxe",
        why=NOT_A_WORD,
    ),
    Row(
        "ipappend",
        "default l\nlabel l\nkernel ./d/k\nappend a command line\nipappend 2\n",
        f"{T}/dir/conf",
        f"{T}/dir/./d/k",
        None,
        f"a command line BOOTIF=01-{MAC.replace(':', '-')}",
        options={209: f"{T}/dir/conf"},
        by_hand=True,
    ),
    Row(
        "mac-without-conf",
        WORD,
        f"{T}/dir/pxelinux.cfg/01-{MAC.replace(':', '-')}",
        f"{T}/dir/./d/k",
        None,
        "a command line",
        bootfile="dir/pxe",
        why=NOT_A_WORD,
    ),
    Row(
        "non-url-conf",
        WORD,
        f"{T}/conf",
        f"{T}/./d/k",
        None,
        "a command line",
        options={209: "conf"},
        why=NOT_A_WORD,
    ),
    Row(
        "non-url-pathprefix-with-conf",
        SLASH,
        f"{T}//path/to/conf",
        f"{T}//path/to/./kernel",
        f"{T}//path/to//initrd",
        "a command line",
        options={209: "conf", 210: "/path/to/"},
        why=SLASHES,
    ),
    Row(
        "path-resolve-absolute",
        "label l\nkernel ::kernel\ninitrd ::/initrd\n",
        f"{T}/path/conf",
        f"{T}/kernel",
        f"{T}//initrd",
        options={209: "path/conf"},
        why=SLASHES,
    ),
    Row(
        "path-resolve-relative",
        "label l\nkernel kernel\ninitrd /initrd\n",
        f"{T}/path/conf",
        f"{T}/kernel",
        f"{T}//initrd",
        options={209: "path/conf"},
        why=f"{PREFIX}; {SLASHES}",
    ),
    Row(
        "pathprefix-discover-mac",
        SLASH,
        f"{T}/path/to/pxelinux.cfg/01-{MAC.replace(':', '-')}",
        f"{T}/path/to/./kernel",
        f"{T}/path/to//initrd",
        "a command line",
        options={210: f"{T}/path/to/"},
        why=SLASHES,
    ),
    Row(
        "pathprefix-discover",
        SLASH,
        f"{T}/path/to/pxelinux.cfg/C0A8",
        f"{T}/path/to/./kernel",
        f"{T}/path/to//initrd",
        "a command line",
        options={210: f"{T}/path/to/"},
        why=SLASHES,
    ),
    Row(
        "pathprefix-port",
        SLASH,
        f"http://{HOST}:8080/path/to/pxelinux.cfg/default",
        f"http://{HOST}:8080/path/to/./kernel",
        f"http://{HOST}:8080/path/to//initrd",
        "a command line",
        options={210: f"http://{HOST}:8080/path/to/"},
        why=SLASHES,
    ),
    Row(
        "pathprefix-with-conf",
        SLASH,
        f"{T}/path/to/conf",
        f"{T}/path/to/./kernel",
        f"{T}/path/to//initrd",
        "a command line",
        options={209: "conf", 210: f"{T}/path/to/"},
        why=SLASHES,
    ),
    Row(
        "single",
        WORD,
        f"{T}/dir/conf",
        f"{T}/dir/./d/k",
        None,
        "a command line",
        options={209: f"{T}/dir/conf"},
        by_hand=True,
        why=NOT_A_WORD,
    ),
)


def run(row: Row) -> tuple[str, Optional[str], str]:
    """URLs of kernel and ramdisk, and the command line without what PXELINUX adds to every one."""
    lease = replace(
        LEASE,
        address=IPv4Address(row.address),
        bootfile=row.bootfile,
        next_server=HOST,
        options={} if row.by_hand else {code: text.encode() for code, text in row.options.items()},
    )
    config, server, prefix = (row.options[209] if row.by_hand else None), None, None
    if config is not None:
        server, prefix = bootsource.server_and_prefix(config)
    source = boot_info.boot_source(lease, config=config, server=server, path_prefix=prefix)
    files = {row.at: row.config, row.kernel: "@kernel", **({row.initrd: "i"} if row.initrd else {})}
    replay = Replay(lambda location: serving(files).get(location))
    request = BootRequest(source, Guest(mac=MAC), lease, label="l")
    entry = replay.drive(ldlinux.boot(request)).entry
    words = re.sub(r"^BOOT_IMAGE=\S+ ", "", entry.cmdline)
    if " initrd=" not in row.words and not row.words.startswith("initrd="):
        words = re.sub(r" ?initrd=\S+", "", words)
    return str(entry.kernel), str(entry.initrds[0]) if entry.initrds else None, words.strip()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_pxe(row: Row) -> None:
    assert run(row) == (row.kernel, row.initrd, row.words)


def test_no_configuration() -> None:
    """pxe-empty and pxe-local: nothing in a file that is empty, or of another loader."""
    for text in ("\n", "menuentry 'x' {\n linux /vmlinux\n initrd /initrd\n}\n"):
        with pytest.raises((ConfigError, NoBootSource)):
            boot_of(text)


@pytest.mark.parametrize(
    ("script", "cmdline"),
    [
        # ipxe-default: to iPXE, options come before the URI; behind it they are words of the kernel.
        ("kernel k --name test\ninitrd i\nboot\n", "--name test"),
        # ipxe-named and ipxe: petitboot lists what a script without "boot" names; iPXE boots nothing.
        ("kernel k --name test a b\ninitrd i\n", None),
        ("kernel k a b\ninitrd i\n", None),
    ],
)
def test_ipxe(script: str, cmdline: Optional[str]) -> None:
    files = {f"{T}/dir1/boot.ipxe": f"#!ipxe\n{script}", f"{T}/dir1/k": "@kernel", f"{T}/dir1/i": "initrd"}
    lease = replace(LEASE, bootfile=f"{T}/dir1/boot.ipxe")
    replay = serving(files)
    request = BootRequest(boot_info.boot_source(lease), Guest(mac=MAC), lease)
    entry = replay.drive(ipxe.boot(request)).entry
    if cmdline is None:
        assert entry.action is Action.LOCALBOOT
    else:
        assert (str(entry.kernel), entry.cmdline, replay.ramdisk) == (f"{T}/dir1/k", cmdline, b"initrd")


def entries(config: str, **files: str) -> dict[str, str]:
    """The labels of a list and their command lines, less BOOT_IMAGE."""
    replay = serving({"pxelinux.cfg/default": config, **files})
    request = BootRequest(boot_info.boot_source(LEASE), Guest(mac=MAC), LEASE)
    _, menu = replay.drive(ldlinux.entries(request))
    return {entry.label or "": re.sub(r"^BOOT_IMAGE=\S+ ", "", entry.cmdline) for entry in menu.entries}


def test_syslinux() -> None:
    """syslinux-explicit, -global-append, -nested-config and -single-yocto.

    Petitboot joins the global APPEND and that of a label; in SYSLINUX a label's own replaces it.
    """
    explicit = "DEFAULT boot\nKERNEL /v\nAPPEND console=tty0\nLABEL backup\nKERNEL /b/v\nAPPEND root=sdb\n"
    assert entries(explicit + "INITRD /i\nIMPLICIT 0\n") == {"backup": "root=sdb initrd=/i"}
    common = "APPEND console=ttyS0\nLABEL a\nLINUX /v\nAPPEND console=tty0\nLABEL b\nKERNEL /v\nAPPEND -\n"
    assert entries(common) == {"a": "console=tty0", "b": ""}
    nested = "APPEND q=1\nLABEL a\nKERNEL /v\nINCLUDE one.cfg\n"
    more = {"one.cfg": "LABEL b\nKERNEL /b\nAPPEND r=2\nINCLUDE two.cfg\n", "two.cfg": "LABEL c\nKERNEL /c\n"}
    assert entries(nested, **more) == {"a": "q=1", "b": "r=2", "c": "q=1"}
    yocto = "PROMPT 0\nTIMEOUT 0\nALLOWOPTIONS 1\nSERIAL 0 115200\nDEFAULT boot\nLABEL boot\nKERNEL k\n"
    assert boot_of(f"{yocto}APPEND console=a\n").entry.cmdline == "BOOT_IMAGE=k console=a"


def test_every_program_of_petitboot_is_here() -> None:
    assert len(ROWS) + len(("pxe-empty", "pxe-local", "ipxe", "ipxe-default", "ipxe-named")) == 24
    assert [row.name for row in ROWS if row.why] and all(row.why.strip() == row.why for row in ROWS)
