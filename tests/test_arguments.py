"""The command line: its forms, and what is said of wrong ones."""

from __future__ import annotations

import os
import subprocess
import sys
from ipaddress import IPv4Address
from typing import Any

import pytest
from ground import tools

from pypxeboot import __version__
from pypxeboot.client.pipeline import Plan
from pypxeboot.config.options import parse, parser
from pypxeboot.config.planner import plan_of
from pypxeboot.errors import UsageError

MAC = "00:16:3e:01:02:03"


def plan(*argv: str) -> Plan:
    return plan_of(parse(argv))


def run(*argv: str, **changed: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pypxeboot", *argv],
        **{"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL, **changed},
        env={**os.environ, "PYTHONPATH": str(tools.ROOT)},
    )


def test_options_and_positionals_in_any_order() -> None:
    words = [["--label", "a"], ["--timeout=7"], [f"mac={MAC},bridge=br1"], ["-v"], ["/dev/vg/disk"]]
    for shift in range(len(words)):
        argv = [word for group in words[shift:] + words[:shift] for word in group]
        args = parse(argv)
        assert (args.label, args.timeout, args.verbose, args.disk) == ("a", 7, 1, "/dev/vg/disk")
        assert (plan_of(args).guest.mac, plan_of(args).guest.bridge) == (MAC, "br1")


@pytest.mark.parametrize(
    ("text", "bridge", "vlan"),
    [
        (f"mac={MAC}", None, None),
        (f"mac={MAC},", None, None),
        (f"mac={MAC},bridge=xenbr0,", "xenbr0", None),
        (f"mac={MAC}, bridge=xenbr0 , vlan=20", "xenbr0", 20),
        (f"bridge=xenbr0,mac={MAC}", "xenbr0", None),
        (f"MAC={MAC.upper()},Bridge=xenbr0", "xenbr0", None),
        (f"ip=10.0.0.5,script=vif-bridge,model=e1000,mac={MAC},bridge=br-lan,rate=10Mb/s", "br-lan", None),
    ],
)
def test_vif_strings(text: str, bridge: Any, vlan: Any) -> None:
    guest = plan(text).guest
    assert (guest.mac, guest.bridge, guest.vlan) == (MAC, bridge, vlan)
    assert parse([text, "disk.img"]).disk == "disk.img"


def test_a_vif_in_several_words() -> None:
    args = parse([f"mac={MAC}", "bridge=br1", "vlan=7", "disk.img"])
    assert args.vif == {"mac": MAC, "bridge": "br1", "vlan": "7"} and args.disk == "disk.img"


def test_option_comes_before_the_vif_string() -> None:
    guest = plan(
        "--mac", "00:16:3e:00:00:09", "--bridge", "br9", f"mac={MAC},bridge=br1,vlan=3", "--vlan=4"
    ).guest
    assert (guest.mac, guest.bridge, guest.vlan) == ("00:16:3e:00:00:09", "br9", 4)


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("00:16:3E:01:02:03", MAC),
        ("00-16-3e-01-02-03", MAC),
        ("0016.3e01.0203", MAC),
        ("00163e010203", MAC),
        ("0:16:3e:1:2:3", MAC),
        (" 00:16:3e:01:02:03 ", MAC),
        ("02:00:00:00:00:00", "02:00:00:00:00:00"),
    ],
)
def test_mac_notations(text: str, mac: str) -> None:
    assert plan("--mac", text).guest.mac == mac


BAD_MACS = ["", "00:16:3e:01:02", "00:16:3e:01:02:03:04", "01:16:3e:01:02:03", "ff:ff:ff:ff:ff:ff"]
BAD_MACS += [
    "00:00:00:00:00:00",
    "00:16:3e:01:02:0g",
    "00:16:3e:01:02:003",
    "٠٠163e010203",
    "00 16 3e 01 02 03",
]
BAD_MACS += ["00:16:3e:01:02:03\n00", "-", "::::::", "00163e01020"]


@pytest.mark.parametrize("text", BAD_MACS)
def test_bad_macs(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(f"--mac={text}", "--bridge", "br0")
    assert caught.value.message


def test_libvirt_gives_all_in_one_argument() -> None:
    whole = f"--interface=br0 mac={MAC},bridge=br1 --label='two words' -q"
    args = parse(["--output=/x", whole, "/disk.img"])
    assert (args.interface, args.label, args.quiet, args.disk) == ("br0", "two words", True, "/disk.img")
    assert args.vif == {"mac": MAC, "bridge": "br1"}
    args = parse([f"mac={MAC} --append=a", "/disk.img"])
    assert (args.vif["mac"], args.append) == (MAC, "a")
    with pytest.raises(UsageError):
        parse([f"mac={MAC} --label='open"])


@pytest.mark.parametrize(
    "text",
    [
        f"--label=install mac={MAC},bridge=br1 -q",
        f"--label=install -q --mac={MAC} --bridge br1",
        f"mac={MAC},bridge=br1 -q --label install",
        f"bridge=br1,mac={MAC} --label=install --quiet",
        f"\n    --quiet\n    mac={MAC},bridge=br1\n    --label install\n  ",
        f"\t--append=a\n --label 'install' --quiet mac={MAC},bridge=br1",
        f"--append 'a b' --label=install --quiet mac={MAC},bridge=br1",
    ],
)
def test_bootloader_args_of_libvirt(text: str) -> None:
    """libxlMakeDomBuildInfo() splits them at a separator that no string has; XML keeps every blank."""
    args = parse([*LIBXL_OUT, text, "/dev/vg/guest"])
    assert (args.label, args.quiet, args.disk) == ("install", True, "/dev/vg/guest")
    made = plan_of(args).guest
    assert (made.mac, made.bridge, made.hypervisor) == (MAC, "br1", "xen")


@pytest.mark.parametrize("text", [f"--label=my mac={MAC} entry", f"--append=quiet mac={MAC} ro"])
def test_free_text_with_a_mac_in_it(text: str) -> None:
    assert parse([text]).vif == {}
    assert parse([f"--append=quiet mac={MAC}", f"mac={MAC}"]).append == f"quiet mac={MAC}"
    assert parse([f"--args=quiet mac={MAC}", "--label=a"]).args == f"quiet mac={MAC}"


@pytest.mark.parametrize(
    "words", ["root=/dev/xvda ro --foo", "-x mac=1 --bridge=br7", "a 'b", "ro -- single", " -q"]
)
@pytest.mark.parametrize("name", ["--args", "--append"])
def test_words_for_the_kernel_are_never_split(name: str, words: str) -> None:
    given = plan(f"{name}={words}", f"mac={MAC}")
    assert given.append == words and given.guest.bridge is None and not given.interactive
    if not words.startswith(("-", " ")):
        assert plan(name, words, f"mac={MAC}").append == words


@pytest.mark.parametrize("name", ["label", "entry", "kernel", "ramdisk", "vendor-class", "user-class"])
def test_free_text_is_not_split(name: str) -> None:
    args = parse([f"--{name}=a b -q --quiet"])
    assert getattr(args, name.replace("entry", "label").replace("-", "_")) == "a b -q --quiet"
    assert not args.quiet


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output-directory", "/srv/my -old files"),
        ("bootfile", "win dows/-x"),
        ("pygrub-image", "/disks/a -b.img"),
    ],
)
def test_values_with_blanks_and_dashes_are_not_split(name: str, value: str) -> None:
    args = parse([f"--{name}={value}", f"mac={MAC}"])
    assert getattr(args, name.replace("-", "_")) == value


LIBXL = ["--kernel=/boot/vmlinuz", "--ramdisk=/boot/initrd.img", "--args=root=/dev/xvda1 ro --x"]
LIBXL_OUT = ["--output=/var/lib/xen/bootloader.7.out", "--output-format=simple0"]
LIBXL_OUT += ["--output-directory=/var/lib/xen/bootloader.7.d"]
LIBXL_END = [f"mac={MAC},bridge=xenbr1,", "/dev/vg/guest"]


@pytest.mark.parametrize("restricted", [False, True])
def test_libxl_argv(restricted: bool) -> None:
    own = ["--runas=65535", "--quiet"] if restricted else []
    args = parse([*LIBXL, *own, *LIBXL_OUT, *LIBXL_END])
    assert (args.kernel, args.ramdisk, args.args) == (
        "/boot/vmlinuz",
        "/boot/initrd.img",
        "root=/dev/xvda1 ro --x",
    )
    assert (args.output, args.output_format) == ("/var/lib/xen/bootloader.7.out", "simple0")
    assert (args.output_directory, args.disk) == ("/var/lib/xen/bootloader.7.d", "/dev/vg/guest")
    assert (args.quiet, args.runas) == ((True, "65535") if restricted else (False, None))
    made = plan_of(args)
    assert (made.guest.mac, made.guest.bridge, made.guest.hypervisor) == (MAC, "xenbr1", "xen")
    assert (made.append, made.limits.timeout, made.download) == ("root=/dev/xvda1 ro --x", 120, True)


def test_every_option_of_pygrub() -> None:
    argv = (
        "-q -n --entry=1 --kernel=k --ramdisk=r --args=a --output=- --output-format=sxp --output-directory=/"
    )
    args = parse(
        [*argv.split(), "--offset=512", "--runas=5", "--isconfig", "--debug", "-l", f"mac={MAC}", "disk"]
    )
    assert (args.label, args.offset, args.isconfig, args.debug, args.not_really) == (
        "1",
        "512",
        True,
        True,
        True,
    )
    for long in ("--quiet", "--interactive", "--list-entries", "--not-really"):
        assert getattr(parse([long]), long[2:].replace("-", "_")) is True


def test_hypervisor_is_told_or_taken_from_the_caller() -> None:
    assert plan(f"mac={MAC}").guest.hypervisor == "kvm"
    assert plan("--hypervisor=xen", f"mac={MAC}").guest.hypervisor == "xen"
    assert plan("--hypervisor=kvm", *LIBXL_OUT, *LIBXL_END).guest.hypervisor == "kvm"


def test_words_of_both_kinds_are_joined() -> None:
    assert plan("--args=a  b", "--append", "c", f"mac={MAC}").append == "a  b c"


def test_output_formats() -> None:
    assert parse([]).output_format == "sxp"
    assert parse(["--json"]).output_format == "json"
    assert parse(["--output-format=qemu"]).output_format == "qemu"
    assert (
        plan("--output-format=simple0", "--output=/x/bootloader.out", f"mac={MAC}").guest.hypervisor == "kvm"
    )


@pytest.mark.parametrize(
    ("argv", "address", "prefix"),
    [
        (["--ip=10.0.0.5/24"], "10.0.0.5", 24),
        (["--ip=10.0.0.5/255.255.254.0"], "10.0.0.5", 23),
        (["--ip=10.0.0.5", "--netmask=255.255.255.0"], "10.0.0.5", 24),
        (["--ip=10.0.0.5/32"], "10.0.0.5", 32),
    ],
)
def test_addresses_by_hand(argv: list[str], address: str, prefix: int) -> None:
    lease = plan(*argv, "--gateway=10.0.0.1", "--dns=10.0.0.2", "--dns=10.0.0.3", f"mac={MAC}").static
    assert lease is not None
    assert (str(lease.address), lease.prefix_length) == (address, prefix)
    assert lease.routers == (IPv4Address("10.0.0.1"),) and [str(network) for network, _ in lease.routes] == [
        "0.0.0.0/0"
    ]
    assert [str(server) for server in lease.dns] == ["10.0.0.2", "10.0.0.3"]
    assert plan(f"mac={MAC}").static is None


ONE = f"mac={MAC}"
BAD: list[list[str]] = [
    [],
    ["--no-such-option", ONE],
    ["--output-format=xml", ONE],
    ["--hypervisor=vmware", ONE],
    ["--link=tunnel", ONE],
    ["--profile=mac", ONE],
    ["--uuid=12", ONE],
    ["--bridge=a/b", ONE],
    ["--bridge=..", ONE],
    ["--bridge=" + "a" * 16, ONE],
    ["--interface=a b", ONE],
    ["--vlan=0", ONE],
    ["--vlan=4095", ONE],
    ["--vlan=abc", ONE],
    [f"mac={MAC},vlan=x"],
    [f"mac={MAC},vlan=²"],
    [f"mac={MAC},bridge"],
    ["--timeout=0", ONE],
    ["--timeout=-1", ONE],
    ["--timeout=nan", ONE],
    ["--timeout=inf", ONE],
    ["--timeout=1e99", ONE],
    ["--timeout=abc", ONE],
    ["--mac-wait=nan", ONE],
    ["--mac-wait=-1", ONE],
    ["--menu-timeout=nan", ONE],
    ["-i", "-q", ONE],
    [ONE, "disk1", "disk2"],
    ["--ip=10.0.0.5", ONE],
    ["--ip=10.0.0.300/24", ONE],
    ["--ip=10.0.0.5/33", ONE],
    ["--ip=10.0.0.5", "--netmask=255.0.255.0", ONE],
    ["--ip=::1/64", ONE],
    ["--ip=0.0.0.0/24", ONE],
    ["--ip=127.0.0.1/8", ONE],
    ["--ip=224.0.0.1/24", ONE],
    ["--ip=255.255.255.255/32", ONE],
    ["--ip=10.0.0.5/0", ONE],
    ["--ip=10.0.0.5/24", "--gateway=router", ONE],
    ["--ip=10.0.0.5/24", "--dns=::1", ONE],
    ["--gateway=router", ONE],
    ["--dns=nameserver", ONE],
    ["--smbios=vendor=x", ONE],
    ["--smbios=type=9,vendor=x", ONE],
    ["--output", ONE],
]


@pytest.mark.parametrize("argv", BAD, ids=lambda argv: " ".join(argv)[:50] or "nothing")
def test_bad_values(argv: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        plan(*argv)
    assert caught.value.code == 2 and "\n" not in caught.value.message


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--no-such-option\x1b[2J", ONE],
        ["--mac=\x1b[2J", "--bridge=br0"],
        ["--bridge=a\nb", ONE],
        ["--runas=nosuchuser", ONE],
        ["--runas=0", ONE],
        ["--runas=root", ONE],
        ["--runas=-1", ONE],
        ["--runas=²", ONE],
        ["--runas=4294967295", ONE],
        ["--runas=99999999999", ONE],
        ["--pcap=/nosuch/dir/x.pcap", ONE],
        ["--bridge=nosuchbridge", ONE],
        ["--timeout=nan", "--bridge=nosuchbridge", ONE],
    ],
    ids=lambda argv: repr(" ".join(argv))[:40],
)
def test_wrong_usage_from_outside(argv: list[str]) -> None:
    done = run(*argv)
    assert done.returncode == 2, done
    assert done.stdout == "" and "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 3 and all(
        line.startswith("pypxeboot: ") and line.isprintable() for line in lines
    )
    assert lines[-1].startswith("pypxeboot: hint: ") or lines[-1].startswith("pypxeboot: error: ")


def test_help_and_version() -> None:
    for option in ("-h", "--help"):
        done = run(option)
        assert (done.returncode, done.stderr) == (0, "")
        assert "--output-directory" in done.stdout and done.stdout.startswith("usage: pypxeboot [options]")
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"pypxeboot {__version__}\n")


def test_every_option_of_the_contract_is_there() -> None:
    words = """
        --mac --uuid --hypervisor --bridge --interface --vlan --link --arch --profile --vendor-class
        --user-class --ip --netmask --gateway --dns --server --bootfile --config --path-prefix --label --entry
        -l --list-entries -i --interactive -q --quiet --menu-timeout --append --args --output --output-format
        --json --output-directory -n --not-really --kernel --ramdisk --runas --offset --isconfig --debug
        --pcap -v --verbose --timeout --udhcpc --pygrub-image --config-dir
    """.split()
    known = {option for action in parser()._actions for option in action.option_strings}
    assert set(words) <= known
    assert all(action.help for action in parser()._actions)


def test_closed_standard_streams() -> None:
    """Toolstacks start programs like that."""
    shell = f"exec {sys.executable} -m pypxeboot --version <&- 2>&-"
    done = subprocess.run(
        ["sh", "-c", shell], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tools.ROOT)}
    )
    assert (done.returncode, done.stdout) == (0, f"pypxeboot {__version__}\n")


def test_smbios_as_the_guest_will_find_it() -> None:
    """Machines without SMBIOS say nothing; what is given counts everywhere."""

    def vendor(*words: str) -> str:
        return plan(f"mac={MAC}", *words).guest.smbios.get("SYSVENDOR", "")

    x86 = ("--arch", "x86_64")
    assert [vendor(*x86, "--output-format", form) for form in ("json", "qemu", "libvirt")] == ["QEMU"] * 3
    assert vendor(*x86, "--output-format=cloud-hypervisor") == "Cloud Hypervisor"
    for words in (
        ("firecracker", "x86_64"),
        ("qemu-microvm", "amd64"),
        ("qemu", "arm64"),
        ("json", "aarch64"),
    ):
        assert vendor("--output-format", words[0], "--arch", words[1]) == ""
        given = "type=1,manufacturer=ACME"
        assert vendor("--output-format", words[0], "--arch", words[1], "--smbios", given) == "ACME"
    assert vendor(*x86, "--hypervisor=xen") == "Xen"


@pytest.mark.parametrize(("arch", "name"), [("aarch64", "arm64"), ("amd64", "x86_64"), ("i686", "i386")])
def test_architectures_by_other_names(arch: str, name: str) -> None:
    made = plan(f"mac={MAC}", "--output-format=qemu", "--arch", arch)
    assert made.guest.arch == arch and made.target is not None and made.target.arch == name
    with pytest.raises(UsageError, match="has no guests of vax"):
        plan(f"mac={MAC}", "--output-format=qemu", "--arch=vax")
