"""Whatever happens in the client process, a boot ends with its cause, its requests, and an exit code."""

from __future__ import annotations

import pytest

from tests.support import failing_client
from tests.support.failing_client import EXCEPTIONS
from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site
from tests.support.ground.kernels import dummy
from tests.support.ground.simple import asked, check_stderr, serve, tree


def failing(site: Site, place: str, name: str, *args: str) -> Run:
    """A run in which the function ``place`` raises the exception ``name``."""
    return site.pypxeboot(
        *("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), *args),
        program=("-m", failing_client.__name__, place, name),
    )


def check_internal_error(site: Site, run: Run, name: str) -> None:
    """That the one error line names the exception and asks for a report."""
    assert run.rc == 1, str(run)
    error = run.result["error"]
    assert f"internal error: {name}" in error["message"] and "please report it" in error["hint"]
    assert error["message"].isprintable()
    errors = [line for line in run.stderr.splitlines() if "error: " in line]
    assert len(errors) == 1 and "ended without a result" not in run.stderr, str(run)
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_an_exception_at_the_end_loses_no_request(site: Site, name: str) -> None:
    serve(site)
    run = failing(site, "end", name)
    check_internal_error(site, run, name)
    assert (f"tftp://{SERVER}/vmlinuz", "ok") in asked(run)


@pytest.mark.parametrize("place", ["lock", "lease"])
def test_an_exception_before_there_is_a_request(site: Site, place: str) -> None:
    serve(site)
    run = failing(site, place, "RecursionError")
    check_internal_error(site, run, "RecursionError")
    assert asked(run) == []


def test_an_exception_in_a_configuration(site: Site) -> None:
    serve(site)
    run = failing(site, "config", "UnicodeEncodeError")
    check_internal_error(site, run, "UnicodeEncodeError")
    assert (f"tftp://{SERVER}/pxelinux.cfg/default", "ok") in asked(run)


def test_an_exception_at_a_kernel_is_the_failure_of_its_entry(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nONERROR b\nLABEL a\n KERNEL vmlinuz\nLABEL b\n LOCALBOOT 0\n"))
    run = failing(site, "kernel", "struct.error").ok()
    assert (run.result["action"], run.result["reason"]) == ("localboot", "onerror")
    assert any("internal error: struct.error: unpack" in text for text in run.result["warnings"]), str(run)
    serve_script(site)
    run = failing(site, "kernel", "struct.error", "--bootfile", f"tftp://{SERVER}/boot.ipxe").ok()
    assert run.result["action"] == "localboot", str(run)


def serve_script(site: Site) -> None:
    """A script that has another way where a kernel is none."""
    (site.directory / "root" / "boot.ipxe").write_text("#!ipxe\nkernel vmlinuz\nboot || exit 0\n")
    (site.directory / "root" / "vmlinuz").write_bytes(dummy("vmlinuz"))


def test_an_exception_at_a_file_is_the_failure_of_that_file(site: Site) -> None:
    serve(site)
    run = failing(site, "file", "OSError")
    assert run.rc in (4, 6) and "ended without a result" not in run.stderr, str(run)
    assert any(
        "internal error: OSError" in result and "\\x1b[31m\\xff" in result for _url, result in asked(run)
    )
    check_stderr(run)
    site.assert_nothing_left()
