"""Which package may import which, in one table, and what a pure package may touch.

A package imports the vocabulary at the top, itself, and the packages that its row names: all of them stand
below it. Pure packages import value modules of the standard library, and do not open, print, sleep, or ask
for the time. Each third-party package is the business of one file.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from pypxeboot.client import loaders
from pypxeboot.links.kinds import LINKS
from pypxeboot.links.link import Link
from pypxeboot.output.formats import FORMATS, OutputFormat
from tests.support.modules import MODULES, PACKAGE, PACKAGES

TABLE = """
    commands:          config doctor explain host links output privsep virt virt.admin \
                       virt.hook virt.records virt.watch xen
    lab:               dhcp kernel
    xen:               config
    virt.admin:        config doctor virt virt.records
    virt.watch:        config host privsep virt virt.hook virt.records
    virt.hook:         config host output privsep virt virt.records
    virt:              config host output privsep virt.records
    virt.records:
    config:            fetch.http links output
    host:              client dhcp links net privsep signing terminal
    links:             doctor privsep
    client:            dhcp doctor fetch fetch.http grub ipxe kernel lua net privsep signing syslinux.loader \
                       terminal uboot
    signing:           kernel privsep
    ipxe:              dhcp ipxe.commands ipxe.engine syslinux.loader
    ipxe.commands:     ipxe.engine terminal
    ipxe.engine:       dhcp kernel terminal
    uboot:             syslinux.config
    grub:              grub.commands grub.engine grub.menu
    grub.menu:         grub.commands grub.engine terminal
    grub.commands:     grub.engine terminal
    grub.engine:       kernel terminal
    explain:           dhcp privsep syslinux.config
    syslinux:
    syslinux.loader:   syslinux.com32 syslinux.config syslinux.menu terminal
    syslinux.com32:    syslinux.config
    syslinux.menu:     syslinux.config terminal
    syslinux.config:   terminal
    lua:
    fetch:             fetch.http fetch.tftp net
    fetch.http:        net
    fetch.tftp:        net
    net:               dhcp privsep
    doctor:            dhcp
    dhcp:
    kernel:
    terminal:
    output:
    privsep:
"""
"""The whole import rule: a package, and all that it imports beside the vocabulary at the top, from above to
below. ``__main__`` alone stands above the table."""

ROWS = {
    name.strip(): set(below.split()) for name, _, below in (r.partition(":") for r in TABLE.split("\n")) if _
}

PURE = set(
    """
    dhcp kernel doctor output uboot ipxe ipxe.engine ipxe.commands grub grub.engine grub.commands grub.menu
    syslinux syslinux.config syslinux.menu syslinux.com32 syslinux.loader
    """.split()
)
"""Packages that are pure as wholes, as the vocabulary at the top is."""

SYSTEM = {
    "terminal": {"console", "terminfo"},
    "lua": {"script"},
    "explain": {"reader"},
}
"""Packages that are pure but for these modules."""

VALUE_MODULES = set(
    """
    __future__ abc base64 binascii bisect codecs.getincrementaldecoder collections configparser contextlib
    difflib copy dataclasses enum fnmatch functools hashlib hmac html.escape http.HTTPStatus ipaddress
    itertools json math operator pathlib.PurePosixPath re shlex string struct textwrap types typing
    unicodedata urllib.parse uuid zlib bz2 lzma lz4.block zstandard xml.etree.ElementTree xml.parsers.expat
    """.split()
)
LAZY = {"output.formats": {"importlib"}, "dataclass": {"os.register_at_fork", "_thread.RLock", "exec"}}
"""What finds the other modules of its own package by name, when they are asked for; and what makes classes on
first use, by one thread at a time, and writes a method of theirs."""
CALLS_OUT = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}

THIRD_PARTY = {
    "dataclasses": "dataclass",  # of the standard library, and replaced by it
    "scapy": "net.pcap",
    "tftpy": "fetch.tftp.packets",
    "requests": "fetch.http.client",
    "urllib3": "fetch.http.client",
    "dns": "net.resolver",
    "asn1crypto": "signing.signature",
    "cryptography": "signing.signature",
    "lz4": "kernel.unpack",
    "zstandard": "kernel.unpack",
    "libvirt": "virt.connection",
    "libvirt_qemu": "virt.connection",
    "lupa": "lua.script",
    "passlib": "syslinux.menu.passwords",
}
"""The one module that may import each package."""

MOST_MODULES = 15


def package_of(name: str) -> str:
    """The package that a module lies in, "" for the top."""
    return name if name in PACKAGES else name.rpartition(".")[0]


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


@cache
def imported(name: str) -> frozenset[str]:
    """The full name of everything that a module of the project imports."""
    return frozenset(imports(MODULES[name]))


def own(imported_names: Iterable[str]) -> set[str]:
    """The modules of the project among names that are imported."""
    found = set()
    for name in imported_names:
        parts = name.split(".")
        if parts[0] == "pypxeboot":
            known = [".".join(parts[1:end]) for end in range(2, len(parts) + 1)]
            found.add(next((module for module in reversed(known) if module in MODULES), ""))
    return found - {""}


@cache
def below(name: str) -> set[str]:
    """The other modules of the project that a module imports."""
    found = own(imported(name)) - {name}
    # Their tables name modules, which are imported when they are used.
    if name == "client.loaders":
        found |= {module[len("pypxeboot.") :] for module in loaders.LOADERS.values()}
    elif name == "links.kinds":
        found |= {f"links.{row.partition('.')[0]}" for rows in LINKS.values() for row in rows}
    return found


def test_the_table_has_every_package() -> None:
    assert set(ROWS) == PACKAGES - {""}
    assert PURE | set(SYSTEM) <= set(ROWS)


def test_the_table_goes_down_only() -> None:
    order = list(ROWS)
    for name, row in ROWS.items():
        higher = {other for other in row if order.index(other) <= order.index(name)}
        assert not higher, f"{name} imports what stands above it"


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"__main__", ""}))
def test_a_module_imports_what_its_row_names(name: str) -> None:
    package = package_of(name)
    allowed = {"", package} | ROWS.get(package, set())
    assert {other for other in below(name) if package_of(other) not in allowed} == set()


@pytest.mark.parametrize("package", sorted(ROWS))
def test_a_row_names_nothing_that_is_not_imported(package: str) -> None:
    used = {package_of(other) for name in MODULES if package_of(name) == package for other in below(name)}
    assert ROWS[package] - used == set()


def test_no_circles_of_modules() -> None:
    left = {name: below(name) for name in MODULES}
    while True:
        ends = {name for name, others in left.items() if not others}
        if not ends:
            break
        left = {name: others - ends for name, others in left.items() if name not in ends}
    assert not left, "each of these imports another of them"


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_is_one_room(package: str) -> None:
    inside = [name for name in MODULES if package_of(name) == package and name not in PACKAGES]
    assert len([name for name in inside if not name.endswith("__main__")]) <= MOST_MODULES
    tree = MODULES[package]
    assert ast.get_docstring(tree), "one sentence says what is in it"
    assert len(tree.body) == 1 or package == "", "nothing else: imports stay lazy"


def is_pure(name: str) -> bool:
    """Whether a module may touch nothing."""
    package, _, base = name.rpartition(".")
    if package == "":
        return name not in ("__main__", "")
    return package in PURE or (package in SYSTEM and base not in SYSTEM[package])


@pytest.mark.parametrize("name", sorted(filter(is_pure, set(MODULES) - PACKAGES)))
def test_pure_modules_touch_nothing(name: str) -> None:
    outside = {i for i in imported(name) if not i.startswith("pypxeboot.") and i != "pypxeboot"}
    known = (
        VALUE_MODULES
        | LAZY.get(name, set())
        | {package for package, user in THIRD_PARTY.items() if user == name}
    )
    strange = {i for i in outside if not any(i == v or i.startswith(f"{v}.") for v in known)}
    assert not strange, "not modules of plain values"
    called = {
        n.func.id for n in ast.walk(MODULES[name]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not (called & CALLS_OUT) - known
    assert all(is_pure(other) for other in below(name) - PACKAGES), "pure modules import pure ones only"


@pytest.mark.parametrize("package", sorted(THIRD_PARTY))
def test_third_party_packages_have_one_place_each(package: str) -> None:
    users = {name for name in MODULES if any(i.split(".")[0] == package for i in imported(name))}
    assert users <= {THIRD_PARTY[package]}


def test_dataclasses_are_made_on_first_use() -> None:
    """For each costs every start its making, used or not."""
    assert {name for name in MODULES if "dataclasses.dataclass" in imported(name)} == set()


def test_only_known_packages_are_imported() -> None:
    tops = {i.split(".")[0] for name in MODULES for i in imported(name)}
    if sys.version_info >= (3, 10):
        tops -= sys.stdlib_module_names
        assert tops <= {"pypxeboot", *THIRD_PARTY}


@pytest.mark.parametrize("name", sorted(loaders.LOADERS))
def test_a_loader_has_what_its_row_promises(name: str) -> None:
    loader = loaders.load(name)
    for function, value in ((loader.boot, "Choice"), (loader.entries, "tuple[Location, BootMenu]")):
        signature = inspect.signature(function)
        assert [parameter.annotation for parameter in signature.parameters.values()] == ["BootRequest"]
        assert signature.return_annotation == f"Steps[{value}]"


@pytest.mark.parametrize("choice", LINKS)
def test_a_kind_of_link_is_what_its_row_promises(choice: str) -> None:
    for name in LINKS[choice]:
        module, _, kind = name.partition(".")
        found = getattr(importlib.import_module(f"pypxeboot.links.{module}"), kind)
        assert issubclass(found, Link) and found.mode and found._connect is not Link._connect


@pytest.mark.parametrize("row", FORMATS.values(), ids=str)
def test_a_format_has_what_its_row_promises(row: OutputFormat) -> None:
    render = importlib.import_module(f"pypxeboot.output.{row.module}").render
    signature = inspect.signature(render)
    found = [parameter.annotation for parameter in signature.parameters.values()]
    assert found == ["BootResult", "OutputRequest"] and signature.return_annotation == "bytes"


def test_heavy_packages_are_not_loaded_at_start() -> None:
    # From Python 3.14 on, logging itself brings dataclasses.
    program = (
        "import sys, logging; own = set(sys.modules); import pypxeboot.commands.boot; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - own})"
    )
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(THIRD_PARTY)


def test_the_checks_can_fail() -> None:
    tree = ast.parse(
        "import socket\ndef f():\n    from pypxeboot.links.select import x\n    import scapy.all"
    )
    assert set(imports(tree)) == {"socket", "pypxeboot.links.select.x", "scapy.all"}
    assert own(imports(tree)) == {"links.select"}
    assert not is_pure("net.frames") and is_pure("dhcp.message") and not is_pure("lua.script")


def test_the_page_on_architecture_has_the_packages() -> None:
    """Its table is that of this file, with the sentence that each package says of itself."""
    page = (PACKAGE.parent / "docs" / "ARCHITECTURE.md").read_text()
    for name in ROWS:
        pure = "yes" if name in PURE else "mostly" if name in SYSTEM else ""
        sentence = str(ast.get_docstring(MODULES[name])).splitlines()[0].replace("``", "`")
        assert f"| `{name}` | {pure} | {sentence} |\n" in page
