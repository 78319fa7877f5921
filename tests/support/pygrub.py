"""pygrub, unpacked from Debian's package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.errors import HandoverError
from pypxeboot.xen import pygrub as localboot
from tests.support.ground import tools


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
