"""Fixtures of the tests that need more than Python."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import hypothesis
import pytest

pytest.register_assert_rewrite("tests.support")

from tests.support.ground import Site, kernels, net, tools  # noqa: E402 - after the line above
from tests.support.ground.libvirt import Libvirt  # noqa: E402

# Fixtures that tests of several folders share.
pytest_plugins = (
    "tests.support.configuration_files",
    "tests.support.hooked",
    "tests.support.pygrub",
    "tests.support.samples.files",
    "tests.support.samples.signatures",
    "tests.support.samples.workers",
    "tests.support.watched",
)

_HERE = Path(__file__).parent

# A shell starts what it puts into the background with SIGINT ignored, and that is inherited: programs that
# the tests start and interrupt would not notice.
signal.signal(signal.SIGINT, signal.default_int_handler)


# New examples are for those who work on the code; a change of something else must not fail by one. And how
# long an example took says more about the machine than about the code.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``scripts/test --no-xen`` is for small machines, ``--few`` for a second version of Python."""
    parser.addoption("--no-xen", action="store_true", help="leave out the tests that boot a whole Xen")
    parser.addoption("--few", type=int, metavar="N", help="run at most N cases of each test, from all over")


def pytest_make_parametrize_id(val: object) -> Optional[str]:
    """What was packed just now holds the time: processes that share the tests would not know its name."""
    if isinstance(val, str) and len(val) > 200:
        return f"{len(val)}-characters"
    return f"{len(val)}-bytes" if isinstance(val, bytes) and len(val) > 32 else None


# What takes minutes starts first, so that no process of several is left with it at the end.
_LONGEST = (
    "xen/test_lab.py",
    "site/boot/test_recorded.py",
    "repository/test_patches.py",
    "unit/syslinux/recorded/test_cases.py",
    "vm/test_boot.py",
    "vm/test_differ.py",
)

# What a test needs follows from its folder.
_MARKS = {
    "site": ("netns",),
    "vm": ("netns", "vm"),
    "libvirt": ("netns", "vm", "libvirt"),
    "xen": ("xen",),
}


# Deadlines are by the clock, and a machine with more to do than it has processors keeps none; a virtual one
# may stand still for seconds with no load to be seen. What fails has a second try, which is listed (RERUN).
_TRIES = pytest.mark.flaky(reruns=1)


@pytest.hookimpl(tryfirst=True)  # before -m chooses among them
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the marks of its folder. Namespaces need root, and nothing stands in for it."""
    for item in items:
        for mark in _MARKS.get(item.path.relative_to(_HERE).parts[0], ()):
            item.add_marker(mark)
    if config.getoption("--no-xen"):
        items[:] = [item for item in items if not item.get_closest_marker("xen")]
    few = config.getoption("--few")
    if few is not None:
        items[:] = _few_of(items, few)
    for item in items:
        if not item.get_closest_marker("xen"):  # all of these are one boot of it
            item.add_marker(_TRIES)
    items.sort(key=lambda item: str(item.path.relative_to(_HERE)) not in _LONGEST)
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("netns"):
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


def _few_of(items: Sequence[pytest.Item], most: int) -> list[pytest.Item]:
    """At most so many cases of each test, the first among them."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [item for of_one in cases.values() for item in of_one[:: -(-len(of_one) // most)]]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests had to tell (``record_property("told", ...)``), whichever process they ran in."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == "told":
                terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def clean_machine() -> None:
    """No namespaces of earlier runs that were killed."""
    for name in ("ip", "bridge", "ss"):
        tools.need(name)
    net.remove_stale()


@pytest.fixture
def site(tmp_path: Path, clean_machine: None) -> Iterator[Site]:
    """A hypervisor and a server beyond its bridge."""
    with Site(tmp_path) as built:
        yield built


@pytest.fixture
def host_site(tmp_path: Path, clean_machine: None) -> Iterator[Site]:
    """A hypervisor that serves itself, bound to its bridge."""
    with Site(tmp_path, server_on_host=True) as built:
        yield built


@pytest.fixture(scope="session")
def probe_kernel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bootable probe kernel with a tag patched in."""
    for name in ("gcc", "ld", "objcopy"):
        tools.need(name)
    image = kernels.build(tmp_path_factory.mktemp("kernel"))
    return lambda tag: kernels.tagged(image, tag)


@pytest.fixture(scope="session")
def disk_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A disk that says it booted (``kernels.build_disk``)."""
    for name in ("gcc", "ld"):
        tools.need(name)
    return kernels.build_disk(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="session")
def libvirtd(tmp_path_factory: pytest.TempPathFactory, clean_machine: None) -> Iterator[Libvirt]:
    """The libvirtd of all tests: it takes some seconds to start."""
    with Site(tmp_path_factory.mktemp("libvirt")) as built:
        yield Libvirt(built)


@pytest.fixture
def libvirt(libvirtd: Libvirt) -> Iterator[Libvirt]:
    """A libvirtd without domains."""
    yield libvirtd
    libvirtd.clean()


@pytest.fixture(scope="session")
def cache() -> Path:
    """The directory of packages that are unpacked instead of installed."""
    return tools.CACHE


@pytest.fixture
def frozen() -> Iterator[None]:
    """A fork of this process does not look through all that the tests have made."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A directory with a short path, for what is limited in length (UNIX sockets: 107 bytes)."""
    path = Path("/tmp") / f"pxtest-{os.getpid()}"
    path.mkdir()
    yield path
    shutil.rmtree(path)
