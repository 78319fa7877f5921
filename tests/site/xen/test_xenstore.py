"""What xenstore knows of a domain, by a stand-in for ``xenstore-read``: the real one needs a Xen host."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pypxeboot.guest import wire_uuid
from tests.support.ground import BRIDGE, MAC, UUID, Run, Site, wait_until
from tests.support.ground.simple import SIMPLE, asked, serve, tree
from tests.support.samples.xenstore import stand_in, store

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


@pytest.mark.parametrize(("kind", "length"), [("pv", 1023), ("pvh", 1024), ("", 1024)])
def test_a_command_line_that_fits(site: Site, tmp_path: Path, kind: str, length: int) -> None:
    long_config(site, length)
    run, output = boot(site, store(tmp_path / "bin", kind))
    items = dict(item.split(b" ", 1) for item in output.read_bytes().split(b"\0") if item)
    assert len(items[b"args"]) == length, str(run.ok())


def test_a_command_line_too_long_for_pv(site: Site, tmp_path: Path) -> None:
    long_config(site, 1024)
    run, output = boot(site, store(tmp_path / "bin", "pv"))
    assert run.rc == 9, str(run)
    assert "1024" in run.stderr and "PV" in run.stderr
    assert output.read_bytes() == b""
    site.assert_nothing_left(within=1)


def test_the_type_that_was_given_counts(site: Site, tmp_path: Path) -> None:
    long_config(site, 1024)
    run, _output = boot(site, store(tmp_path / "bin", "pv"), "--guest-type", "pvh")
    run.ok()


def test_the_uuid_leads_the_walk(site: Site, tmp_path: Path) -> None:
    serve(site, files={**tree("# nothing\n"), f"pxelinux.cfg/{wire_uuid(UUID)}": SIMPLE})
    run, output = boot(site, store(tmp_path / "bin"))
    assert b"args BOOT_IMAGE=vmlinuz x=1" in output.read_bytes(), str(run)
    log = "".join(path.read_text("latin-1") for path in site.directory.glob("*-dnsmasq.log"))
    assert f"pxelinux.cfg/{wire_uuid(UUID)}" in log and "pxelinux.cfg/01-" not in log


def test_the_uuid_that_was_given_counts(site: Site, tmp_path: Path) -> None:
    other = "11111111-2222-3333-4444-555555555555"
    serve(site, files={**tree(), f"pxelinux.cfg/{wire_uuid(UUID)}": "# not this one\n"})
    run, _output = boot(site, store(tmp_path / "bin"), "--uuid", other)
    assert wire_uuid(other) in run.ok().stderr and wire_uuid(UUID) not in run.stderr


def test_a_uuid_that_is_none_is_not_known(site: Site, tmp_path: Path) -> None:
    serve(site)
    run, output = boot(site, store(tmp_path / "bin", uuid="00000000"))
    assert output.read_bytes().startswith(b"kernel "), str(run.ok())


def test_nobody_else_asks_xenstore(site: Site, tmp_path: Path) -> None:
    serve(site)
    mark = tmp_path / "asked"
    directory = stand_in(tmp_path / "bin", f"touch {mark}")
    path = f"{directory}:{os.environ['PATH']}"
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    run = site.pypxeboot(*base, env={"PATH": path}).ok()
    assert run.result["guest"]["uuid"] in (None, "") and not mark.exists()
    walk = [url for url, _ in asked(run) if "pxelinux.cfg/" in url]
    assert walk[0].endswith("pxelinux.cfg/01-52-54-00-ab-cd-ef")
    assert shutil.which("xenstore-read", path=path) is not None


def test_ended_while_xenstore_hangs(site: Site, tmp_path: Path) -> None:
    """libxl ends a bootloader by SIGTERM, at any moment."""
    mark = tmp_path / "asked"
    directory = stand_in(tmp_path / "bin", f"touch {mark}\nexec sleep 30")
    argv = [f"--output={site.directory}/bootloader.7.out", "--output-format=simple0"]
    path = f"{directory}:{os.environ['PATH']}"
    process = site.start(*argv, f"mac={MAC},bridge={BRIDGE},", env={"PATH": path})
    try:
        wait_until(mark.exists, 30, "asked")
        process.terminate()
        code = process.wait(5)
    finally:
        process.kill()
        process.communicate()
    site.assert_nothing_left(within=1)
    assert code == 8
