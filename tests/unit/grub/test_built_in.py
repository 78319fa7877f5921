"""Configurations and disks that are built into GRUB's programs; the programs are grub-mkimage's.

What each case boots is what a real one booted (GRUB 2.06 for a BIOS, in QEMU).
"""

from __future__ import annotations

import struct
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.bootsource import BootRequest, Kind
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Choice
from pypxeboot.errors import PxeBootError
from pypxeboot.grub import boot, program
from pypxeboot.grub.engine import memdisk
from tests.support import effort
from tests.support.ground import tools
from tests.support.recorded import replay
from tests.support.recorded.replay import GUEST, LEASE, Replay

PROGRAM = "boot/grub/i386-pc/core.0"
# As in Debian's and Ubuntu's signed programs.
DEBIAN = "normal (memdisk)/grub.cfg\n"
CHOOSES = (
    b"if [ -e $prefix/x86_64-efi/grub.cfg ]; then\n\tsource $prefix/x86_64-efi/grub.cfg\n"
    b"else\n\tsource $prefix/grub.cfg\nfi\n"
)
ENTRY = "menuentry x { linux16 (tftp)/k1 r=$r p=$prefix root=$root; }\nset timeout=0\n"
NET = "(tftp,10.77.0.1)/boot/grub"
TESTED = (
    "set r=\nfor t in -e -f -d -s; do for f in /a /a/b /e /no /; do\n"
    "if [ $t (memdisk)$f ]; then set r=$r,$t$f; fi; done; done\n"
)


def made(directory: Path, prefix: str, config: Optional[str], disk: Optional[Mapping[str, bytes]]) -> bytes:
    """A program of grub-mkimage's."""
    maker = tools.find("grub-mkimage") or tools.find("grub2-mkimage")
    if maker is None or not Path("/usr/lib/grub/i386-pc").is_dir():
        pytest.skip("no grub-mkimage for i386-pc (scripts/install-test-tools)")
    argv = [maker, "-O", "i386-pc-pxe", "-o", str(directory / "core"), "-d", "/usr/lib/grub/i386-pc"]
    if config is not None:
        (directory / "config").write_text(config)
        argv += ["-c", str(directory / "config")]
    if disk is not None:
        with tarfile.open(directory / "disk", "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in disk.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
        argv += ["-m", str(directory / "disk")]
    subprocess.run([*argv, "-p", prefix, "pxe", "tftp", "normal", "tar"], check=True, capture_output=True)
    return (directory / "core").read_bytes()


def booted(image: bytes, files: Mapping[str, str]) -> tuple[Choice, Replay]:
    served = replay.serving(
        {"/k1": "@kernel", PROGRAM: image, **{f"/{n}": text.encode() for n, text in files.items()}}
    )
    lease = replace(LEASE, bootfile=PROGRAM)
    source = replace(boot_info.boot_source(lease), kind=Kind.GRUB, config_file=None)
    return served.drive(boot.boot(BootRequest(source, GUEST, lease))), served


@pytest.mark.parametrize(
    ("prefix", "config", "disk", "served", "cmdline"),
    [
        pytest.param(
            "/srv",
            DEBIAN,
            {"grub.cfg": CHOOSES},
            {
                "srv/grub.cfg": ENTRY,
                "srv/grub.cfg-01-52-54-00-ab-cd-ef": "menuentry y { linux16 (tftp)/k1 mac=1; }\n",
                "srv/x86_64-efi/grub.cfg": "menuentry y { linux16 (tftp)/k1 platform=1; }\n",
            },
            "r= p=(tftp,10.77.0.1)/srv root=tftp,10.77.0.1",
            id="signed by Debian",
        ),
        pytest.param(
            "(memdisk)/boot/grub",
            None,
            {"boot/grub/grub.cfg": ENTRY.encode()},
            {},
            "r= p=(memdisk)/boot/grub root=memdisk",
            id="standalone",
        ),
        pytest.param(
            "/srv",
            "set r=early\n",
            None,
            {"srv/grub.cfg": ENTRY},
            "r=early p=(tftp,10.77.0.1)/srv root=tftp,10.77.0.1",
            id="variables",
        ),
        pytest.param(
            "/srv",
            "set prefix=(tftp)/other\n",
            None,
            {"other/grub.cfg": ENTRY},
            "r= p=(tftp)/other root=tftp,10.77.0.1",
            id="prefix",
        ),
        pytest.param(
            "/srv",
            "set root=(memdisk)\n",
            {"a/b": b"hello", "e": b""},
            {"srv/grub.cfg": TESTED + ENTRY},
            "r=,-e/a,-e/a/b,-e/e,-e/,-f/a/b,-f/e,-d/a,-d/,-s/a/b p=(tftp,10.77.0.1)/srv root=memdisk",
            id="tests",
        ),
        pytest.param(
            "/srv",
            None,
            {"x.cfg": b"set r=fromx\n"},
            {"srv/grub.cfg": f"source (memdisk)/no\nset q=$?\nsource (memdisk)/x.cfg\nset r=$r-$q\n{ENTRY}"},
            "r=fromx-0 p=(tftp,10.77.0.1)/srv root=tftp,10.77.0.1",
            id="source",
        ),
        pytest.param(
            "/srv",
            None,
            {"x.cfg": ENTRY.encode()},
            {"srv/grub.cfg": "set r=1\nexport r\nconfigfile (memdisk)/x.cfg\n"},
            "r=1 p=(tftp,10.77.0.1)/srv root=tftp,10.77.0.1",
            id="configfile",
        ),
        pytest.param(
            "/srv",
            None,
            {"x.cfg": b"set r=fromx\n"},
            {"boot/grub/grub.cfg": f"source (memdisk)/x.cfg\n{ENTRY}"},
            "r=fromx p=(tftp,10.77.0.1)/boot/grub root=tftp,10.77.0.1",
            id="beside the program",
        ),
        pytest.param(
            "/srv",
            None,
            {"x.cfg": b"set r=fromx\n"},
            {"boot/grub/grub.cfg": f"set root=memdisk\nsource /x.cfg\nset root=tftp\n{ENTRY}"},
            "r=fromx p=(tftp,10.77.0.1)/boot/grub root=tftp",
            id="its disk as root",
        ),
    ],
)
def test_what_is_built_in_leads_where_the_real_one_went(
    tmp_path: Path,
    prefix: str,
    config: Optional[str],
    disk: Optional[Mapping[str, bytes]],
    served: Mapping[str, str],
    cmdline: str,
) -> None:
    choice, told = booted(made(tmp_path, prefix, config, disk), served)
    assert choice.entry.cmdline == f"BOOT_IMAGE=(tftp)/k1 {cmdline}", told.log


def test_an_initrd_of_the_disk(tmp_path: Path) -> None:
    config = "set timeout=0\nmenuentry x { linux16 /k1 m=1; initrd16 (memdisk)/i1; }\n"
    choice, told = booted(made(tmp_path, "/srv", None, {"i1": b"INITRD"}), {"srv/grub.cfg": config})
    assert (choice.entry.cmdline, told.ramdisk) == ("BOOT_IMAGE=/k1 m=1", b"INITRD")
    assert str(choice.entry.initrds[0]) == "data:(memdisk)/i1"


def test_a_built_in_configuration_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(PxeBootError) as why:
        booted(
            made(tmp_path, "/srv", "normal (memdisk)/no.cfg\n", {"grub.cfg": CHOOSES}),
            {"srv/grub.cfg": ENTRY},
        )
    assert "/no.cfg" in why.value.message


def tar_member(size: bytes) -> bytes:
    """A header whose field of the size is ``size``."""
    header = bytearray(512)
    header[:5], header[124:136], header[156:157], header[257:263] = b"a.cfg", size, b"0", b"ustar\0"
    return bytes(header)


@pytest.mark.parametrize("size", [b"-0000001000\0", b"-0000002000\0", b"0o000001000\0", b"+0000_01000\0"])
def test_the_size_in_an_archive_is_digits(size: bytes) -> None:
    with effort.bounded():
        found = memdisk.read(tar_member(size) + tar_member(b"00000000000\0") * 2)
    assert found.files == {"a.cfg": b""}


def test_a_name_without_end() -> None:
    """Entries of FAT that each go on with the name of the one before."""
    piece = "x".encode("utf-16-le")
    entry = b"\x01" + piece * 5 + b"\x0f\0\0" + piece * 6 + b"\0\0" + piece * 2
    root = entry * 65000 + b"A       CFG" + bytes(15) + struct.pack("<HI", 0, 0)
    boot = bytearray(512)
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, 1, 1, 65024, 9000, 0xF8, 1)
    boot[510:512] = b"\x55\xaa"
    found = memdisk.read(bytes(boot) + bytes(512) + root)
    assert [len(name) for name in found.files] == [255]


def test_a_disk_of_many_files_is_searched_fast() -> None:
    disk = memdisk.Memdisk()
    for number in range(2000):
        disk.add(f"a/{number}/b", b"")
    assert disk.is_directory("a/7") and disk.is_directory("a") and not disk.is_directory("a/7/b")
    assert effort.lines(lambda: disk.is_directory("b")) < 200


def modules_everywhere() -> bytes:
    """What looks like the start of a program's modules in 130,000 places, which all are the same ones."""
    modules = struct.pack("<II", 9, 8) * 2000
    size = 2 << 20
    starts = (struct.pack("<4sIII", b"mimg", at, at + len(modules), 0) for at in range(size, 0, -16))
    return b"".join(starts) + modules


def zeros_in_lzma() -> bytes:
    """A program for a BIOS whose packed part may begin at any of its bytes."""
    head = b"\xea.\x82" + bytes(5) + struct.pack("<II", 100_000, 8 << 20)
    return head.ljust(4096, b"\0") + bytes(110_000)


@pytest.mark.parametrize("data", [modules_everywhere, zeros_in_lzma])
def test_what_looks_like_a_program_is_not_looked_at_without_end(data: Callable[[], bytes]) -> None:
    with effort.bounded():
        assert program.built_in(data()) is None


def fat() -> bytes:
    """A FAT file system of 12 bits: a file of two clusters with a long name, and a folder."""
    boot = bytearray(512)
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, 1, 1, 16, 64, 0xF8, 1)
    boot[510:512] = b"\x55\xaa"
    chains = {2: 0xFFF, 3: 4, 4: 0xFFF, 5: 0xFFF, 6: 0xFFF}
    table = bytearray(512)
    for cluster, following in chains.items():
        at = cluster * 3 // 2
        word = int.from_bytes(table[at : at + 2], "little") | (following << (4 if cluster & 1 else 0))
        table[at : at + 2] = word.to_bytes(2, "little")

    def entry(name: bytes, kind: int, cluster: int, size: int) -> bytes:
        return name + bytes([kind]) + bytes(14) + struct.pack("<HI", cluster, size)

    long = "A long name.cfg".encode("utf-16-le").ljust(52, b"\0")
    pieces = [long[26:], long[:26]]
    names = b"".join(
        bytes([number]) + piece[:10] + b"\x0f\0\0" + piece[10:22] + b"\0\0" + piece[22:]
        for number, piece in zip((0x42, 1), pieces)
    )
    root = entry(b"GRUB    CFG", 0x20, 2, len(CHOOSES)) + names + entry(b"ALONGN~1CFG", 0x20, 3, 700)
    root += entry(b"FONTS      ", 0x10, 5, 0) + entry(b"DISK       ", 0x08, 0, 0)
    below = entry(b".          ", 0x10, 5, 0) + entry(b"A       PF2", 0x20, 6, 1)
    clusters = [CHOOSES, b"x" * 512, b"y" * 188, below, b"f"]
    return bytes(boot + table) + root.ljust(512, b"\0") + b"".join(one.ljust(512, b"\0") for one in clusters)


def test_the_disk_of_debian() -> None:
    found = memdisk.read(fat())
    assert found.get("/GRUB.CFG") == CHOOSES and found.get("fonts/a.pf2") == b"f"
    assert found.get("a long name.cfg") == b"x" * 512 + b"y" * 188 and len(found.files) == 3
    assert found.is_directory("Fonts") and not found.is_directory("grub.cfg")


@pytest.mark.parametrize("image", [b"", b"\0" * 511 + b"\xaa", fat()[:700], fat()[:512] + b"\xff" * 9999])
def test_a_damaged_disk_has_what_can_be_read(image: bytes) -> None:
    assert len(memdisk.read(image).files) <= 3


def test_a_program_says_what_it_has(tmp_path: Path) -> None:
    found = program.built_in(made(tmp_path, "/srv", DEBIAN, {"grub.cfg": CHOOSES}))
    assert found is not None and found.memdisk is not None
    assert (found.prefix, found.config, found.memdisk.get("/grub.cfg")) == ("/srv", DEBIAN, CHOOSES)


def test_a_configuration_that_speaks_of_no_disk_needs_no_program() -> None:
    choice, told = booted(b"", {"boot/grub/grub.cfg": ENTRY})
    assert choice.entry.cmdline.startswith("BOOT_IMAGE=(tftp)/k1")
    assert not any(PROGRAM in url for url in told.asked)
