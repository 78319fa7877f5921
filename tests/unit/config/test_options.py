"""The command line: its forms, and what is said of wrong ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pypxeboot import __version__
from pypxeboot.config import planner
from pypxeboot.config.options import parse, parser
from pypxeboot.errors import UsageError
from tests.support.ground import tools
from tests.support.samples.plans import LIBXL_END, LIBXL_OUT, MAC, ONE, plan


def run(*argv: str, **changed: Any) -> subprocess.CompletedProcess[str]:
    usual: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
    }
    words = {**usual, "text": True, "timeout": 60, "env": tools.ENVIRONMENT, **changed}
    return subprocess.run([sys.executable, "-m", "pypxeboot", *argv], **words)


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["doctor", "--help"], ["-q", "--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_nobody_takes(argv: list[str], unbuffered: str) -> None:
    env = {**tools.ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = run(*argv, stdout=full, env=env)
    assert done.returncode == 9
    assert done.stderr == "pypxeboot: error: cannot write to standard output: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = run(*argv, stdout=gone, env=env)
    assert (done.returncode, done.stderr) == (0, ""), "who has seen enough"


def test_options_and_positionals_in_any_order() -> None:
    words = [["--label", "a"], ["--timeout=7"], [f"mac={MAC},bridge=br1"], ["-v"], ["/dev/vg/disk"]]
    for shift in range(len(words)):
        argv = [word for group in words[shift:] + words[:shift] for word in group]
        args = parse(argv)
        assert (args.label, args.timeout, args.verbose, args.disk) == ("a", 7, 1, "/dev/vg/disk")
        assert (planner.plan(args).guest.mac, planner.plan(args).guest.bridge) == (MAC, "br1")


def test_a_vif_in_several_words() -> None:
    args = parse([f"mac={MAC}", "bridge=br1", "vlan=7", "disk.img"])
    assert args.vif == {"mac": MAC, "bridge": "br1", "vlan": "7"} and args.disk == "disk.img"


def test_as_xapi_calls_a_bootloader() -> None:
    """xenopsd, xc/bootloader.ml: its own words, those of PV-bootloader-args, and the disk."""
    uuid = "5b0c8b5d-7b3c-4b40-9a3e-0b1c1d2e3f40"
    own = ["-q", "--default_args=", "--extra_args=quiet x=1", f"--vm={uuid}"]
    found = parse([*own, f"mac={MAC},bridge=xenbr0", "/dev/sm/backend/a/b"])
    assert (found.uuid, found.args, found.quiet) == (uuid, "quiet x=1", True)
    assert found.disk == "/dev/sm/backend/a/b"
    assert parse(["--default_args=", "--extra_args="]).args == ""
    assert parse(["--default_args=a", "--args=c", "--extra_args=b"]).args == "a b c"


def test_option_comes_before_the_vif_string() -> None:
    guest = plan(
        "--mac", "00:16:3e:00:00:09", "--bridge", "br9", f"mac={MAC},bridge=br1,vlan=3", "--vlan=4"
    ).guest
    assert (guest.mac, guest.bridge, guest.vlan) == ("00:16:3e:00:00:09", "br9", 4)


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
    made = planner.plan(args).guest
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
    made = planner.plan(args)
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


def test_output_formats() -> None:
    assert parse([]).output_format == "sxp"
    assert parse(["--json"]).output_format == "json"
    assert parse(["--output-format=qemu"]).output_format == "qemu"
    assert (
        plan("--output-format=simple0", "--output=/x/bootloader.out", f"mac={MAC}").guest.hypervisor == "kvm"
    )


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
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, env=tools.ENVIRONMENT)
    assert (done.returncode, done.stdout) == (0, f"pypxeboot {__version__}\n")
