"""What the hook writes for QEMU's -readconfig, and where a domain's XML may name it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pypxeboot.output import qemu_readconfig
from tests.support.ground import kernels, tools
from tests.support.samples.readconfig import MOST


@pytest.mark.parametrize("cmdline", ["x" * MOST, "a  b=c,d,,e 'f' # %s $x [y] z=\\", "\t=\x7f"])
def test_qemu_reads_it(probe_kernel: Callable[[str], bytes], tmp_path: Path, cmdline: str) -> None:
    kernel, initrd, config = (tmp_path / name for name in ("k", "i", "c"))
    kernel.write_bytes(probe_kernel("config"))
    initrd.write_bytes(b"ramdisk")
    config.write_bytes(qemu_readconfig.config(str(kernel), str(initrd), cmdline))
    argv = [tools.need("qemu-system-x86_64"), "-nodefaults", "-machine", "q35,accel=tcg", "-m", "64"]
    said = kernels.run_probe([*argv, "-readconfig", str(config)], tmp_path)
    assert (said.tag, said.cmdline, said.data) == ("config", cmdline, b"ramdisk")
