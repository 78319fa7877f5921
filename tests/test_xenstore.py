"""What xenstore knows of a domain, by a stand-in for ``xenstore-read``: the real one needs a Xen host."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from ground import BRIDGE, MAC, UUID, Run, Site, wait_until
from ground.simple import SIMPLE, asked, serve, tree

from pypxeboot.guest import wire_uuid
from pypxeboot.xen import xenstore
from pypxeboot.xen.xenstore import Domain

TYPE, VM = "/libxl/7/type", "/local/domain/7/vm"


def stand_in(directory: Path, script: str) -> Path:
    """A directory with a program called xenstore-read."""
    directory.mkdir()
    program = directory / "xenstore-read"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return directory


def store(directory: Path, kind: str = "pv", uuid: str = UUID) -> Path:
    """The real one prints a value with a line feed, and ends with 1 for a key that is not there."""
    known = {TYPE: kind, VM: f"/vm/{uuid}"}
    cases = "".join(f"{key}) echo '{value}' ;;\n" for key, value in known.items() if value)
    return stand_in(directory, f'case "$1" in\n{cases}*) echo "couldn\'t read path $1" >&2; exit 1 ;;\nesac')


def ask(monkeypatch: pytest.MonkeyPatch, directory: Path, number: int = 7) -> Domain:
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return xenstore.domain(number)


@pytest.mark.parametrize("kind", ["pv", "pvh"])
def test_type_and_uuid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    assert ask(monkeypatch, store(tmp_path / "bin", kind)) == Domain(kind, UUID)


def test_another_domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ask(monkeypatch, store(tmp_path / "bin"), 77) == Domain(None, None)


@pytest.mark.parametrize("kind", ["hvm", "", "PV", "pv pvh"])
def test_other_types_are_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    assert ask(monkeypatch, store(tmp_path / "bin", kind)) == Domain(None, UUID)


def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert xenstore.domain(7) == Domain(None, None)


USELESS = {
    "fails": "exit 1",
    "fails-late": "echo pv; exit 1",
    "silent": "exit 0",
    "killed": "kill -9 $$",
    "not-text": r"printf '\377\376\n'",
}


@pytest.mark.parametrize("case", USELESS)
def test_useless_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str) -> None:
    known = ask(monkeypatch, stand_in(tmp_path / "bin", USELESS[case]))
    assert known.type is None and (known.uuid is None or case == "not-text")


def test_not_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = stand_in(tmp_path / "bin", "")
    (directory / "xenstore-read").write_bytes(b"\x7fELF no program at all")
    assert ask(monkeypatch, directory) == Domain(None, None)


def test_one_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All questions together take no longer than one may."""
    assert xenstore._SECONDS <= 5
    monkeypatch.setattr(xenstore, "_SECONDS", 3)
    directory = stand_in(tmp_path / "bin", "exec sleep 30")
    began = time.monotonic()
    assert ask(monkeypatch, directory) == Domain(None, None)
    assert time.monotonic() - began < 5.8


# Boots as libxl starts them: the number of the domain is in the name of the output file.


def boot(site: Site, bin_directory: Path, *args: str) -> tuple[Run, Path]:
    output = site.directory / "bootloader.7.out"
    output.touch(0o600)
    argv = [f"--output={output}", "--output-format=simple0", f"--output-directory={site.out}"]
    path = f"{bin_directory}:{os.environ['PATH']}"
    return site.pypxeboot(*argv, *args, f"mac={MAC},bridge={BRIDGE},", env={"PATH": path}), output


def long_config(site: Site, length: int) -> None:
    """Serve an entry whose command line has ``length`` bytes."""
    words = "BOOT_IMAGE=vmlinuz "
    serve(site, files=tree(f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND {'x' * (length - len(words))}\n"))


@pytest.mark.netns
@pytest.mark.parametrize(("kind", "length"), [("pv", 1023), ("pvh", 1024), ("", 1024)])
def test_a_command_line_that_fits(site: Site, tmp_path: Path, kind: str, length: int) -> None:
    long_config(site, length)
    run, output = boot(site, store(tmp_path / "bin", kind))
    items = dict(item.split(b" ", 1) for item in output.read_bytes().split(b"\0") if item)
    assert len(items[b"args"]) == length, str(run.ok())


@pytest.mark.netns
def test_a_command_line_too_long_for_pv(site: Site, tmp_path: Path) -> None:
    long_config(site, 1024)
    run, output = boot(site, store(tmp_path / "bin", "pv"))
    assert run.rc == 9, str(run)
    assert "1024" in run.stderr and "PV" in run.stderr
    assert output.read_bytes() == b""
    site.assert_nothing_left(within=1)


@pytest.mark.netns
def test_the_type_that_was_given_counts(site: Site, tmp_path: Path) -> None:
    long_config(site, 1024)
    run, _output = boot(site, store(tmp_path / "bin", "pv"), "--guest-type", "pvh")
    run.ok()


@pytest.mark.netns
def test_the_uuid_leads_the_walk(site: Site, tmp_path: Path) -> None:
    serve(site, files={**tree("# nothing\n"), f"pxelinux.cfg/{wire_uuid(UUID)}": SIMPLE})
    run, output = boot(site, store(tmp_path / "bin"))
    assert b"args BOOT_IMAGE=vmlinuz x=1" in output.read_bytes(), str(run)
    log = "".join(path.read_text("latin-1") for path in site.directory.glob("*-dnsmasq.log"))
    assert f"pxelinux.cfg/{wire_uuid(UUID)}" in log and "pxelinux.cfg/01-" not in log


@pytest.mark.netns
def test_the_uuid_that_was_given_counts(site: Site, tmp_path: Path) -> None:
    other = "11111111-2222-3333-4444-555555555555"
    serve(site, files={**tree(), f"pxelinux.cfg/{wire_uuid(UUID)}": "# not this one\n"})
    run, _output = boot(site, store(tmp_path / "bin"), "--uuid", other)
    assert wire_uuid(other) in run.ok().stderr and wire_uuid(UUID) not in run.stderr


@pytest.mark.netns
def test_a_uuid_that_is_none_is_not_known(site: Site, tmp_path: Path) -> None:
    serve(site)
    run, output = boot(site, store(tmp_path / "bin", uuid="00000000"))
    assert output.read_bytes().startswith(b"kernel "), str(run.ok())


@pytest.mark.netns
def test_nobody_else_asks_xenstore(site: Site, tmp_path: Path) -> None:
    serve(site)
    mark = tmp_path / "asked"
    directory = stand_in(tmp_path / "bin", f"touch {mark}")
    path = f"{directory}:{os.environ['PATH']}"
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    run = site.pypxeboot(*base, env={"PATH": path}).ok()
    assert run.result["guest"]["uuid"] in (None, "") and not mark.exists()
    assert asked(run)[0][0].endswith("pxelinux.cfg/01-52-54-00-ab-cd-ef")
    assert shutil.which("xenstore-read", path=path) is not None


@pytest.mark.netns
def test_ended_while_xenstore_hangs(site: Site, tmp_path: Path) -> None:
    """libxl ends a bootloader by SIGTERM, at any moment."""
    mark = tmp_path / "asked"
    directory = stand_in(tmp_path / "bin", f"touch {mark}\nexec sleep 30")
    argv = [f"--output={site.directory}/bootloader.7.out", "--output-format=simple0"]
    path = f"{directory}:{os.environ['PATH']}"
    process = site.start(*argv, f"mac={MAC},bridge={BRIDGE},", env={"PATH": path})
    try:
        wait_until(mark.exists, 5, "asked")
        process.terminate()
        code = process.wait(5)
    finally:
        process.kill()
        process.communicate()
    site.assert_nothing_left(within=1)
    assert code == 8
