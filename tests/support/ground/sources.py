"""Sources of other projects, as they were released and with our patches on them (patches/)."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Optional, Union

from tests.support.ground import tools

PATCHES = tools.ROOT / "patches"
OF = {
    "tftpy": ("tftpy-foreign-tid", "tftpy-windowsize"),
    "busybox": ("busybox-udhcpc-client-mac",),
    "u-boot": ("u-boot-default-arch",),
    "xen": ("libxl-bootloader-vifs",),
}


def run(*argv: Union[str, Path], cwd: Optional[Path] = None, text: str = "", seconds: float = 600) -> str:
    """Run a program that has to succeed, and give what it said."""
    done = subprocess.run(argv, cwd=cwd, input=text, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{argv[0]}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def source(name: str) -> Path:
    """The source as it was released."""
    fetched = subprocess.run([tools.ROOT / "scripts/fetch-sources", name], capture_output=True, text=True)
    path = tools.CACHE / "sources" / name
    if fetched.returncode or not path.is_dir():
        tools.missing(f"the source of {name}, of which scripts/fetch-sources {name} tells more,")
    return path


def patched(name: str, target: Path, *names: str) -> Path:
    """A copy of the source with these patches (all of them, without a name) on it."""
    shutil.copytree(source(name), target, symlinks=True)
    tools.need("patch")
    for patch in names or OF[name]:
        said = run("patch", "-p1", "--fuzz=0", cwd=target, text=(PATCHES / f"{patch}.patch").read_text())
        assert "Hunk" not in said  # neither failed nor at another line
    return target


def built(name: str, *stamps: str) -> Path:
    """Where what is built of this patch is kept; another patch or way of building has another place."""
    text = "".join((PATCHES / f"{patch}.patch").read_text() for patch in OF[name]) + "".join(stamps)
    return tools.CACHE / "built" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
