"""The local disk: real pygrub on real file systems, and programs that only call themselves pygrub."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.support.ground import BRIDGE, MAC, Run, Site, tools, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.simple import check_stderr, serve, tree

DISK_CONFIG = "DEFAULT disk\nLABEL disk\n LOCALBOOT 0\n"
GRUB = "default 0\ntimeout 1\ntitle Disk\n root (hd0,0)\n kernel /boot/vmlinuz-1 root=/dev/xvda1 ro\n"
EXTLINUX = """\
default d
timeout 10
label d
 kernel /boot/vmlinuz-1
 append initrd=/boot/initrd-1 root=/dev/xvda1 ro
"""


def make_disk(
    site: Site, config: Optional[str] = GRUB, name: str = "disk.img", place: str = "grub/menu.lst"
) -> Path:
    """A disk with a file system (ext2) that boots by ``config``, or a blank one."""
    path = site.directory / name
    if config is None:
        path.write_bytes(bytes(4 << 20))
        return path
    root = site.directory / "on-disk"
    (root / "boot" / place).parent.mkdir(parents=True, exist_ok=True)
    (root / "boot" / place).write_text(config)
    (root / "boot/vmlinuz-1").write_bytes(dummy("from-the-disk"))
    (root / "boot/initrd-1").write_bytes(b"initrd of the disk\n")
    argv = [tools.need("mke2fs"), "-q", "-F", "-t", "ext2", "-d", str(root), str(path), "4M"]
    subprocess.run(argv, check=True, capture_output=True)
    return path


def libxl_argv(site: Site, disk: str, *more: str) -> list[str]:
    """As libxl calls it; it makes the output file beforehand."""
    output = site.directory / "bootloader.7.out"
    output.touch(0o600)
    argv = ["--args=console=hvc0", f"--output={output}", "--output-format=simple0"]
    return [*argv, f"--output-directory={site.out}", *more, f"mac={MAC},bridge={BRIDGE},", disk]


def result_of(site: Site) -> dict[str, str]:
    """The items of the output file, files read."""
    data = (site.directory / "bootloader.7.out").read_bytes()
    return dict(item.decode().split(" ", 1) for item in data.split(b"\0") if item)  # type: ignore[misc]


def check_booted(site: Site, run: Run, args: str = "root=/dev/xvda1 ro console=hvc0") -> None:
    run.ok()
    found = result_of(site)
    kernel = Path(found["kernel"])
    assert kernel.parent == site.out and kernel.read_bytes() == dummy("from-the-disk")
    assert found["args"].split() == args.split()
    files = [str(Path(found[key]).relative_to(site.out)) for key in ("kernel", "ramdisk") if key in found]
    site.assert_nothing_left(files)


@pytest.mark.parametrize("restricted", [False, True])
def test_local_disk(site: Site, pygrub: dict[str, str], restricted: bool) -> None:
    serve(site, files=tree(DISK_CONFIG))
    own = ("--runas=65534", "--quiet") if restricted else ("--quiet",)
    run = site.pypxeboot(*libxl_argv(site, str(make_disk(site)), *own), env=pygrub)
    check_booted(site, run)
    assert "dropping to pygrub" in run.stderr and run.stdout == b""


def test_a_disk_that_the_restricted_user_may_not_read(site: Site, pygrub: dict[str, str]) -> None:
    """pygrub's own exit status is 0 then; its words, and what to do, have to be told."""
    serve(site, files=tree(DISK_CONFIG))
    disk = make_disk(site)
    disk.chmod(0o600)
    run = site.pypxeboot(*libxl_argv(site, str(disk), "--runas=65534", "--quiet"), env=pygrub)
    assert run.rc == 9 and "PermissionError" in run.stderr and "setfacl -m u:65534:r" in run.stderr, str(run)
    assert "Traceback" not in run.stderr
    site.assert_nothing_left(within=1)


def test_local_disk_with_extlinux_and_ramdisk(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    disk = make_disk(site, EXTLINUX, place="extlinux/extlinux.conf")
    run = site.pypxeboot(*libxl_argv(site, str(disk), "-q"), env=pygrub)
    check_booted(site, run)
    assert Path(result_of(site)["ramdisk"]).read_bytes() == b"initrd of the disk\n"


def test_local_disk_without_a_terminal(site: Site, pygrub: dict[str, str]) -> None:
    """Nobody can choose there, so nobody is asked: pygrub's menu would fail without one."""
    serve(site, files=tree(DISK_CONFIG))
    check_booted(site, site.pypxeboot(*libxl_argv(site, str(make_disk(site))), env=pygrub))


def test_local_disk_to_standard_output(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    argv = ["--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), str(make_disk(site))]
    for form, start in (("simple0", b"kernel /"), ("simple", b"kernel /"), ("sxp", b"linux (kernel '/")):
        run = site.pypxeboot("--output-format", form, "-q", *argv, env=pygrub).ok()
        assert run.stdout.startswith(start) and b"root=/dev/xvda1 ro" in run.stdout, str(run)


def on_a_terminal(
    site: Site, argv: list[str], env: dict[str, str], **streams: Any
) -> tuple[int, bytes, bytes]:
    """Exit code, what the terminal showed, and standard output if that is a pipe."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["ip", "netns", "exec", site.hyp, sys.executable, "-m", "pypxeboot", *argv],
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs, **streams},
        start_new_session=True,
        cwd=site.directory,
        env={**tools.ENVIRONMENT, "TERM": "vt100", **env},
    )
    os.close(theirs)
    shown = b""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # hung up: everybody has closed it
            break
    os.close(ours)
    piped = process.stdout.read() if process.stdout is not None else b""
    try:
        return process.wait(10), shown, piped
    finally:
        process.kill()


def test_local_disk_on_the_pty_of_libxl(site: Site, pygrub: dict[str, str]) -> None:
    """pygrub's own menu, until its timeout of a second has passed."""
    serve(site, files=tree(DISK_CONFIG))
    code, shown, _ = on_a_terminal(site, libxl_argv(site, str(make_disk(site))), pygrub)
    assert code == 0, shown
    assert Path(result_of(site)["kernel"]).read_bytes() == dummy("from-the-disk")


def test_local_disk_from_a_terminal_into_a_pipe(site: Site, pygrub: dict[str, str]) -> None:
    """As in $(pypxeboot ...): a menu that is drawn must not be drawn into the result."""
    serve(site, files=tree(DISK_CONFIG))
    argv = ["--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), str(make_disk(site))]
    code, shown, piped = on_a_terminal(site, argv, pygrub, stdout=subprocess.PIPE)
    assert (code, piped[:16]) == (0, b"linux (kernel '/"), (shown, piped)


@pytest.mark.parametrize("own", [("--quiet",), ("--runas=65534", "--quiet")], ids=["root", "restricted"])
def test_blank_disk(site: Site, pygrub: dict[str, str], own: tuple[str, ...]) -> None:
    """A restricted pygrub ends with 0 and says nothing; the other one leaves empty files behind."""
    serve(site, files=tree(DISK_CONFIG))
    run = site.pypxeboot(*libxl_argv(site, str(make_disk(site, None)), *own), env=pygrub)
    assert run.rc == 9, str(run)
    assert (site.directory / "bootloader.7.out").read_bytes() == b""
    site.assert_nothing_left()
    assert len([line for line in run.stderr.splitlines() if "error: " in line]) == 1
    check_stderr(run)


BLS = "set timeout=1\ninsmod blscfg\nblscfg\n"
QCOW2 = "qcow2"


@pytest.mark.parametrize("own", [("--quiet",), ("--runas=65534", "--quiet")], ids=["root", "restricted"])
@pytest.mark.parametrize(
    ("config", "place", "told", "hint"),
    [
        (None, "", "it is blank", "install the guest first: --label NAME"),
        (BLS, "grub2/grub.cfg", "/boot/grub2/grub.cfg has no entry that", "GRUB_ENABLE_BLSCFG=false"),
        (GRUB, "data/file", "no boot loader's configuration on it", "the first of disk = [...]"),
        (GRUB, QCOW2, "a qcow2 image, which pygrub cannot read", "qemu-img convert -O raw"),
    ],
    ids=["blank", "bls", "data", "qcow2"],
)
def test_what_disk_it_is(
    site: Site,
    pygrub: dict[str, str],
    own: tuple[str, ...],
    config: Optional[str],
    place: str,
    told: str,
    hint: str,
) -> None:
    """pygrub's own last words are the same for all: that it is unable to find a partition with a kernel."""
    serve(site, files=tree(DISK_CONFIG))
    disk = make_disk(site, config, place="grub/menu.lst" if place == QCOW2 else place)
    if place == QCOW2:
        argv = [tools.need("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", str(disk), f"{disk}.qcow2"]
        subprocess.run(argv, check=True, capture_output=True)
        disk = disk.with_name(f"{disk.name}.qcow2")
    disk.chmod(0o644)
    run = site.pypxeboot(*libxl_argv(site, str(disk), *own), env=pygrub)
    error, last = run.stderr.splitlines()[-2:]
    assert run.rc == 9 and told in error and str(disk) in error and hint in last, str(run)
    site.assert_nothing_left(within=1)


def test_new_output_file_goes_with_the_failure(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    argv = libxl_argv(site, str(make_disk(site, None)), "-q")
    (site.directory / "bootloader.7.out").unlink()
    assert site.pypxeboot(*argv, env=pygrub).rc == 9
    assert not (site.directory / "bootloader.7.out").exists()


def test_no_disk(site: Site) -> None:
    serve(site, files=tree(DISK_CONFIG))
    run = site.pypxeboot(*libxl_argv(site, "", "-q")[:-1])
    assert run.rc == 4, str(run)
    check_stderr(run)
    site.assert_nothing_left()


def test_disk_that_begins_with_a_dash(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    make_disk(site, name="-h.img")
    argv = libxl_argv(site, "", "-q")[:-1]
    check_booted(site, site.pypxeboot(*argv, "--pygrub-image=-h.img", env=pygrub))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_while_pygrub_runs(site: Site, pygrub: dict[str, str], number: signal.Signals) -> None:
    """It waits for a disk that never answers: it must go with its parent, and the output file, too."""
    serve(site, files=tree(DISK_CONFIG))
    disk = site.directory / "disk"
    os.mkfifo(disk)
    argv = libxl_argv(site, str(disk), "-q")
    (site.directory / "bootloader.7.out").unlink()
    process = site.start(*argv, env=pygrub)

    def running() -> bool:
        return any(b"/pygrub\0" in command_line(pid) for pid in site.run_pids() - {process.pid})

    try:
        wait_until(running, 30, "pygrub runs")
        time.sleep(0.3)
        process.send_signal(number)
        assert process.wait(10) == 8
    finally:
        process.kill()
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()
    site.assert_nothing_left(within=2)
    assert not (site.directory / "bootloader.7.out").exists()


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
