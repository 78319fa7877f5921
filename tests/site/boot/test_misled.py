"""Boots that fail, or boot something else, for a reason that is easily mistaken: the words must lead to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, Run, Site
from tests.support.ground.simple import SIMPLE, serve, tree


def doctor(site: Site, *args: str) -> Run:
    return site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE, *args)


def said(run: Run) -> dict[str, Any]:
    """The error of a failed boot, which stands on both outputs."""
    error: dict[str, Any] = run.result["error"]
    assert run.rc == error["code"], str(run)
    assert f"error: {error['message']}" in run.stderr
    assert not error["hint"] or f"hint: {error['hint']}" in run.stderr
    return error


@pytest.mark.parametrize("line", ["APEND console=hvc0", "APPEND\u00a0console=hvc0"])
def test_words_that_are_lost(site: Site, line: str) -> None:
    """The boot stays as the real one's; the line that it skipped is named."""
    serve(site, files=tree(f"DEFAULT a\nLABEL a\nKERNEL vmlinuz\n{line}\n"))
    run = site.boot("-v").ok()
    assert run.result["cmdline"].strip() == "BOOT_IMAGE=vmlinuz"
    (text,) = run.result["warnings"]
    assert "pxelinux.cfg/default line 4: 'AP" in text and text in run.stderr
    examined = doctor(site).ok().stdout.decode()
    assert f"WARN  boot       {text}" in examined and examined.endswith("it boots, with 1 warning\n")


def test_words_that_u_boot_does_not_know(site: Site) -> None:
    serve(site, files=tree("LABEL a\nKERNEL vmlinuz\nAPEND console=hvc0\nUI menu.c32\n"))
    (text,) = site.boot("--dialect", "uboot").ok().result["warnings"]
    assert "pxelinux.cfg/default line 3: 'APEND console=hvc0' means nothing" in text


@pytest.mark.parametrize(
    "content, what",
    [
        ("<html><body>It works</body></html>", "an HTML page"),
        ("set timeout=5\nmenuentry x {\n linux /vmlinuz\n}\n", "a configuration of GRUB"),
        (SIMPLE.encode("utf-16"), "text in UTF-16"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\3xxxx", "a file compressed with gzip"),
        ("#!ipxe\nkernel vmlinuz\nboot\n", "an iPXE script"),
        ('{"error": "no such host"}', "JSON"),
    ],
)
def test_a_configuration_without_an_entry(site: Site, content: Any, what: str) -> None:
    serve(site, files={**tree(), "pxelinux.cfg/default": content})
    error = said(site.boot())
    assert error["code"] == 5 and error["hint"]
    assert error["message"].endswith(f"pxelinux.cfg/default has no entry: it looks like {what}")


def test_a_configuration_without_a_byte(site: Site) -> None:
    serve(site, files={**tree(), "pxelinux.cfg/default": b""})
    error = said(site.boot())
    assert error["code"] == 4 and error["message"].endswith("pxelinux.cfg/default is empty")
    assert error["hint"].startswith("a file without a byte counts as not there")
