"""What iPXE scripts boot, command by command, and what becomes of scripts that are wrong."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace as changed
from ipaddress import IPv4Address

import oracle
import pytest
import replay
from hypothesis import given, settings
from hypothesis import strategies as st
from replay import Replay, script

from pypxeboot import ipxe, ipxemachine
from pypxeboot.effects import Configure, Redhcp, Vlan
from pypxeboot.errors import ConfigError, NoBootSource, NotFound, PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.menu import Action, Choice, Reason


def booted(*lines: str, **more: object) -> tuple[Choice, Replay]:
    return script("\n".join(["#!ipxe", *lines, ""]), **more)  # type: ignore[arg-type]


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
        user_append="from=us",
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
    assert b"initrd" not in played.kept.values()


def test_files_come_from_where_the_script_lies() -> None:
    files = {"http://h/a/s": "#!ipxe\nkernel ../k7 x\nboot\n", "http://h/k7": "@kernel"}
    choice, _ = booted("chain http://h/a/s", files=files)
    assert str(choice.entry.kernel) == "http://h/k7"
    assert str(choice.config) == "http://h/a/s"


def test_firmware_programs_fail_so_that_the_script_goes_on() -> None:
    files = {name: "@nbp" for name in ("memdisk", "wimboot", "undionly.kpxe", "x.efi")}
    for name in files:
        choice, played = booted(f"chain {name} || boot k fallback", files=files)
        assert choice.entry.cmdline == "fallback"
        assert any("no kernel" in line for line in played.log)


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
        "cpuid 200",
        "cpuid --ecx 1",
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
        "console --x 1024 --picture logo.png --keep",
        "colour --basic 1 2",
        "cpair --background 3 1",
        "shim nosuch.efi",
        "sanunhook --drive 0x80",
        "ping --count 1 known.example",
        "time echo x",
        "lspci",
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
        ("imgtrust && boot k", Action.LOCALBOOT),
    ],
)
def test_ends(line: str, action: Action) -> None:
    choice, _ = booted(line)
    assert (choice.entry.action, choice.reason) == (action, Reason.SCRIPT)


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
        replay.serving({}).drive(ipxe.boot(source, replay.GUEST, replay.LEASE))
    with pytest.raises(NoBootSource):
        script("#!ipxe")
    with pytest.raises(NoBootSource):
        script("")


# Bounds.


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([":a goto a"], "line 2"),
        ([":a", "sleep 0", "goto a"], "steps"),
        (["chain boot.ipxe"], "chain each other"),
        (["chain --replace --autofree boot.ipxe"], "steps"),
        (["set a x", *["set a ${a}${a}${a}"] * 40], "expands"),
        (["set b {a}", "set a $${b}", "set b", "set a ${a}", "echo ${a}"], ""),
        ([":a", "menu", "item x", "choose y && goto a"], "nobody"),
        ([":a", "read x || goto a"], "nobody"),
        ([":a", "set n x${n}", "set ${n} x", "goto a"], "stores"),
        (["set a " + "x" * 60_000, "set b " + " ${a}" * 2], "longer"),
        (["set a " + "x" * 60_000, ":a", "menu", "item ${a}", "goto a"], "stores"),
        ([":a", "inc n", "set big${n} " + "x" * 60_000, "goto a"], "stores"),
        ([":a", "echo " + "x" * 9_000, "goto a"], "prints"),
        ([":a", "item x", "goto a"], ""),
        (["menu", ":a", "item x", "goto a"], "menu"),
    ],
)
def test_what_never_ends_is_ended(lines: list[str], words: str) -> None:
    if not words:
        booted(*lines)
        return
    with pytest.raises(ConfigError) as caught:
        booted(*lines)
    assert words in caught.value.message
    assert "boot.ipxe" in caught.value.message


def test_too_many_images() -> None:
    choice, _ = booted(":a", "imgfetch i && goto a ||", "boot k")
    assert choice.entry.action is Action.LOCALBOOT, "no room for the kernel either"


def test_a_script_that_is_too_large() -> None:
    large = "#!ipxe\n" + "#" * ipxemachine.SCRIPT_LIMIT
    choice, _ = booted("chain s || boot k after", files={"s": large})
    assert choice.entry.cmdline == "after"


def test_nothing_raw_is_printed() -> None:
    _, played = booted("set e:hex 1b:5b:33:31:6d:07", "echo a${e:string}b\u202ec", "echo \x9b1m")
    assert played.printed.splitlines()[-2:] == ["a\\x07b\\u202ec", "\\x9b1m"]


WORDS = (
    *ipxe.COMMANDS,
    *("||", "&&", ";", "#", ":l", "goto", "l", "${x}", "${net0/mac}", "${${x}}", "--name", "--timeout", "5"),
    *("k", "i", "x", "1", "nosuch", "net0", "tftp://10.77.0.1/k", "##params", "-1", "--", "--help", "x:hex"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=12))
def test_any_words_end_well(lines: list[list[str]]) -> None:
    played = replay.serving({})
    played.leases = [replay.LEASE] * 3
    try:
        choice, _ = booted(*(" ".join(line) for line in lines), replay=played)
    except PxeBootError as error:
        assert error.message.isprintable()
    else:
        assert isinstance(choice, Choice)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_well(data: bytes) -> None:
    try:
        choice, _ = script(b"#!ipxe\n" + data)
    except PxeBootError as error:
        assert error.message.isprintable()
    else:
        assert isinstance(choice, Choice)


# Files.


def test_digests() -> None:
    _, played = booted("md5sum i", "sha256sum --set d i2", "echo ${d}")
    assert f"{hashlib.md5(b'initrd').hexdigest()}  i\n" in played.printed
    assert hashlib.sha256(b"initrd2").hexdigest() in played.printed


def test_signatures() -> None:
    files = {"i.sig": b"drtini", "i2.sig": b"wrong"}
    choice, played = booted(
        "imgtrust",
        "imgfetch i2",
        "imgverify i2 i2.sig && boot k2 ||",
        "kernel k",
        "imgverify k k.sig || boot k no",
        files=files,
    )
    assert choice.entry.action is Action.LOCALBOOT
    assert "Could not verify image" in played.printed
    choice, _ = booted(
        "imgverify --signer good i i.sig", "imgfree", "imgtrust", "imgtrust --allow", "boot k", files=files
    )
    assert choice.entry.action is Action.BOOT
    choice, played = booted("imgtrust --permanent", "imgtrust --allow || echo fixed", "boot k", files=files)
    assert choice.entry.action is Action.LOCALBOOT
    assert "fixed" in played.printed


def test_archives() -> None:
    packed = zlib.compress(b"plain", wbits=31)
    _, played = booted("imgextract a.cpio.gz", "imgstat", "boot k", files={"a.cpio.gz": packed})
    assert played.ramdisk == b"plain"
    assert "a.cpio : 5 bytes" in played.printed


def test_a_file_as_a_setting() -> None:
    _, played = booted("imgset x i", "echo [${x}]", "imgset x:hexraw --keep i2 ||", "imgstat")
    assert "[initrd]" in played.printed


def test_parameters() -> None:
    files = {"http://h/p": "#!ipxe\nexit\n"}
    _, played = booted(
        "params --name a --method put",
        "param --params a --header X-Token t",
        "param --params a key a value",
        "chain http://h/p##params=a",
        "chain http://h/p##params=a",
        files=files,
    )
    form = next(form for form in played.forms if form)
    assert (form.method, form.body) == ("PUT", b"key=a%20value")
    assert form.headers == (("X-Token", "t"), ("Content-Type", "application/x-www-form-urlencoded"))
    assert sum(form is not None for form in played.forms) == 1, "parameters are sent once"


# The network.


def test_an_address_that_the_script_sets() -> None:
    _, played = booted(
        "set net0/ip 10.9.9.9",
        "set net0/netmask 255.255.0.0",
        "set net0/gateway 10.9.0.1",
        "set dns 10.9.0.53",
        "ifopen net0",
        "boot k",
        "boot k",
    )
    (effect,) = played.network
    assert isinstance(effect, Configure)
    assert (str(effect.lease.address), effect.lease.prefix_length) == ("10.9.9.9", 16)
    assert effect.lease.routers == (IPv4Address("10.9.0.1"),)
    assert effect.lease.dns == (IPv4Address("10.9.0.53"),)


def test_the_address_is_left_alone_otherwise() -> None:
    _, played = booted("dhcp", "set x y", "boot k")
    assert played.network == []


def test_dhcp_as_somebody_else() -> None:
    played = replay.serving({})
    played.leases = [changed(replay.LEASE, address=IPv4Address("10.77.0.200"), bootfile="other")]
    booted("set user-class Me", "dhcp", "echo ${ip} ${filename}", "dhcp || echo again fails", replay=played)
    first = played.network[0]
    assert isinstance(first, Redhcp)
    assert first.options == ((77, b"Me"),)
    assert "10.77.0.200 other" in played.printed
    assert "again fails" in played.printed


def test_vlans() -> None:
    played = replay.serving({})
    played.leases = [changed(replay.LEASE, address=IPv4Address("10.5.0.2"))]
    booted(
        "vcreate --tag 10 net0",
        "dhcp net0-10",
        "echo [${net0-10/ip}] [${netX/ip}] [${net0-10/mac}]",
        "vdestroy net0-10",
        "ifopen net0-10 || echo gone",
        replay=played,
    )
    kinds = [type(effect) for effect in played.network]
    assert kinds == [Vlan, Redhcp, Vlan]
    assert "[10.5.0.2] [10.5.0.2] [52:54:00:ab:cd:ef]" in played.printed
    assert "gone" in played.printed


def test_names() -> None:
    played = replay.serving({})
    played.names["a.example"] = ("10.0.0.7", "10.0.0.8")
    booted("nslookup x a.example", "echo [${x}] [${x:hexraw}]", replay=played)
    assert "[10.0.0.7] [0a000007]" in played.printed


def test_autoboot() -> None:
    files = {"again.ipxe": "#!ipxe\nboot k auto\n"}
    choice, played = booted("set filename again.ipxe", "autoboot", files=files)
    assert choice.entry.cmdline == "auto"
    assert played.asked[1] == "tftp://10.77.0.1/again.ipxe"


# Another loader.


def test_pxelinux_with_the_settings_of_the_script() -> None:
    files = {
        "pxelinux.0": "@nbp",
        "http://h/x/cfg": "DEFAULT a\nLABEL a\nKERNEL k7\n",
        "http://h/x/k7": "@kernel",
    }
    choice, _ = booted(
        "set 209:string cfg", "set 210:string http://h/x/", "chain pxelinux.0", files=files, user_append="us"
    )
    assert str(choice.entry.kernel) == "http://h/x/k7"
    assert choice.entry.cmdline.endswith("us")


def test_pxelinux_looks_beside_the_filename() -> None:
    files = {
        "pxelinux.0": "@nbp",
        "http://h/y/pxelinux.cfg/default": "DEFAULT k7\n",
        "http://h/y/k7": "@kernel",
    }
    choice, _ = booted("set filename http://h/y/pxelinux.0", "chain pxelinux.0", files=files)
    assert str(choice.entry.kernel) == "http://h/y/k7"


def test_a_menu_of_syslinux() -> None:
    files = {"vesamenu.c32": "@nbp", "my.cfg": "DEFAULT a\nLABEL a\nKERNEL k2\n"}
    choice, _ = booted("kernel vesamenu.c32 my.cfg", "boot", files=files)
    assert str(choice.entry.kernel) == "tftp://10.77.0.1/k2"


def test_a_script_where_a_kernel_was_expected() -> None:
    """What PXELINUX's entries may name: run as a script of its own."""
    played = replay.serving({"k": "@kernel"})
    kept = played.keep(b"#!ipxe\nboot k\n", replay.Location("tftp", "10.77.0.1", "s"))
    location = replay.Location("tftp", "10.77.0.1", "s")
    image = ipxe.image_of(location, kept)
    choice = played.drive(ipxe.run_script(image, replay.GUEST, replay.LEASE))
    assert str(choice.entry.kernel) == "tftp://10.77.0.1/k"


def test_arm_guests() -> None:
    guest = Guest(mac="52:54:00:ab:cd:ef", arch="arm64")
    _, played = booted("echo ${buildarch}", "cpuid --ext 29 || echo no cpuid", guest=guest)
    assert played.printed.split("\n")[:2] == ["arm64", "no cpuid"]
