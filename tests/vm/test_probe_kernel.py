"""The test ground itself: its servers serve an ordinary client, and what is left behind is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.ground import kernels, tools


def test_probe_kernel_says_what_it_was_handed(probe_kernel: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(probe_kernel("the tag"))
    ramdisk = bytes(range(256)) * 20
    (tmp_path / "ramdisk").write_bytes(ramdisk)
    argv = [tools.need("qemu-system-x86_64"), "-nodefaults", "-machine", "q35,accel=tcg", "-m", "64"]
    argv += [
        "-kernel",
        str(tmp_path / "kernel"),
        "-initrd",
        str(tmp_path / "ramdisk"),
        "-append",
        " a=1  b ='c' ",
    ]
    said = kernels.run_probe(argv, tmp_path)
    assert (said.tag, said.cmdline) == ("the tag", " a=1  b ='c' ")
    assert (said.size, said.checksum, said.data) == (5120, kernels.checksum(ramdisk), ramdisk[:4096])
