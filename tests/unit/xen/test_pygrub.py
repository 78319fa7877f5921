"""The local disk: real pygrub on real file systems, and programs that only call themselves pygrub."""

from __future__ import annotations

import ast
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest

from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.output import xen
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import KernelFile, Ramdisk
from pypxeboot.xen import pygrub as localboot
from tests.support.samples.results import BOOT, GUEST


def source(pygrub: dict[str, str]) -> Path:
    """The script itself, not the wrapper."""
    found = (
        Path(shutil.which("pygrub", path=pygrub["PATH"]) or "") if pygrub else Path(localboot.find_pygrub())
    )
    text = found.read_text()
    return (
        Path(text.split("/usr/bin/python3 ")[1].split()[0]) if text.startswith("#!/bin/sh\nexport") else found
    )


def formats(path: Path) -> dict[str, Callable[..., str]]:
    """pygrub's own format_sxp() and format_simple()."""
    tree = ast.parse(path.read_text())
    wanted = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("format_")
    ]
    found: dict[str, Any] = {}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), found)
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
@pytest.mark.parametrize("cmdline", ["", "ro", "a='b' \"c\" \\ d", "\x1b ü \t", "it's"])
def test_forms_are_those_of_pygrub(pygrub: dict[str, str], cmdline: str) -> None:
    theirs = formats(source(pygrub))
    for ramdisk in (None, Ramdisk("/run/r", 1, "")):
        kernel = KernelFile("u", "/run/k'x", 1)
        result = replace(BOOT, kernel=kernel, ramdisk=ramdisk, cmdline=cmdline)
        parts = ("/run/k'x", None if ramdisk is None else "/run/r", cmdline)
        assert xen.render(result, OutputRequest(GUEST, "sxp")).decode() == theirs["format_sxp"](*parts)
        for form, separator in (("simple0", "\0"), ("simple", "\n")):
            assert xen.render(result, OutputRequest(GUEST, form)).decode() == theirs["format_simple"](
                *parts, separator
            )


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a shell script in pygrub's place; it gets its arguments as usual."""
    monkeypatch.setattr(localboot, "_PLACES", ())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def install(script: str) -> Path:
        path = tmp_path / "pygrub"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return install


def test_argv(impostor: Callable[[str], Path], tmp_path: Path) -> None:
    impostor('printf "%s\\0" "$@" >"$0.argv"; printf "kernel /k\\0\\0"')
    given = ["--args=a b", "--output=-"]
    assert localboot.run(given, "-o disk; $(id)", "simple0", None) == b"kernel /k\0\0"
    assert (tmp_path / "pygrub.argv").read_text().split("\0")[:-1] == [*given, "--", "-o disk; $(id)"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", "names no kernel"),
        ("echo hello", "names no kernel"),
        ("printf 'kernel '", "names no kernel"),
        ("printf 'kernel \\0\\0'", "names no kernel"),
        ("printf 'args x\\0\\0'", "names no kernel"),
        ("printf 'kernel /k'", "names no kernel"),
        ("printf 'kernel /k\\0\\0'; exit 1", "exit status 1"),
        ("kill -9 $$", "status -9"),
    ],
)
@pytest.mark.parametrize("to_file", [False, True])
def test_failures_are_told_from_success(
    impostor: Callable[[str], Path], tmp_path: Path, script: str, says: str, to_file: bool
) -> None:
    output = tmp_path / "out" if to_file else None
    if output is not None:
        output.touch()
        script = f"exec >{output}; {script}"
    impostor(script)
    with pytest.raises(HandoverError, match=says):
        localboot.run([], "/disk", "simple0", output)


RESTRICTED = "echo Traceback >&2; echo \"PermissionError: [Errno 13] Permission denied: '/xvda'\" >&2; exit 0"


def test_a_restricted_pygrub_that_may_not_read_the_disk(impostor: Callable[[str], Path]) -> None:
    """It ends with 0, as if all were well."""
    impostor(RESTRICTED)
    with pytest.raises(
        HandoverError, match="names no kernel: PermissionError: .*Permission denied"
    ) as raised:
        localboot.run(["--runas=65534", "--quiet"], "/dev/vg/a b", "simple0", None)
    assert "setfacl -m u:65534:r" in str(raised.value.hint) and "/dev/vg/a b" in str(raised.value.hint)
    with pytest.raises(HandoverError, match="names no kernel: PermissionError") as raised:
        localboot.run([], "/disk", "simple0", None)
    assert raised.value.hint is None, "nobody restricted it"


def test_no_pygrub_and_no_disk(impostor: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    if not any(Path(place, "pygrub").exists() for place in ("/usr/sbin", "/usr/bin")):
        with pytest.raises(HandoverError, match="not installed"):
            localboot.run([], "/disk", "simple0", None)
    with pytest.raises(NoBootSource):
        localboot.run([], None, "simple0", None)


def test_program_that_cannot_run(impostor: Callable[[str], Path]) -> None:
    path = impostor("")
    path.write_bytes(b"\x7fELF")
    assert path.stat().st_mode & stat.S_IXUSR
    with pytest.raises(HandoverError, match="cannot run"):
        localboot.run([], "/disk", "simple0", None)
