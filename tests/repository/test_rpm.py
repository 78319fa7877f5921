"""The RPMs, built by rpmbuild from a source distribution of this checkout, and what is in them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pypxeboot import __version__
from tests.support.ground import tools

pytestmark = pytest.mark.sources

SPEC = tools.ROOT / "packaging/rpm/pypxeboot.spec"
NAMES = ("pypxeboot", "pypxeboot-xen", "pypxeboot-libvirt", "pypxeboot-lab")
OURS = {str(path.relative_to(tools.ROOT / "pypxeboot")) for path in (tools.ROOT / "pypxeboot").rglob("*.py")}
LAB = {name for name in OURS if name.startswith("lab/")}
XEN = {"commands/xl.py"}
LIBVIRT = {name for name in OURS if name.startswith(("virt/", "commands/virt"))}


def run(*argv: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in argv], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{argv[0]}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but what the spec names as its requirements."""
    folder = tmp_path_factory.mktemp("python")
    run(sys.executable, "-m", "venv", "venv", cwd=folder)
    program = folder / "venv/bin/python"
    packages = ("pip", "setuptools>=61", "wheel")
    run(program, "-m", "pip", "--disable-pip-version-check", "install", "-q", *packages, cwd=folder)
    return program


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, python: Path) -> dict[str, Path]:
    """The built packages by name."""
    for name in ("rpmbuild", "rpm", "rpm2cpio", "cpio"):
        tools.need(name)
    work = tmp_path_factory.mktemp("rpm")
    tree = work / "checkout"
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=tools.ROOT).splitlines()
    for name in listed:
        if (tools.ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tools.ROOT / name, tree / name)
    (work / "SOURCES").mkdir()
    make = "from setuptools import build_meta; import sys; build_meta.build_sdist(sys.argv[1])"
    run(python, "-c", make, work / "SOURCES", cwd=tree)
    define = [f"--define=_topdir {work}", f"--define=__python3 {python}", "--define=_prefix /usr"]
    run("rpmbuild", "-bb", "--nodeps", *define, SPEC, cwd=work)
    return {name: next(work.glob(f"RPMS/noarch/{name}-[0-9]*.rpm")) for name in NAMES}


def query(package: Path, *what: str) -> list[str]:
    return run("rpm", "-qp", "--nosignature", *what, package, cwd=package.parent).splitlines()


def test_version_and_requirements_are_those_of_the_project() -> None:
    spec = SPEC.read_text()
    assert f"\nVersion:        {__version__}\n" in spec
    config = configparser.ConfigParser()
    config.read(tools.ROOT / "setup.cfg")
    assert "\nRequires:       (python3-libpass or python3-passlib)\n" in spec
    named = {"dnspython": "dns"}  # Fedora's name
    for line in config["options"]["install_requires"].split("\n"):
        name = line.split(" ")[0]
        if name:
            wanted = re.escape(f"python3-{named.get(name, name)}")
            assert re.search(rf"^(Requires|Recommends): +\(?{wanted}( |\)|$)", spec, re.MULTILINE), name


def modules_in(files: set[str]) -> set[str]:
    """The modules of the project among these files, by their place in it."""
    return {line.partition("/pypxeboot/")[2] for line in files if line.endswith(".py")}


def others_in(files: set[str]) -> set[str]:
    """The names of the other files that are not directories of the package."""
    return {Path(line).name.replace(".gz", "") for line in files if "/site-packages/" not in line}


def completions(name: str) -> set[str]:
    """The names of a command's completions: that of bash is the command's own."""
    return {name, f"_{name}", f"{name}.fish"}


def test_file_lists(packages: dict[str, Path]) -> None:
    files = {
        name: {line for line in query(path, "-l") if not line.startswith("(")}
        for name, path in packages.items()
    }
    base, xen, lab = files["pypxeboot"], files["pypxeboot-xen"], files["pypxeboot-lab"]
    assert modules_in(base) == OURS - LAB - XEN - LIBVIRT
    assert (modules_in(xen), modules_in(lab)) == (XEN, LAB)
    assert modules_in(files["pypxeboot-libvirt"]) == LIBVIRT
    assert any(line.endswith("/pypxeboot/udhcpc-script") for line in base)
    assert any(line.endswith("/pypxeboot/py.typed") for line in base)
    assert any(line.endswith("/pypxeboot/lua/prelude.lua") for line in base)
    pages = {path.name for path in (tools.ROOT / "man").iterdir()}
    everything = set().union(*files.values())
    assert {Path(line).name.replace(".gz", "") for line in everything if "/man/man" in line} == pages
    assert "/etc/pypxeboot.conf.d" in base
    assert query(packages["pypxeboot"], "-c") == ["/etc/pypxeboot.conf"], "kept where it was changed"
    assert {"/usr/bin/pypxeboot", "/usr/share/bash-completion/completions/pypxeboot"} <= base
    assert {"/usr/libexec/xen/bin/pypxeboot", "/usr/bin/pypxeboot-xl"} <= xen
    assert others_in(xen) == {"pypxeboot", "pypxeboot-xl", "pypxeboot-xl.8"} | completions("pypxeboot-xl")
    assert {"/usr/share/pypxeboot/qemu-guest", "/usr/lib/systemd/system/pypxeboot-qemu@.service"} <= base
    assert {"/usr/lib/sysusers.d/pypxeboot.conf", "/usr/lib/tmpfiles.d/pypxeboot.conf"} <= base
    assert others_in(lab) == {"pypxeboot-lab"} | completions("pypxeboot-lab")
    hook = "/etc/libvirt/hooks/qemu.d/pypxeboot"
    libvirt = files["pypxeboot-libvirt"] - {hook, str(Path(hook).parent)}
    assert len(libvirt) == len(files["pypxeboot-libvirt"]) - 2
    assert {name for name in others_in(libvirt) if not name.endswith(".8")} == {
        "pypxeboot-virt",
        "pypxeboot-virt-hook",
        "pypxeboot-virt.service",
    } | completions("pypxeboot-virt")
    assert "/usr/share/bash-completion/completions/pypxeboot-virt" in libvirt
    assert "/usr/lib/systemd/system/pypxeboot-virt.service" in libvirt


def test_dependencies(packages: dict[str, Path]) -> None:
    needs = {name: " ".join(query(path, "--requires")) for name, path in packages.items()}
    for word in (
        "python3-scapy >= 2.5",
        "python3-tftpy",
        "python3-requests",
        "python3-dns",
        "iproute",
        "util-linux",
    ):
        assert word in needs["pypxeboot"]
    for name in NAMES[1:]:
        assert f"pypxeboot = {__version__}-1" in needs[name]
    assert "xen-runtime" in needs["pypxeboot-xen"] and "python3-libvirt" in needs["pypxeboot-libvirt"]
    assert "python3-lz4" in " ".join(query(packages["pypxeboot"], "--recommends"))
    assert not any(str(tools.ROOT) in line or "/venv/" in line for line in query(packages["pypxeboot"], "-l"))


def test_installed_into_a_root_of_its_own(packages: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "var/lib/rpm").mkdir(parents=True)
    argv = [
        "--root",
        root,
        "--nodeps",
        "--noscripts",
        "--nosignature",
        "--ignorearch",
        "-i",
        *packages.values(),
    ]
    run("rpm", *argv, cwd=tmp_path)
    assert set(run("rpm", "--root", root, "-qa", "--qf", "%{NAME}\n", cwd=tmp_path).split()) == set(NAMES)
    site = next(root.glob("usr/lib/python3*/site-packages/pypxeboot")).parent
    for name in ("pypxeboot", "pypxeboot-lab", "pypxeboot-virt", "pypxeboot-xl"):
        program = root / "usr/bin" / name
        assert program.read_text().startswith("#!/") and program.stat().st_mode & 0o777 == 0o755
        done = subprocess.run(
            [sys.executable, program, "--version"],
            env={**os.environ, "PYTHONPATH": str(site)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.stdout.split()[-1] == __version__, done.stderr
    hook = root / "etc/libvirt/hooks/qemu.d/pypxeboot"
    assert hook.read_bytes() == (tools.ROOT / "scripts/libvirt-hook").read_bytes()
    assert hook.stat().st_mode & 0o777 == 0o755
    link = root / "usr/libexec/xen/bin/pypxeboot"
    assert link.readlink() == Path("/usr/bin/pypxeboot")
    where = [sys.executable, "-c", "import pypxeboot; print(pypxeboot.__file__)"]
    found = subprocess.run(
        where, env={**os.environ, "PYTHONPATH": str(site)}, cwd=tmp_path, capture_output=True
    )
    assert str(root) in found.stdout.decode()
