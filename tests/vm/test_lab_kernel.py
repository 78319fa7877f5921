"""The stand-in for a kernel that pypxeboot-lab serves, as a newcomer would boot it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pypxeboot.lab import sample_tree
from tests.support.ground import tools
from tests.support.ground.net import wait_until


def test_it_starts_with_an_initrd_and_says_what_it_is(tmp_path: Path) -> None:
    files = sample_tree.sample(kernel=None, initrd=None)
    for name in ("vmlinuz", "initrd.img"):
        (tmp_path / name).write_bytes(files[name])
    argv = [tools.need("qemu-system-x86_64"), "-nodefaults", "-display", "none", "-machine", "q35,accel=tcg"]
    argv += ["-kernel", str(tmp_path / "vmlinuz"), "-initrd", str(tmp_path / "initrd.img"), "-m", "64"]
    argv += ["-serial", f"file:{tmp_path / 'said'}"]
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        said = tmp_path / "said"
        wait_until(lambda: said.exists() and b"serves one that can" in said.read_bytes(), 120, "its words")
        assert machine.poll() is None
    finally:
        machine.kill()
        machine.wait()
