"""Kernels inside kernel files: what can boot them, and that none costs more than it may."""

from __future__ import annotations

import gzip
import lzma

import pytest
import zstandard

from tests.support.ground import BRIDGE, MAC, Run, Site
from tests.support.ground.kernels import XEN_PVH, xen_elf
from tests.support.ground.simple import serve, tree
from tests.support.samples.packed_kernels import BOTH, MIB, PACK, image, inspected

# ---- whole boots


def boot(site: Site, *args: str, kernel: bytes, kind: str = "simple0") -> Run:
    serve(site, files={**tree(), "vmlinuz": kernel})
    argv = ("--output-format", kind, "--output-directory", str(site.out), "--mac", MAC, "--bridge", BRIDGE)
    return site.pypxeboot(*argv, *args)


@pytest.mark.parametrize("kind", PACK)
def test_the_client_looks_inside_though_locked_up(site: Site, kind: str) -> None:
    run = boot(site, kernel=image(PACK[kind](xen_elf())), kind="json").ok()
    assert run.result["kernel"]["boots"] == [*BOTH, "qemu"]


def test_a_kernel_that_cannot_boot_as_pv(site: Site) -> None:
    hopeless = image(gzip.compress(xen_elf(XEN_PVH)))
    argv = ("--hypervisor", "xen", "--guest-type", "pv")
    run = boot(site, *argv, kernel=hopeless)
    assert run.rc == 7, str(run)
    assert "vmlinuz cannot boot as PV: it boots as PVH only" in run.stderr and 'type="pvh"' in run.stderr
    site.assert_nothing_left(within=1)
    assert b"kernel " in site.pypxeboot(*run.argv, "--guest-type", "pvh").ok().stdout
    assert b"kernel " in site.pypxeboot(*run.argv, "--no-kernel-check").ok().stdout


def test_of_unknown_type_only_what_boots_as_neither_is_refused(site: Site) -> None:
    run = boot(site, "--hypervisor", "xen", kernel=image(gzip.compress(xen_elf(b""))))
    assert run.rc == 7 and "cannot boot as PV or PVH" in run.stderr, str(run)


def test_onerror_has_its_chance(site: Site) -> None:
    config = "DEFAULT a\nONERROR b\nLABEL a\n KERNEL vmlinuz\nLABEL b\n KERNEL other\n"
    serve(site, files={**tree(config), "vmlinuz": image(gzip.compress(xen_elf(b"")))})
    run = site.boot("--hypervisor", "xen").ok()
    assert (run.result["label"], run.result["reason"]) == ("b", "onerror")
    assert "cannot boot as PV or PVH" in run.stderr


def test_windows_as_large_as_kernels_have_them(site: Site) -> None:
    """xz and zstd may ask for 128 MiB (scripts/xz_wrap.sh, zstd -22 --ultra), whatever the sandbox allows."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 128 * MIB}]
    wide = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=0)
    for packed in (
        lzma.compress(xen_elf(before=MIB), lzma.FORMAT_XZ, filters=filters),
        zstandard.ZstdCompressor(compression_params=wide).compress(xen_elf(before=MIB)),
    ):
        assert inspected(image(packed)).boots == (*BOTH, "qemu")
        run = boot(site, kernel=image(packed), kind="json").ok()
        assert run.result["kernel"]["boots"] == [*BOTH, "qemu"], str(run)
        site.stop_servers()
