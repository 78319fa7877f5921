"""The result in the forms of the toolstacks, to the byte; numbers are of the table of bad inputs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import replace
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.entry import Action, Reason
from pypxeboot.errors import FetchError, HandoverError, NotFound, PxeBootError, Refused, ServerError
from pypxeboot.guest import Guest
from pypxeboot.output import json_report, qemu, xen
from pypxeboot.result import (
    Artifacts,
    DeviceTree,
    InitrdFile,
    KernelFile,
    LeaseReport,
    ListedEntry,
    ModuleFile,
    Ramdisk,
    Request,
    Seconds,
)
from pypxeboot.text import decode, encode

GUEST = Guest("52:54:00:ab:cd:ef", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", bridge="br0")
KERNEL = KernelFile("tftp://10.77.0.1/k", "/run/d/kernel.1", 7, "0" * 64, "bzImage", ("qemu",))
BOOT = Artifacts(
    action=Action.BOOT,
    lease=LeaseReport(
        "10.77.0.5", "255.255.255.0", "10.77.0.1", (), "", "10.77.0.1", "10.77.0.1", "p.0", 3600
    ),
    loader="pxelinux",
    config="tftp://10.77.0.1/pxelinux.cfg/default",
    label="a",
    reason=Reason.DEFAULT,
    kernel=KERNEL,
    initrds=(
        InitrdFile("tftp://10.77.0.1/i1", 11, "1" * 64),
        InitrdFile("tftp://10.77.0.1/i2", 14, "2" * 64),
    ),
    ramdisk=Ramdisk("/run/d/ramdisk.2", 26, "3" * 64),
    modules=(),
    cmdline="BOOT_IMAGE=k x=1",
    requests=(Request("tftp://10.77.0.1/k", "ok", 7, 0.25),),
    seconds=Seconds(1.0, 0.1, 0.2, 0.3, 0.4),
    warnings=(),
)
PLANNED = replace(
    BOOT,
    kernel=KernelFile("tftp://10.77.0.1/k"),
    ramdisk=Ramdisk(),
    initrds=(InitrdFile("tftp://10.77.0.1/i1"), InitrdFile("tftp://10.77.0.1/i2")),
)
MULTIBOOT = replace(
    BOOT,
    ramdisk=None,
    initrds=(),
    modules=(ModuleFile("u1", "/d/m,1", 3, "vmlinuz console=hvc0,1"), ModuleFile("u2", "/d/m2", 3, "initrd")),
)


def saying(cmdline: bytes) -> Artifacts:
    return replace(BOOT, cmdline=decode(cmdline))


def libxl(data: bytes) -> dict[str, bytes]:
    """What libxl reads: parse_bootloader_result() of libxl_bootloader.c, in Python."""
    found: dict[str, bytes] = {}
    for item in data.split(b"\0"):
        if not item or len(item) > 8191:
            continue
        for name in ("kernel", "ramdisk", "args"):
            rest = item[len(name) :]
            if item.startswith(name.encode()) and rest[:1].isspace():
                found[name] = rest.lstrip(b" \t\n\v\f\r")
                break
        else:
            raise AssertionError(f"unexpected output from bootloader: {item!r}")
    return found


def test_simple0_to_the_byte() -> None:
    assert xen.render(BOOT, "simple0", None) == (
        b"kernel /run/d/kernel.1\0ramdisk /run/d/ramdisk.2\0args BOOT_IMAGE=k x=1\0\0"
    )
    assert xen.render(replace(BOOT, ramdisk=None), "simple0", "pvh") == (
        b"kernel /run/d/kernel.1\0args BOOT_IMAGE=k x=1\0\0"
    )
    assert (
        xen.render(replace(BOOT, ramdisk=None, cmdline=""), "simple0", "pv") == b"kernel /run/d/kernel.1\0\0"
    )


def test_simple_and_sxp_to_the_byte() -> None:
    assert xen.render(BOOT, "simple", None) == (
        b"kernel /run/d/kernel.1\nramdisk /run/d/ramdisk.2\nargs BOOT_IMAGE=k x=1\n\n"
    )
    assert xen.render(BOOT, "sxp", None) == (
        b"linux (kernel '/run/d/kernel.1')(ramdisk '/run/d/ramdisk.2')(args 'BOOT_IMAGE=k x=1')"
    )
    assert (
        xen.render(replace(BOOT, ramdisk=None, cmdline=""), "sxp", None)
        == b"linux (kernel '/run/d/kernel.1')"
    )


def test_without_a_download_urls_stand_for_files() -> None:
    assert xen.render(PLANNED, "simple0", None) == (
        b"kernel <kernel:tftp://10.77.0.1/k>\0"
        b"ramdisk <ramdisk:tftp://10.77.0.1/i1,tftp://10.77.0.1/i2>\0args BOOT_IMAGE=k x=1\0\0"
    )


CMDLINES = [
    b"BOOT_IMAGE=k root=UUID=x=y ro",
    b"console=tty0 console=ttyS0 console=tty0",
    b"a  b   c ",
    b"q='single' d=\"double\" \\ back",
    b"x=<&> y=(z) w=a,b,,c #hash %25 $HOME `id` ;",
    b"\xc3\xbc caf\xe9 \xff",
    b"tab\there",
    b"\x1b[2J",
    b"args kernel /etc/passwd",
    b"x" * 8186,
]


@pytest.mark.parametrize("cmdline", CMDLINES, ids=lambda cmdline: repr(cmdline)[:30])
def test_35_command_lines_byte_for_byte(cmdline: bytes) -> None:
    assert libxl(xen.render(saying(cmdline), "simple0", None))["args"] == cmdline
    assert xen.render(saying(cmdline), "simple", None).split(b"\n")[2] == b"args " + cmdline
    words = shlex.split(encode(decode(qemu.render(saying(cmdline), GUEST, None))).decode("latin-1"))
    assert words[words.index("-append") + 1].encode("latin-1") == cmdline
    assert encode(json.loads(json_report.render(saying(cmdline), GUEST))["cmdline"]) == cmdline


def test_35_line_feed() -> None:
    """An item of simple0 may hold one; a line of simple ends there."""
    assert libxl(xen.render(saying(b"a\nb"), "simple0", None))["args"] == b"a\nb"
    with pytest.raises(HandoverError, match="line feed"):
        xen.render(saying(b"a\nb"), "simple", None)
    assert xen.render(saying(b"a\nb"), "sxp", None).endswith(rb"(args 'a\nb')")
    assert shlex.split(qemu.render(saying(b"a\nb"), GUEST, None).decode())[-1] == "a\nb"


@pytest.mark.parametrize("form", ["simple0", "simple", "sxp", "qemu"])
def test_35_nul(form: str) -> None:
    with pytest.raises(HandoverError, match="NUL"):
        if form == "qemu":
            qemu.render(saying(b"a\0b"), GUEST, None)
        else:
            xen.render(saying(b"a\0b"), form, None)


@pytest.mark.parametrize("blank", [b" ", b"\t", b"\n", b"\v", b"\f", b"\r"])
def test_35_leading_blank_would_be_lost(blank: bytes) -> None:
    with pytest.raises(HandoverError):
        xen.render(saying(blank + b"a"), "simple0", None)


def test_35_item_of_8191_bytes_and_of_one_more() -> None:
    whole = xen.render(saying(b"x" * (8191 - 5)), "simple0", "pvh")
    assert len(libxl(whole)["args"]) == 8186
    for form in ("simple0", "simple"):
        with pytest.raises(HandoverError, match="8192") as caught:
            xen.render(saying(b"x" * 8187), form, "pvh")
        assert caught.value.hint and "APPEND" in caught.value.hint
    with pytest.raises(HandoverError):
        xen.render(saying("ü".encode() * 4094), "simple0", "pvh")


def test_35_path_that_is_too_long() -> None:
    long = replace(BOOT, kernel=replace(KERNEL, path="/" + "d" * 8190))
    with pytest.raises(HandoverError) as caught:
        xen.render(long, "simple0", None)
    assert caught.value.hint and "--output-directory" in caught.value.hint


def test_pv_guests_take_1023_bytes() -> None:
    for form in ("simple0", "simple", "sxp"):
        assert xen.render(saying(b"x" * 1023), form, "pv")
        with pytest.raises(HandoverError, match="1024"):
            xen.render(saying(b"x" * 1024), form, "pv")
        assert xen.render(saying(b"x" * 1024), form, "pvh")
        assert xen.render(saying(b"x" * 1024), form, None)


@pytest.mark.parametrize("form", ["simple0", "simple", "sxp"])
def test_what_xen_cannot_boot(form: str) -> None:
    for wrong in (replace(BOOT, kernel=None), MULTIBOOT):
        with pytest.raises(HandoverError):
            xen.render(wrong, form, None)


@given(st.binary(max_size=60), st.sampled_from(["simple0", "simple", "sxp"]))
@settings(max_examples=300)
def test_any_command_line_is_read_back_or_refused(cmdline: bytes, form: str) -> None:
    try:
        data = xen.render(saying(cmdline), form, None)
    except HandoverError:
        assert b"\0" in cmdline or b"\n" in cmdline or cmdline[:1].isspace()
        return
    if form == "simple0":
        assert libxl(data).get("args", b"") == cmdline
    elif form == "sxp":
        text = decode(cmdline)
        assert data.endswith(encode(f"(args {text!r})") if text else b"2')")


def words(artifacts: Artifacts, guest: Guest = GUEST, disk: Optional[str] = None) -> list[str]:
    return shlex.split(qemu.render(artifacts, guest, disk).decode())


def after(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_qemu() -> None:
    argv = words(BOOT)
    assert argv[0] == "qemu-system-x86_64"
    assert (after(argv, "-kernel"), after(argv, "-initrd")) == ("/run/d/kernel.1", "/run/d/ramdisk.2")
    assert after(argv, "-append") == "BOOT_IMAGE=k x=1"
    assert after(argv, "-uuid") == GUEST.uuid
    assert "mac=52:54:00:ab:cd:ef" in after(argv, "-device") and "br=br0" in after(argv, "-netdev")
    assert not any("," in word and word.startswith("/") for word in argv)
    plain = words(replace(BOOT, ramdisk=None, cmdline=""), replace(GUEST, uuid=None, bridge=None))
    assert not {"-initrd", "-append", "-uuid"} & set(plain) and after(plain, "-netdev").startswith("user")


def test_qemu_disk_with_a_comma() -> None:
    argv = words(BOOT, disk="/disks/a,b 'c'.img")
    assert after(argv, "-drive").startswith("file=/disks/a,,b 'c'.img,")
    local = replace(BOOT, action=Action.LOCALBOOT, kernel=None, ramdisk=None, initrds=(), cmdline="")
    assert "-kernel" not in words(local, disk="/d") and "-drive" in words(local, disk="/d")


def test_qemu_files_with_commas_and_blanks() -> None:
    odd = replace(BOOT, kernel=replace(KERNEL, path="/a,b c/$(id)/kernel"), ramdisk=Ramdisk("/a,b/r", 1, "1"))
    argv = words(odd)
    assert after(argv, "-kernel") == "/a,b c/$(id)/kernel" and after(argv, "-initrd") == "/a,b/r"


def test_qemu_line_is_safe_in_a_shell() -> None:
    hostile = saying(b"a; touch owned `id` $(id) 'x' \"y\" \\ * ~ # !")
    line = qemu.render(hostile, GUEST, None)
    done = subprocess.run(
        ["sh", "-c", b"set -- " + line.rstrip() + b'; printf "%s\\n" "$@"'], capture_output=True
    )
    assert done.stdout.splitlines() == [word.encode() for word in shlex.split(line.decode())]
    assert not done.stderr


def test_qemu_modules() -> None:
    assert after(words(MULTIBOOT), "-initrd") == "/d/m,,1 console=hvc0,,1,/d/m2"
    with pytest.raises(HandoverError):
        qemu.render(replace(MULTIBOOT, modules=(ModuleFile("u", "/d/m", 3, "m a\0b"),)), GUEST, None)


def test_qemu_device_tree() -> None:
    argv = words(replace(BOOT, dtb=DeviceTree("u", "/d/t", 1, "0")), replace(GUEST, arch="arm64"))
    assert after(argv, "-dtb") == "/d/t"
    assert "-dtb" not in words(replace(BOOT, dtb=DeviceTree("u")))


def test_qemu_without_a_download_or_a_machine() -> None:
    with pytest.raises(HandoverError):
        qemu.render(PLANNED, GUEST, None)
    with pytest.raises(HandoverError):
        qemu.render(BOOT, replace(GUEST, arch="vax"), None)
    for arch, program in (("i386", "qemu-system-i386"), ("arm64", "qemu-system-aarch64")):
        assert words(BOOT, replace(GUEST, arch=arch))[0] == program


KEYS: dict[str, list[str]] = {
    "": (
        "schema action guest lease loader config label reason kernel initrds ramdisk modules dtb cmdline "
        "requests seconds warnings"
    ).split(),
    "guest": "mac uuid arch".split(),
    "lease": "address netmask gateway dns domain server_id next_server bootfile seconds".split(),
    "kernel": "url path size sha256 format boots".split(),
    "initrds": "url size sha256".split(),
    "ramdisk": "path size sha256".split(),
    "modules": "url path size cmdline sha256".split(),
    "dtb": "url path size sha256".split(),
    "requests": "url result bytes seconds".split(),
    "seconds": "total link dhcp config download".split(),
}


def test_json_keys_at_every_level() -> None:
    everything = replace(BOOT, modules=MULTIBOOT.modules, dtb=DeviceTree("u", "/d/t", 1, "0"))
    whole = json.loads(json_report.render(everything, GUEST))
    assert whole["schema"] == 1
    for name, keys in KEYS.items():
        value: Any = whole[name] if name else whole
        for item in value if isinstance(value, list) else [value]:
            assert list(item) == keys, name
    assert "dtb" not in json.loads(json_report.render(BOOT, GUEST)), "where there is none"


def test_json_values() -> None:
    whole = json.loads(json_report.render(BOOT, GUEST))
    assert whole["guest"] == {"mac": GUEST.mac, "uuid": GUEST.uuid, "arch": "x86_64"}
    assert (whole["action"], whole["reason"], whole["label"]) == ("boot", "default", "a")
    assert whole["kernel"] == {
        "url": KERNEL.url,
        "path": KERNEL.path,
        "size": 7,
        "sha256": "0" * 64,
        "format": "bzImage",
        "boots": ["qemu"],
    }
    assert whole["lease"]["dns"] == [] and whole["lease"]["seconds"] == 3600
    assert json.loads(json_report.render(replace(BOOT, lease=None), GUEST))["lease"] is None
    planned = json.loads(json_report.render(PLANNED, GUEST))
    assert planned["ramdisk"] == {"path": None, "size": None, "sha256": None}
    assert planned["kernel"]["path"] is planned["kernel"]["size"] is planned["kernel"]["sha256"] is None


def test_json_is_one_document_of_ascii() -> None:
    data = json_report.render(saying(b"\x1b[2J\xff\xc3\xbc\0"), GUEST)
    assert data.endswith(b"}\n") and all(byte == 10 or 32 <= byte < 127 for byte in data)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (FetchError("gone", hint="look"), 6, "FetchError"),
        (NotFound("gone"), 6, "FetchError"),
        (ServerError("gone"), 6, "FetchError"),
        (Refused("no"), 7, "Refused"),
        (PxeBootError("other"), 1, "PxeBootError"),
    ],
)
def test_json_of_a_failure(error: PxeBootError, code: int, kind: str) -> None:
    whole = json.loads(json_report.render_failure(error, BOOT.requests))
    assert list(whole) == ["schema", "error", "requests"] and whole["schema"] == 1
    assert whole["error"] == {"code": code, "kind": kind, "message": error.message, "hint": error.hint}
    assert [list(request) for request in whole["requests"]] == [KEYS["requests"]]


def entry(
    label: str, title: str = "", *, default: bool = False, kernel: Optional[str] = "tftp://s/k"
) -> ListedEntry:
    action = Action.LOCALBOOT if kernel is None else Action.BOOT
    return ListedEntry(label, title, action, kernel, ("tftp://s/i",) if kernel else (), "a=b", default)


def test_table_of_entries() -> None:
    text = json_report.table(
        [entry("a", "Alpha", default=True), entry("b\x1b[2J", "B\n\u202eevil"), entry("disk", kernel=None)]
    )
    lines = text.splitlines()
    assert len(lines) == 4 and all(line.isprintable() for line in lines)
    assert (
        lines[1].startswith("* 1") and re.search(r"\ba +Alpha +tftp:", lines[1]) and "tftp://s/k" in lines[1]
    )
    assert "localboot" in lines[3] and not lines[2].startswith("*")
    assert json_report.table([])


def test_table_cut_to_a_terminal() -> None:
    long = replace(entry("a", "A title that is quite long"), menu=("More", "Even more"), cmdline="x" * 300)
    whole = json_report.table([long, entry("b", "b")])
    assert "More > Even more > A title that is quite long" in whole and "x" * 300 in whole
    for width in (1, 3, 20, 80, 1000):
        lines = json_report.table([long, entry("b", "b")], width).splitlines()
        assert len(lines) == 3 and all(len(line) <= width for line in lines)
    assert json_report.table([long], 80).splitlines()[1].endswith("...")


def test_table_of_what_is_no_kernel() -> None:
    multiboot = replace(
        entry("x"), initrds=(), modules=("tftp://s/vmlinuz root=x", "tftp://s/i"), dtb="tftp://s/t"
    )
    chained = replace(entry("c", kernel=None), action=Action.BOOT, meaning="menu more.cfg")
    text = json_report.table([multiboot, chained, replace(entry("off", kernel=None), action=Action.POWEROFF)])
    assert "tftp://s/k; module tftp://s/vmlinuz root=x; module tftp://s/i; dtb tftp://s/t; a=b" in text
    assert re.search("c +menu more.cfg", text) and re.search("off +poweroff", text) and "TITLE" not in text


def test_entries_as_json() -> None:
    whole = json.loads(json_report.render_entries(replace(BOOT, entries=(entry("a"),))))
    assert whole["schema"] == 1 and whole["config"] == BOOT.config
    keys = "label title action kernel initrds cmdline default modules dtb menu meaning"
    assert list(whole["entries"][0]) == keys.split()
