"""Which module may import what.

Modules are pure unless they stand in EDGES or WIRES: they import value modules of the standard library and
each other, and do not open, print, sleep, or ask for the time. Edges do input and output, and know nothing of
each other. Wires bring both together. Each third-party package is the business of one file.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pypxeboot"

WIRES = set(
    """
    __main__ answers arguments attendance boot capture cli client clientprocess discovery discovery6 doctor
    domainboot download dualstack examination explain guestnet host hostchecks hostside identity kept lab
    options perform pxeserver settled transports virt virthook virtstart virtwatch xl
    """.split()
)
EDGES = set(
    """
    bootfiles channel conffiles console fetch frames ftpget handover.libvirt hookfiles httpget
    link linuxbridge localboot logs lua macvlan marks ovs ping place ports resolve routed sandbox
    servicemanager signature sink store streams terminfo tftp toolstack udpline workers xenstore
    """.split()
)
WAYS = {"linuxbridge", "macvlan", "ovs", "routed"}
TOGETHER = {
    ("tftp", "udpline"),
    ("console", "terminfo"),
    ("httpget", "streams"),
    ("ftpget", "streams"),
    ("ports", "link"),
    ("place", "ports"),
    ("place", "link"),
}
"""Edges in several files each."""
TOGETHER |= {(way, part) for way in WAYS for part in ("ports", "link")} | {("place", way) for way in WAYS}

VALUE_MODULES = set(
    """
    __future__ abc base64 binascii bisect codecs.getincrementaldecoder collections configparser contextlib
    copy
    dataclasses enum fnmatch functools hashlib hmac http.HTTPStatus ipaddress itertools json math operator
    pathlib.PurePosixPath
    re shlex string struct textwrap types typing unicodedata urllib.parse uuid zlib
    bz2 lzma lz4.block zstandard xml.etree.ElementTree xml.parsers.expat
    """.split()
)
CALLS_OUT = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}

THIRD_PARTY = {
    "scapy": "frames",
    "tftpy": "tftp",
    "requests": "httpget",
    "urllib3": "httpget",
    "dns": "resolve",
    "asn1crypto": "signature",
    "cryptography": "signature",
    "lz4": "unpack",
    "zstandard": "unpack",
    "libvirt": "handover.libvirt",
    "libvirt_qemu": "handover.libvirt",
    "lupa": "lua",
    "passlib": "passwords",
}
"""The one module that may import each package."""


def modules() -> dict[str, ast.Module]:
    """Every module of the package, by its name below ``pypxeboot``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__") if name != "__init__" else ""] = ast.parse(
            path.read_text(), str(path)
        )
    return found


MODULES = modules()
PURE = sorted(name for name in MODULES if name and name not in EDGES | WIRES)


def imports(tree: ast.AST) -> Iterator[str]:
    """The full name of everything imported anywhere in ``tree``, type-checking blocks apart."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node)


def own(tree: ast.AST) -> set[str]:
    """The modules of this package among the imports of ``tree``."""
    found = set()
    for name in imports(tree):
        if name.startswith("pypxeboot."):
            parts = name.split(".")[1:]
            found.add(
                max(
                    (m for m in MODULES if m and parts[: m.count(".") + 1] == m.split(".")),
                    key=len,
                    default="",
                )
            )
    return found - {""}


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_nothing(name: str) -> None:
    outside = {i for i in imports(MODULES[name]) if not i.startswith("pypxeboot.") and i != "pypxeboot"}
    known = VALUE_MODULES | {package for package, user in THIRD_PARTY.items() if user == name}
    strange = {i for i in outside if not any(i == v or i.startswith(f"{v}.") for v in known)}
    assert not strange, "not modules of plain values (is this an edge? then say so above)"
    called = {
        n.func.id for n in ast.walk(MODULES[name]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not called & CALLS_OUT
    assert not own(MODULES[name]) & (EDGES | WIRES), "pure modules import pure ones only"


@pytest.mark.parametrize("name", sorted(EDGES & set(MODULES)))
def test_edges_do_not_know_each_other(name: str) -> None:
    known = {other for other in own(MODULES[name]) - {name} if (name, other) not in TOGETHER}
    assert not known & (EDGES | WIRES)


@pytest.mark.parametrize("package", sorted(THIRD_PARTY))
def test_third_party_packages_have_one_place_each(package: str) -> None:
    users = {n for n, tree in MODULES.items() if any(i.split(".")[0] == package for i in imports(tree))}
    assert users <= {THIRD_PARTY[package]}


def test_only_known_packages_are_imported() -> None:
    tops = {i.split(".")[0] for tree in MODULES.values() for i in imports(tree)}
    if sys.version_info >= (3, 10):
        tops -= sys.stdlib_module_names
        assert tops <= {"pypxeboot", *THIRD_PARTY}


def test_heavy_packages_are_not_loaded_at_start() -> None:
    program = "import sys, pypxeboot.cli; print(*{m.split('.')[0] for m in sys.modules})"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(THIRD_PARTY)


def test_the_checks_can_fail() -> None:
    tree = ast.parse("import socket\ndef f():\n    from pypxeboot.link import join\n    import scapy.all")
    assert set(imports(tree)) == {"socket", "pypxeboot.link.join", "scapy.all"}
    assert own(tree) <= {"link"}
