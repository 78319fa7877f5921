"""What iPXE scripts boot, command by command, and what becomes of scripts that are wrong."""

from __future__ import annotations

from typing import NoReturn, Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.entry import Action, Reason
from pypxeboot.errors import ConfigError, NoBootSource, NotFound
from pypxeboot.guest import Guest
from pypxeboot.ipxe import boot
from pypxeboot.ipxe.engine.settings import Settings
from pypxeboot.ipxe.engine.uri import Uri
from tests.support.recorded import boots as oracle
from tests.support.recorded import replay
from tests.support.recorded.replay import Replay, script
from tests.support.samples.ipxe import booted


def kernel(played: Replay) -> object:
    return oracle.tag_of(played.kernel or b"")


# Kernels and initrds.


def test_arguments_and_names() -> None:
    choice, played = booted(
        "kernel --name first k a=1",
        "imgargs first b=2",
        "kernel k2 ignored",
        "kernel first",
        "imgfree k2",
        "initrd i",
        "boot",
        append="from=us",
    )
    assert (kernel(played), choice.entry.cmdline, played.ramdisk) == ("k", "b=2 from=us", b"initrd")
    assert choice.reason is Reason.SCRIPT
    assert str(choice.config) == "tftp://10.77.0.1/boot.ipxe"


def test_boot_and_chain_take_kernels_too() -> None:
    for word in ("boot", "chain", "imgexec"):
        choice, played = booted(f"{word} k x=1")
        assert (kernel(played), choice.entry.cmdline) == ("k", "x=1")


def test_old_words() -> None:
    choice, played = script("#!gpxe\nimgfetch -n me k\nimgload me\nmodule i\nimgexec me a b\n")
    assert (kernel(played), choice.entry.cmdline, played.ramdisk) == ("k", "a b", b"initrd")


def test_a_file_put_into_the_ramdisk() -> None:
    _, played = booted("initrd i /etc/a/b mode=755 mkdir=-1", "boot k")
    names = [b"/etc", b"/etc/a", b"/etc/a/b"]
    modes = [b"000041ed", b"000041ed", b"000081ed"]
    data = played.ramdisk
    for name, mode in zip(names, modes):
        assert data.startswith(b"070701" + b"00000000" + mode)
        size = 110 + len(name) + 1
        assert data[110 : 110 + len(name)] == name
        data = data[size + -size % 4 :]
    assert data == b"initrd"


def test_only_the_nearest_directory_is_made() -> None:
    _, played = booted("initrd i /etc/a/b mkdir=1", "boot k")
    assert played.ramdisk[110:117] == b"/etc/a\0"


def test_a_script_in_the_ramdisk_is_told() -> None:
    _, played = booted("chain s", "boot k", files={"s": "#!ipxe\necho hello\n"})
    assert played.ramdisk == b"#!ipxe\necho hello\n"
    assert any("--autofree" in line for line in played.log)


def test_freed_images_are_let_go() -> None:
    _, played = booted("imgfetch i", "imgfetch i2", "imgfree i", "boot k")
    assert played.ramdisk == b"initrd2"
    assert b"initrd" not in played.files.values()


def test_files_come_from_where_the_script_lies() -> None:
    files = {"http://h/a/s": "#!ipxe\nkernel ../k7 x\nboot\n", "http://h/k7": "@kernel"}
    choice, _ = booted("chain http://h/a/s", files=files)
    assert str(choice.entry.kernel) == "http://h/k7"
    assert str(choice.config) == "http://h/a/s"


def like_a_kernel(word: bytes) -> bytes:
    """A kernel's header with ``word`` in it."""
    return oracle.kernel("x")[:0x180] + word + oracle.kernel("x")[0x180 + len(word) :]


@pytest.mark.parametrize("word", ["chain", "kernel", "boot", "chain --replace", "imgexec"])
@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "memdisk",
            like_a_kernel(b"MEMDISK"),
            "memdisk, which needs",
        ),
        (
            "wimboot",
            like_a_kernel(b"wimboot"),
            "wimboot, which needs",
        ),
        ("undionly.kpxe", b"\xea\x05\x00\xc0\x07" + bytes(600), "which needs firmware"),
        ("snponly.efi", b"MZ" + bytes(600), "an EFI program, which needs firmware"),
        ("x.iso", bytes(600), "nothing but zeros"),
    ],
)
def test_firmware_programs_fail_so_that_the_script_goes_on(
    word: str, name: str, content: bytes, why: str
) -> None:
    choice, played = booted(f"{word} {name} || boot k fallback", files={name: content})
    assert choice.entry.cmdline == "fallback"
    choice, played = booted(f"{word} {name}", files={name: content})
    assert choice.entry.action is Action.LOCALBOOT
    assert why in played.log[-1]


@pytest.mark.parametrize(
    "line",
    [
        "sanboot http://h/x.iso",
        "sanhook iscsi:10.0.0.1::::iqn",
        "imgdecrypt k i",
        "imgmem 0 10",
        "certstore",
        "config",
        "dhcp net1",
        "dhcp -c ipv6",
        "chain nosuch",
        "chain nfs://h/x",
        "chain http://h\u00e4/x",
        "goto nowhere",
        "cpuid 30",
        "cpuid --ecx 1",
        "lspci",
        "fdt k",
        "console --picture nosuch.png",
        "console --picture k",
        "console --x 5000 --y 5000",
        "console --x 1024 --y 768 --depth 33",
        "initrd http://10.77.0.1:/x",
        "initrd data:text/plain",
        "initrd data:;base64,!",
        "param x y",
        "imgextract i",
        "imgfree nosuch",
        "inc net7/x",
        "set x:nosuch 1",
        "item",
        "present",
        "prompt --key 0x02 --timeout 5000 Press",
        "ping --count 1 10.0.0.1",
        "nslookup x nosuch.example",
        "vcreate --tag 5000 net0",
        "vdestroy net0",
        "vdestroy net0-5",
        "vcreate --tag 5 net1",
        "ifstat net1",
        "ifopen net0-5",
        "shell",
        "login",
        "read x",
        "set a.b.c.d.e.f.g.h.i/x 1",
        "show uuid:busdevfn",
        "set smbios/serial 1",
        "set x:uuid 1",
        "imgset x nosuch",
        "md5sum nosuch",
        "imgextract nosuch",
        "imgverify i nosuch",
        "set dhcp/filename x && clear filename && set filename && set net0.dhcp/filename && autoboot",
    ],
)
def test_what_fails_and_lets_the_script_go_on(line: str) -> None:
    choice, _ = booted(f"{line} && boot k2 || boot k after")
    assert choice.entry.cmdline == "after"


@pytest.mark.parametrize(
    "line",
    [
        "cpuid --ext 29",
        "cpuid 6",
        "imgtrust --allow",
        "ifopen net0",
        "ifclose",
        "ifstat",
        "iflinkwait --timeout 10 net0",
        "route",
        "dhcp",
        "ifconf -c dhcp net0",
        "sync",
        "ntp pool.ntp.org",
        "console --x 1024 --y 768",
        "console --x 3840 --y 2160",
        "console --depth 64",
        "help",
        "colour --basic 1 2",
        "cpair --background 3 1",
        "shim nosuch.efi",
        "sanunhook --drive 0x80",
        "ping --count 1 known.example",
        "time echo x",
        "set username a && set password b && login",
        "set x y && read x",
        "imgargs i x && imgargs i && imgargs i",
        "kernel k && imgfree k && imgfree",
        "iseq ${cwduri} tftp://10.77.0.1/",
        "",
        "echo a --no-such-option",
    ],
)
def test_what_succeeds(line: str) -> None:
    played = replay.serving({})
    played.names["known.example"] = ("10.0.0.7",)
    choice, _ = booted(f"{line} && boot k good || boot k2 bad", replay=played)
    assert choice.entry.cmdline == "good"


# The ends of a script.


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("exit", Action.LOCALBOOT),
        ("exit 0 || boot k", Action.LOCALBOOT),
        ("sanboot", Action.LOCALBOOT),
        ("sanboot --no-describe --drive 0x80", Action.LOCALBOOT),
        ("reboot", Action.REBOOT),
        ("reboot --warm", Action.REBOOT),
        ("poweroff", Action.POWEROFF),
    ],
)
def test_ends(line: str, action: Action) -> None:
    choice, _ = booted(line)
    assert (choice.entry.action, choice.reason) == (action, Reason.SCRIPT)


def test_a_script_that_fails_leaves_the_disk() -> None:
    choice, _ = booted("imgtrust && boot k")
    assert (choice.entry.action, choice.reason) == (Action.LOCALBOOT, Reason.SCRIPT_FAILED)


def test_exit_ends_the_innermost_script() -> None:
    choice, _ = booted(
        "chain s || boot k status=${errno}", files={"s": "#!ipxe\nexit 7 ; boot k2\nboot k2\n"}
    )
    assert choice.entry.cmdline == "status=0x7"


def test_a_script_replaces_the_one_that_chains_it() -> None:
    files = {"s": "#!ipxe\necho in s ${cwuri}\nexit 3\n"}
    choice, played = booted("chain --replace --autofree s || boot k", "boot k2", files=files)
    assert choice.entry.action is Action.LOCALBOOT
    assert "in s tftp://10.77.0.1/s" in played.printed


def test_why_a_script_failed_is_told_with_its_line() -> None:
    _, played = booted("echo hello", "chain s", files={"s": "#!ipxe\n\nkernel nosuch\n"})
    told = played.log[-1]
    assert "tftp://10.77.0.1/s, line 3" in told
    assert "nosuch" in told


def test_a_script_that_is_not_there_and_one_that_is_none() -> None:
    source = replay.BootSource(
        replay.Kind.IPXE, None, "", bootfile=replay.Location("tftp", "10.77.0.1", "nosuch")
    )
    with pytest.raises(NotFound):
        replay.serving({}).drive(boot.boot(BootRequest(source, replay.GUEST, replay.LEASE)))
    with pytest.raises(NoBootSource):
        script("#!ipxe")
    with pytest.raises(NoBootSource):
        script("")


# Another loader.


def test_pxelinux_with_the_settings_of_the_script() -> None:
    files = {
        "pxelinux.0": "@nbp",
        "http://h/x/cfg": "DEFAULT a\nLABEL a\nKERNEL k7\n",
        "http://h/x/k7": "@kernel",
    }
    choice, _ = booted(
        "set 209:string cfg", "set 210:string http://h/x/", "chain pxelinux.0", files=files, append="us"
    )
    assert str(choice.entry.kernel) == "http://h/x/k7"
    assert choice.entry.cmdline.endswith("us")


def test_pxelinux_looks_beside_the_filename() -> None:
    files = {
        "pxelinux.0": "@nbp",
        "http://h/y/pxelinux.cfg/default": "DEFAULT k7\n",
        "http://h/y/k7": "@kernel",
    }
    choice, _ = booted("set net0/filename http://h/y/pxelinux.0", "chain pxelinux.0", files=files)
    assert str(choice.entry.kernel) == "http://h/y/k7"


def test_a_menu_of_syslinux() -> None:
    files = {"vesamenu.c32": "@nbp", "my.cfg": "DEFAULT a\nLABEL a\nKERNEL k2\n"}
    choice, _ = booted("kernel vesamenu.c32 my.cfg", "boot", files=files)
    assert str(choice.entry.kernel) == "tftp://10.77.0.1/k2"


@pytest.mark.parametrize("setting", ["next-server", "net0/next-server", "net0.dhcp/next-server"])
def test_names_are_relative_to_the_script_whatever_the_tftp_server(setting: str) -> None:
    """Until 1.21.1 they followed next-server."""
    choice, played = booted(f"set {setting} 10.9.9.9", "set x y", "boot k ${cwuri} ${next-server}")
    assert str(choice.entry.kernel) == "tftp://10.77.0.1/k"
    assert choice.entry.cmdline == "tftp://10.77.0.1/boot.ipxe 10.9.9.9"


def test_redirects_move_the_script() -> None:
    played = replay.serving({})
    played.redirects["http://h/s"] = replay.Location("http", "h", "deep/er/s")
    files = {"http://h/deep/er/s": "#!ipxe\necho ${cwuri}\nboot k7\n", "http://h/deep/er/k7": "@kernel"}
    choice, _ = booted("chain http://h/s", files=files, replay=played)
    assert str(choice.entry.kernel) == "http://h/deep/er/k7"
    assert "http://h/deep/er/s\n" in played.printed


def test_an_item_that_no_menu_has() -> None:
    for last in ("exit", "boot k"):
        with pytest.raises(ConfigError, match="nosuch"):
            booted("menu", "item a A", "choose --timeout 1 x", last, label="nosuch")


def listed(*lines: str, files: Optional[dict[str, str]] = None) -> tuple[list[tuple[str, str]], object]:
    played = replay.serving({**(files or {}), "k": "@kernel", "boot.ipxe": "\n".join(["#!ipxe", *lines, ""])})
    source = replay.BootSource(
        replay.Kind.IPXE, None, "", bootfile=replay.Location("tftp", "10.77.0.1", "boot.ipxe")
    )
    _, menu = played.drive(boot.entries(BootRequest(source, replay.GUEST, replay.LEASE)))
    return [(entry.label or entry.action.value, entry.title) for entry in menu.entries], menu.default


def test_what_there_is_to_choose_from() -> None:
    lines = ("menu T", "item --gap G", "item a First", "item b Second", "choose --default b x", "boot k")
    assert listed(*lines) == ([("a", "First"), ("b", "Second")], "b")
    assert listed("boot k") == ([("boot", "")], None)
    assert listed("exit") == ([("localboot", "")], None)
    config = "DEFAULT b\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k\n"
    files = {"pxelinux.0": "@nbp", "pxelinux.cfg/default": config}
    assert listed("chain pxelinux.0", files=files) == ([("a", "a"), ("b", "b")], "b")


def test_arm_guests() -> None:
    guest = Guest(mac="52:54:00:ab:cd:ef", arch="arm64")
    _, played = booted("echo ${buildarch} ${platform}", "cpuid --ext 29 || echo no cpuid", guest=guest)
    assert played.printed.split("\n")[:2] == ["arm64 efi", "no cpuid"]


def test_a_user_of_bytes_in_a_url() -> None:
    lines = b"#!ipxe\nkernel http://u\x80:p\xff@h/x || kernel k\nboot\n"
    choice, _ = script(lines)
    assert choice.entry.action is Action.BOOT and str(choice.entry.kernel).endswith("/k")
    choice, _ = script(lines, files={"http://u%80@h/x": "@kernel"})
    assert str(choice.entry.kernel) == "http://u%80@h/x"


def test_what_nobody_foresaw_is_the_failure_of_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> NoReturn:
        raise OverflowError("too large")

    monkeypatch.setattr(Uri, "parse", stumble)
    choice, played = script("#!ipxe\nkernel k || goto other\nboot\n:other\nexit 0\n")
    assert choice.entry.action is Action.LOCALBOOT
    assert any("internal error: OverflowError: too large" in line for line in played.log)


def test_what_nobody_foresaw_in_a_line_ends_its_script_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    show = Settings.show

    def stumble(self: Settings, name: str) -> Optional[str]:
        if name == "odd":
            raise UnicodeError("odd")
        return show(self, name)

    monkeypatch.setattr(Settings, "show", stumble)
    inner = "#!ipxe\necho ${odd}\nkernel k2\nboot\n"
    outer = "#!ipxe\nchain inner ||\ngoto on\nkernel k2\n:on\nkernel k on=1\nboot\n"
    choice, played = script(outer, files={"inner": inner})
    assert choice.entry.cmdline == "on=1" and kernel(played) == kernel(script("#!ipxe\nkernel k\nboot\n")[1])
    assert any("internal error: UnicodeError: odd" in line for line in played.log)
    assert script(inner)[0].entry.action is Action.LOCALBOOT
