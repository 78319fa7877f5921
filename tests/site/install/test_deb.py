"""Debian's packages: built, looked over by lintian, and their life in a Debian without anything of ours."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypxeboot import __version__
from tests.support.ground import kernels, tools
from tests.support.ground.clean_root import LIBVIRTD, CleanRoot, clean_root

pytestmark = pytest.mark.sources

NAMES = ("pypxeboot", "pypxeboot-xen", "pypxeboot-libvirt", "pypxeboot-lab")
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
LAB = "pypxeboot-lab run --name pxdeb -- "


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages."""
    for name in ("dh", "dh_python3", "dpkg-buildpackage"):
        tools.need(name)
    folder = tmp_path_factory.mktemp("deb")
    argv = [tools.ROOT / "scripts/package", "deb", "--output", folder]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Iterator[CleanRoot]:
    """The root, with the packages in /debs, and an older one of the first in /old."""
    with clean_root(tmp_path_factory.mktemp("root")) as made:
        made.run("mkdir /tmp/debs")
        for path in built.glob("*.deb"):
            with path.open("rb") as file:
                made.write(f"/tmp/debs/{path.name}", file.read())
        yield made


@pytest.fixture(scope="module")
def before(root: CleanRoot) -> dict[str, str]:
    return root.tree()


@pytest.fixture(scope="module")
def installed(root: CleanRoot, before: dict[str, str]) -> str:
    return root.run(f"{APT} update && {APT} install --no-install-recommends /tmp/debs/*.deb", cwd="/")


def test_the_version_is_that_of_the_project() -> None:
    text = (tools.ROOT / "packaging/debian/changelog").read_text()
    assert text.startswith(f"pypxeboot ({__version__}) ")


def test_there_are_four(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {f"{name}_{__version__}_all.deb" for name in NAMES}


def test_lintian_finds_no_errors(built: Path) -> None:
    argv = [
        tools.need("lintian"),
        "--allow-root",
        "--fail-on",
        "error",
        *map(str, sorted(built.glob("*.deb"))),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and not re.search("^E:", done.stdout, re.MULTILINE), done.stdout


def test_every_file_is_in_one_package(built: Path) -> None:
    """And all modules are; tftpy is nobody's but ours."""
    seen: dict[str, str] = {}
    for path in sorted(built.glob("*.deb")):
        listed = subprocess.run(["dpkg-deb", "-c", path], capture_output=True, text=True, check=True).stdout
        for name in (line.split()[5] for line in listed.splitlines() if not line.startswith("d")):
            assert name not in seen, f"{name} of {path.name} is in {seen[name]}, too"
            seen[name] = path.name.partition("_")[0]
    site = "./usr/lib/python3/dist-packages/"
    for module in (tools.ROOT / "pypxeboot").rglob("*.py"):
        name = str(module.relative_to(tools.ROOT))
        owner = seen[site + name]
        part = re.match(r"pypxeboot/(lab/|virt/|commands/(xl|virt))", name)
        last = {"lab/": "-lab", "virt/": "-libvirt", "commands/xl": "-xen", "commands/virt": "-libvirt"}
        assert owner == f"pypxeboot{last[part[1]] if part else ''}"
    assert f"{site}pypxeboot/fetch/tftp/tftpy/__init__.py" in seen
    assert not [name for name in seen if name.startswith(f"{site}tftpy")]
    assert seen["./etc/libvirt/hooks/qemu.d/pypxeboot"] == "pypxeboot-libvirt"


def test_commands_pages_and_units_are_there(root: CleanRoot, installed: str) -> None:
    for name in ("pypxeboot", "pypxeboot-lab", "pypxeboot-virt", "pypxeboot-xl"):
        assert root.run(f"{name} --version", cwd="/") == f"{name} {__version__}\n"
    root.run("man -w pypxeboot pypxeboot-virt pypxeboot-xl pypxeboot.conf", cwd="/")
    root.run("systemd-analyze verify /lib/systemd/system/pypxeboot-virt.service; getent passwd pypxeboot")
    said = root.run("pypxeboot doctor --install", cwd="/")
    assert not re.search(
        "^(FAIL|WARN) +(commands|user|config|manual|shells|libvirt|hook)", said, re.MULTILINE
    )
    assert root.run("python3 -c 'import tftpy'", cwd="/", expect=1)


def test_the_lab_and_a_libvirt_domain_boot(root: CleanRoot, installed: str) -> None:
    boot = "mkdir /tmp/boot; " + LAB + "pypxeboot --mac 52:54:00:12:34:56 --bridge br0 --label rescue --json "
    result = json.loads(root.run(boot + "--output-directory /tmp/boot 2>/dev/null", cwd="/"))
    assert result["label"] == "rescue" and result["ramdisk"]["size"] > 0
    start = "pypxeboot-virt start -v web; virsh domstate web; virsh dumpxml web; virsh destroy web"
    script = f"set -e; {LIBVIRTD}\n{start}"
    root.write("/tmp/start", script.encode())
    # The lab's own kernel is too small for QEMU to start it with an initrd.
    root.run("mkdir -p /tmp/tree/pxelinux.cfg")
    config = "DEFAULT linux\nLABEL linux\n KERNEL vmlinuz\n INITRD i1\n"
    for name, data in {
        "pxelinux.cfg/default": config.encode(),
        "vmlinuz": kernels.dummy("deb"),
        "i1": b"i",
    }.items():
        root.write(f"/tmp/tree/{name}", data)
    said = root.run("pypxeboot-lab run --name pxdeb --root /tmp/tree -- bash /tmp/start", cwd="/")
    assert "\nrunning\n" in said and "<kernel>/var/lib/libvirt/boot/pypxeboot/" in said


def test_an_upgrade_keeps_what_was_changed(root: CleanRoot, installed: str) -> None:
    root.run("echo '[web]' >>/etc/pypxeboot.conf")
    newer = (
        "cd /tmp && rm -rf new && dpkg-deb -R debs/pypxeboot_*.deb new && "
        "sed -i 's/^Version: .*/Version: 9.0/' new/DEBIAN/control && "
        "echo '# newer' >>new/etc/pypxeboot.conf && dpkg-deb -b new new.deb && "
        "dpkg --force-depends --force-confold -i new.deb"
    )
    root.run(newer, cwd="/")
    assert root.run("tail -n 1 /etc/pypxeboot.conf", cwd="/") == "[web]\n"
    assert root.run("dpkg-query -W -f '${Version}' pypxeboot", cwd="/") == "9.0"
    root.run("dpkg --force-confold -i /tmp/debs/*.deb", cwd="/")  # and back, for what follows


def test_after_purge_all_is_as_before(root: CleanRoot, before: dict[str, str], installed: str) -> None:
    names = " ".join(NAMES)
    root.run(f"{APT} remove {names}", cwd="/")
    assert root.run("tail -n 1 /etc/pypxeboot.conf", cwd="/") == "[web]\n"
    root.run(f"dpkg --purge {names} && {APT} autoremove --purge", cwd="/")
    after = root.tree()
    left = {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)}
    assert not [path for path in left if "pypxeboot" in path]
    # libvirtd's own, of the domain that was started; and what packages leave that ours need, as netbase.
    others = "/(etc|var/lib)/libvirt|/usr/(share|lib|bin|include)/"
    others += "|/etc/(ethertypes|hosts|networks|protocols|rpc|services)$"
    assert {path for path in left if not re.match(others, path)} == set()
