"""The local disk: real pygrub on real file systems, and programs that only call themselves pygrub."""

from __future__ import annotations

import ast
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from ground import BRIDGE, MAC, Run, Site, tools, wait_until
from ground.kernels import dummy
from ground.simple import check_stderr, serve, tree

from pypxeboot.entry import Action, Reason
from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.output import xen
from pypxeboot.result import Artifacts, KernelFile, Ramdisk, Seconds
from pypxeboot.xen import pygrub as localboot

DISK_CONFIG = "DEFAULT disk\nLABEL disk\n LOCALBOOT 0\n"
GRUB = "default 0\ntimeout 1\ntitle Disk\n root (hd0,0)\n kernel /boot/vmlinuz-1 root=/dev/xvda1 ro\n"
EXTLINUX = """\
default d
timeout 10
label d
 kernel /boot/vmlinuz-1
 append initrd=/boot/initrd-1 root=/dev/xvda1 ro
"""


def download(target: Path) -> Optional[Path]:
    """Debian's xen-utils, unpacked below ``target``; None where it cannot be had. Nothing is installed."""
    if not target.exists() and shutil.which("apt-get"):
        names = subprocess.run(
            ["apt-cache", "pkgnames", "xen-utils-4"], capture_output=True, text=True
        ).stdout
        versions = sorted(re.findall(r"^xen-utils-([0-9.]+)$", names, re.M))
        work = target.with_name(f"fetch-{os.getpid()}")
        work.mkdir(parents=True)
        # The file systems that pygrub reads are in a library of their own.
        wanted = [f"{name}{versions[-1]}" for name in ("xen-utils-", "libxenmisc")] if versions else []
        for update in (["true"], ["apt-get", "-qq", "update"]):
            if wanted and len(list(work.glob("*.deb"))) < len(wanted):
                subprocess.run(update, capture_output=True, timeout=120)
                subprocess.run(
                    ["apt-get", "-qq", "download", *wanted], cwd=work, capture_output=True, timeout=120
                )
        packages = list(work.glob("*.deb"))
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", str(package), str(work / "tree")], check=True)
        if wanted and len(packages) == len(wanted):
            (work / "tree").rename(target)
        shutil.rmtree(work)
    return next(iter(target.glob("usr/lib/xen-*/bin/pygrub")), None)


@pytest.fixture(scope="session")
def pygrub(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a real pygrub is found."""
    tools.need("mke2fs")
    try:
        localboot.find_pygrub()
        yield {}
        return
    except HandoverError:
        pass
    program = download(cache / "xen-utils")
    if program is None or not Path("/usr/bin/python3").exists():
        tools.missing("pygrub (package xen-utils)")
    assert program is not None
    libraries = next(iter(program.parent.parent.glob("lib/*-linux-gnu")), program.parent)
    bin_directory = tmp_path_factory.mktemp("bin")
    wrapper = bin_directory / "pygrub"
    wrapper.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={libraries} XEN_FSIMAGE_FSDIR={libraries}/xenfsimage\n"
        f'exec /usr/bin/python3 {program} "$@"\n'
    )
    wrapper.chmod(0o755)
    yield {"PATH": f"{bin_directory}:{os.environ['PATH']}"}


def source(pygrub: dict[str, str]) -> Path:
    """The script itself, not the wrapper."""
    found = (
        Path(shutil.which("pygrub", path=pygrub["PATH"]) or "") if pygrub else Path(localboot.find_pygrub())
    )
    text = found.read_text()
    return (
        Path(text.split("/usr/bin/python3 ")[1].split()[0]) if text.startswith("#!/bin/sh\nexport") else found
    )


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


@pytest.mark.netns
@pytest.mark.parametrize("restricted", [False, True])
def test_local_disk(site: Site, pygrub: dict[str, str], restricted: bool) -> None:
    serve(site, files=tree(DISK_CONFIG))
    own = ("--runas=65534", "--quiet") if restricted else ("--quiet",)
    run = site.pypxeboot(*libxl_argv(site, str(make_disk(site)), *own), env=pygrub)
    check_booted(site, run)
    assert "dropping to pygrub" in run.stderr and run.stdout == b""


@pytest.mark.netns
def test_local_disk_with_extlinux_and_ramdisk(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    disk = make_disk(site, EXTLINUX, place="extlinux/extlinux.conf")
    run = site.pypxeboot(*libxl_argv(site, str(disk), "-q"), env=pygrub)
    check_booted(site, run)
    assert Path(result_of(site)["ramdisk"]).read_bytes() == b"initrd of the disk\n"


@pytest.mark.netns
def test_local_disk_without_a_terminal(site: Site, pygrub: dict[str, str]) -> None:
    """Nobody can choose there, so nobody is asked: pygrub's menu would fail without one."""
    serve(site, files=tree(DISK_CONFIG))
    check_booted(site, site.pypxeboot(*libxl_argv(site, str(make_disk(site))), env=pygrub))


@pytest.mark.netns
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
        env={**os.environ, "PYTHONPATH": str(tools.ROOT), "TERM": "vt100", **env},
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


@pytest.mark.netns
def test_local_disk_on_the_pty_of_libxl(site: Site, pygrub: dict[str, str]) -> None:
    """pygrub's own menu, until its timeout of a second has passed."""
    serve(site, files=tree(DISK_CONFIG))
    code, shown, _ = on_a_terminal(site, libxl_argv(site, str(make_disk(site))), pygrub)
    assert code == 0, shown
    assert Path(result_of(site)["kernel"]).read_bytes() == dummy("from-the-disk")


@pytest.mark.netns
def test_local_disk_from_a_terminal_into_a_pipe(site: Site, pygrub: dict[str, str]) -> None:
    """As in $(pypxeboot ...): a menu that is drawn must not be drawn into the result."""
    serve(site, files=tree(DISK_CONFIG))
    argv = ["--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), str(make_disk(site))]
    code, shown, piped = on_a_terminal(site, argv, pygrub, stdout=subprocess.PIPE)
    assert (code, piped[:16]) == (0, b"linux (kernel '/"), (shown, piped)


@pytest.mark.netns
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


@pytest.mark.netns
def test_new_output_file_goes_with_the_failure(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    argv = libxl_argv(site, str(make_disk(site, None)), "-q")
    (site.directory / "bootloader.7.out").unlink()
    assert site.pypxeboot(*argv, env=pygrub).rc == 9
    assert not (site.directory / "bootloader.7.out").exists()


@pytest.mark.netns
def test_no_disk(site: Site) -> None:
    serve(site, files=tree(DISK_CONFIG))
    run = site.pypxeboot(*libxl_argv(site, "", "-q")[:-1])
    assert run.rc == 4, str(run)
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.netns
def test_disk_that_begins_with_a_dash(site: Site, pygrub: dict[str, str]) -> None:
    serve(site, files=tree(DISK_CONFIG))
    make_disk(site, name="-h.img")
    argv = libxl_argv(site, "", "-q")[:-1]
    check_booted(site, site.pypxeboot(*argv, "--pygrub-image=-h.img", env=pygrub))


@pytest.mark.netns
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
        wait_until(running, 15, "pygrub runs")
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


def formats(path: Path) -> dict[str, Callable[..., str]]:
    """pygrub's own format_sxp() and format_simple()."""
    tree = ast.parse(path.read_text())
    wanted = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("format_")
    ]
    found: dict[str, Any] = {}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), found)
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
@pytest.mark.parametrize("cmdline", ["", "ro", "a='b' \"c\" \\ d", "\x1b ü \t", "it's"])
def test_forms_are_those_of_pygrub(pygrub: dict[str, str], cmdline: str) -> None:
    theirs = formats(source(pygrub))
    for ramdisk in (None, Ramdisk("/run/r", 1, "")):
        kernel = KernelFile("u", "/run/k'x", 1)
        lists: Any = ((), ramdisk, (), cmdline, (), Seconds(), ())
        artifacts = Artifacts(Action.BOOT, None, "pxelinux", None, "a", Reason.DEFAULT, kernel, *lists)
        parts = ("/run/k'x", None if ramdisk is None else "/run/r", cmdline)
        assert xen.render(artifacts, "sxp", None).decode() == theirs["format_sxp"](*parts)
        for form, separator in (("simple0", "\0"), ("simple", "\n")):
            assert xen.render(artifacts, form, None).decode() == theirs["format_simple"](*parts, separator)


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a shell script in pygrub's place; it gets its arguments as usual."""
    monkeypatch.setattr(localboot, "_PLACES", ())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def install(script: str) -> Path:
        path = tmp_path / "pygrub"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return install


def test_argv(impostor: Callable[[str], Path], tmp_path: Path) -> None:
    impostor('printf "%s\\0" "$@" >"$0.argv"; printf "kernel /k\\0\\0"')
    given = ["--args=a b", "--output=-"]
    assert localboot.run(given, "-o disk; $(id)", "simple0", None) == b"kernel /k\0\0"
    assert (tmp_path / "pygrub.argv").read_text().split("\0")[:-1] == [*given, "--", "-o disk; $(id)"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", "names no kernel"),
        ("echo hello", "names no kernel"),
        ("printf 'kernel '", "names no kernel"),
        ("printf 'kernel \\0\\0'", "names no kernel"),
        ("printf 'args x\\0\\0'", "names no kernel"),
        ("printf 'kernel /k'", "names no kernel"),
        ("printf 'kernel /k\\0\\0'; exit 1", "exit status 1"),
        ("kill -9 $$", "status -9"),
    ],
)
@pytest.mark.parametrize("to_file", [False, True])
def test_failures_are_told_from_success(
    impostor: Callable[[str], Path], tmp_path: Path, script: str, says: str, to_file: bool
) -> None:
    output = tmp_path / "out" if to_file else None
    if output is not None:
        output.touch()
        script = f"exec >{output}; {script}"
    impostor(script)
    with pytest.raises(HandoverError, match=says):
        localboot.run([], "/disk", "simple0", output)


def test_no_pygrub_and_no_disk(impostor: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    if not any(Path(place, "pygrub").exists() for place in ("/usr/sbin", "/usr/bin")):
        with pytest.raises(HandoverError, match="not installed"):
            localboot.run([], "/disk", "simple0", None)
    with pytest.raises(NoBootSource):
        localboot.run([], None, "simple0", None)


def test_program_that_cannot_run(impostor: Callable[[str], Path]) -> None:
    path = impostor("")
    path.write_bytes(b"\x7fELF")
    assert path.stat().st_mode & stat.S_IXUSR
    with pytest.raises(HandoverError, match="cannot run"):
        localboot.run([], "/disk", "simple0", None)
