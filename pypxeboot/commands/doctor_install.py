"""``pypxeboot doctor --install``: what of pypxeboot is missing on this host, where others would look for it.

Nothing is asked of the network, and nothing is changed. What a package or ``scripts/install`` brings is
looked for in the places of both.
"""

from __future__ import annotations

import importlib.util
import pwd
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

from pypxeboot.config.argument_parser import Parser
from pypxeboot.doctor import findings
from pypxeboot.doctor.findings import Finding, Level
from pypxeboot.errors import PxeBootError
from pypxeboot.host.output_files import write

_AGAIN = "run scripts/install again, or install the package"
# Where systemd's services, cron and xl's callers look; a login shell may know more.
_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_SHARE = ("usr/local/share", "usr/share")
_UNITS = (
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
# libxl_bootloader.c: a bootloader without a path is looked for in libxl's own directory before PATH.
_XEN = ("usr/lib/xen-*/bin", "usr/libexec/xen/bin")
_HOOKS = ("etc/libvirt/hooks/qemu.d/pypxeboot", "etc/libvirt/hooks/qemu")
_MODULES = {
    "passlib": ("passwords of menus are not checked", "python3-passlib, or libpass of PyPI"),
    "cryptography": ("no verified boot, and no imgverify", "python3-cryptography"),
    "asn1crypto": ("no verified boot, and no imgverify", "python3-asn1crypto"),
    "lupa": ("no lua.c32", "python3-lupa, or lupa of PyPI"),
    "lz4": ("whether Xen boots a kernel in lz4 is not known", "python3-lz4"),
    "zstandard": ("whether Xen boots a kernel in zstd is not known", "python3-zstandard"),
}
"""What is lost without a Python package, and who has it."""


def run(argv: Sequence[str]) -> int:
    """Say what is installed; return the exit code, 1 where something is missing. Raises UsageError."""
    parser = Parser(prog="pypxeboot doctor --install", description="Say what of pypxeboot is missing here.")
    parser.add_argument("--install", action="store_true", help="look at what is installed, and at no boot")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    found = parser.parse_args(argv)
    seen: list[Finding] = []
    for finding in installation():
        seen.append(finding)
        if not found.json:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            write(None, findings.format_line(finding, width).encode())
    verdict = _verdict(seen)
    write(None, findings.json_document(seen, verdict) if found.json else f"{verdict}\n".encode())
    return findings.exit_code(seen)


def _verdict(seen: Sequence[Finding]) -> str:
    count = sum(finding.level is not Level.OK for finding in seen)
    failed = findings.exit_code(seen)
    if failed:
        return f"something is missing: {count} of {len(seen)} lines say so"
    return f"it is installed, with {count} warning{'s' * (count > 1)}" if count else "all of it is there"


def installation(root: Path = Path("/")) -> Iterator[Finding]:
    """Yield what there is of pypxeboot below ``root``, and what is missing."""
    yield _program(root, "pypxeboot")
    for name, package in (("ip", "iproute2"), ("bridge", "iproute2"), ("nsenter", "util-linux")):
        if _find(root, name) is None:
            yield _missing("tools", f"no {name}", f"install {package}")
    yield _user()
    yield _one_of(root, "config", [Path("etc/pypxeboot.conf")], "its defaults hold")
    yield _one_of(root, "manual", [Path(f"{share}/man/man8/pypxeboot.8*") for share in _SHARE], "no man page")
    places = [Path(f"{share}/bash-completion/completions/pypxeboot") for share in _SHARE]
    yield _one_of(root, "shells", places, "no completions")
    for name, (lost, package) in _MODULES.items():
        if importlib.util.find_spec(name) is None:
            yield findings.warn("Python", f"no {name}: {lost}", f"install {package}")
    yield from _xen(root)
    yield from _libvirt(root)


def _find(root: Path, name: str) -> Optional[Path]:
    return next((root / place / name for place in _PATH if (root / place / name).exists()), None)


def _missing(topic: str, text: str, hint: str = _AGAIN) -> Finding:
    return findings.fail(topic, PxeBootError(text, hint=hint))


def _program(root: Path, name: str) -> Finding:
    found = _find(root, name)
    if found is None:
        return _missing("commands", f"no {name} in {':'.join(f'/{place}' for place in _PATH)}")
    return findings.ok("commands", f"{found}")


def _user() -> Finding:
    try:
        return findings.ok("user", f"the client process is pypxeboot, uid {pwd.getpwnam('pypxeboot').pw_uid}")
    except KeyError:
        text = "there is no user pypxeboot: the client process is nobody's, as others are"
        return findings.warn("user", text, "systemd-sysusers pypxeboot.conf")


def _one_of(root: Path, topic: str, places: Sequence[Path], lost: str) -> Finding:
    for place in places:
        for found in sorted((root / place.parent).glob(place.name)):
            return findings.ok(topic, f"{found}")
    return findings.warn(topic, f"no /{places[-1]}: {lost}", _AGAIN)


def _xen(root: Path) -> Iterator[Finding]:
    folders = [folder for place in _XEN for folder in sorted(root.glob(place)) if folder.is_dir()]
    if not folders and _find(root, "xl") is None:
        return
    if _find(root, "pypxeboot-xl") is None:
        text = "Xen is here, and pypxeboot is not installed for it"
        yield findings.warn("Xen", text, "scripts/install --with xen, or the package pypxeboot-xen")
        return
    yield _program(root, "pypxeboot-xl")
    for folder in folders:
        if (folder / "pypxeboot").exists():
            yield findings.ok("Xen", f"{folder}/pypxeboot, where libxl looks first")
        else:
            text = f"no pypxeboot in {folder}: xl finds it only by the PATH of whoever calls it"
            yield findings.warn("Xen", text, _AGAIN)


def _libvirt(root: Path) -> Iterator[Finding]:
    daemons = ("libvirtd", "virtqemud", "virsh")
    if all(_find(root, name) is None for name in daemons):
        return
    if _find(root, "pypxeboot-virt") is None:
        text = "libvirt is here, and pypxeboot is not installed for it"
        yield findings.warn(
            "libvirt", text, "scripts/install --with libvirt, or the package pypxeboot-libvirt"
        )
        return
    yield _program(root, "pypxeboot-virt")
    if importlib.util.find_spec("libvirt") is None:
        yield _missing("libvirt", "this Python has no module libvirt", "install python3-libvirt, then again")
    yield _unit(root)
    yield _hook(root)
    yield from _apparmor(root)


def _unit(root: Path) -> Finding:
    unit = next(
        (path for place in _UNITS if (path := root / place / "pypxeboot-virt.service").exists()), None
    )
    if unit is None:
        return findings.warn("libvirt", "no pypxeboot-virt.service: only hook, start and run", _AGAIN)
    program = re.search(r"^ExecStart=(\S+)", unit.read_text("utf-8", "replace"), re.MULTILINE)
    if program is None or not (root / program[1].lstrip("/")).exists():
        return _missing("libvirt", f"{unit} starts what is not there")
    return findings.ok("libvirt", f"{unit}")


def _hook(root: Path) -> Finding:
    for place in _HOOKS:
        hook = root / place
        if not hook.is_file() or "pypxeboot-virt-hook" not in (text := hook.read_text("utf-8", "replace")):
            continue
        named = re.search(r"(\S*)pypxeboot-virt-hook", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE))
        folder = "" if named is None else named[1].strip("/\"'")
        there = (
            (root / folder / "pypxeboot-virt-hook").exists() if folder else _find(root, "pypxeboot-virt-hook")
        )
        if not there:
            return _missing("hook", f"{hook} runs a pypxeboot-virt-hook that is not there")
        if not hook.stat().st_mode & 0o100:
            return _missing("hook", f"{hook} is not executable", f"chmod 755 {hook}")
        return findings.ok("hook", f"{hook}")
    text = "no hook: domains that name its files start without the network"
    return findings.warn("hook", text, _AGAIN)


def _apparmor(root: Path) -> Iterator[Finding]:
    """Look at the profiles of Debian and Ubuntu: libvirtd may run what is in /usr/bin, and no other hooks."""
    profile, own = root / "etc/apparmor.d/usr.sbin.libvirtd", root / "etc/apparmor.d/local/usr.sbin.libvirtd"
    program = _find(root, "pypxeboot-virt-hook")
    if not profile.exists() or program is None or not (root / "sys/module/apparmor").is_dir():
        return
    real = program.resolve()
    if str(real.parent) == "/usr/bin" or (own.exists() and str(real) in own.read_text("utf-8", "replace")):
        return
    text = f"AppArmor may keep libvirtd from running {real}"
    yield findings.warn("hook", text, f'the line "{real} PUx," in /{own.relative_to(root)}, then reload it')
