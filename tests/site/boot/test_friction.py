"""Small things that cost an hour at night: what is said once, by its name, and where it can be followed."""

from __future__ import annotations

import sys

import pytest

from pypxeboot.errors import InternalError
from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site, servers, tools
from tests.support.ground.net import command
from tests.support.ground.simple import SIMPLE, serve, tree

ARM64 = bytes(16) + (4096).to_bytes(8, "little") + bytes(32) + b"ARM\x64" + bytes(4096)


def error(run: Run) -> tuple[str, str]:
    """Message and hint of the one error."""
    found = run.result["error"]
    assert run.stderr.count("pypxeboot: error: ") == 1, str(run)
    return found["message"], found["hint"] or ""


def test_a_failed_request_stands_once(site: Site) -> None:
    servers.dnsmasq(site, None)
    run = site.boot("-v")
    lines = [line for line in run.stderr.splitlines() if line.endswith("Connection refused")]
    assert run.rc == 6 and len(lines) == 2 and lines[1].startswith("pypxeboot: error: "), run.stderr


def test_a_refusal_is_one_line_where_nobody_asked_for_more(site: Site) -> None:
    servers.dnsmasq(site, None)
    run = site.boot()
    (line,) = (line for line in run.stderr.splitlines() if "Connection refused" in line)
    assert line == f"pypxeboot: error: tftp://{SERVER}/pxelinux.0: Connection refused"


@pytest.mark.parametrize("line", ["INITRD", "INITRD i1,,i2", "APPEND initrd= x"])
def test_an_initrd_without_a_name(site: Site, line: str) -> None:
    serve(site, files=tree(f"DEFAULT a\nLABEL a\nKERNEL vmlinuz\n{line}\n"))
    message, _hint = error(site.boot())
    assert message.startswith("label 'a': INITRD (or initrd= in APPEND) names no file"), message


def test_a_kernel_for_another_processor(site: Site) -> None:
    """It is refused whatever the format, unless the check is left out, or the guest is of that kind."""
    serve(site, files={**tree(), "vmlinuz": ARM64})
    message, hint = error(site.boot("--arch", "x86_64"))
    assert f"kernel tftp://{SERVER}/vmlinuz is for arm64, and the guest is x86_64" in message
    assert "--arch arm64" in hint and "--no-kernel-check" in hint
    site.boot("--arch", "x86_64", "--no-kernel-check").ok()
    site.boot("--arch", "arm64").ok()
    shell = site.pypxeboot("--mac", MAC, "--bridge", BRIDGE, "--arch", "x86_64", "--output-format", "shell")
    assert shell.rc == 7, str(shell)


def test_quiet_is_quiet(site: Site) -> None:
    serve(site)
    assert site.boot("-q").ok().stderr == ""
    assert "requesting info" in site.boot().ok().stderr


def test_no_line_of_the_log_stands_between_findings(site: Site) -> None:
    serve(site, files=tree(f"{SIMPLE}nonsense\n"))
    run = site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE).ok()
    assert run.stderr == "" and "means nothing" in run.stdout.decode()
    assert "DHCPDISCOVER" in site.pypxeboot("doctor", "-v", "--mac", MAC, "--bridge", BRIDGE).ok().stderr


@pytest.mark.parametrize(("option", "successor"), [("--location", "--config URL")])
def test_options_of_other_bootloaders(site: Site, option: str, successor: str) -> None:
    run = site.pypxeboot(option, "value", "--mac", MAC)
    assert run.rc == 2 and f"unrecognized arguments: {option}" in run.stderr and successor in run.stderr


def test_a_lease_that_ends_during_the_boot(site: Site) -> None:
    script = "#!ipxe\nsleep 4\nkernel vmlinuz\nboot\n"
    servers.tftpd_hpa(site, servers.plant(site.directory / "root", {**tree(), "boot.ipxe": script}))
    program = ["-m", "tests.support.ground.odd_dhcp", site.server_link, SERVER, SERVER]
    words = [f"o51={(2).to_bytes(4, 'big').hex()}", f"o67={b'boot.ipxe'.hex()}"]
    site.spawn([sys.executable, *program, *words], "dhcp.log").wait_for("ready")
    (warning,) = site.boot().ok().result["warnings"]
    assert "the lease of 2 s has ended during the boot" in warning


def test_a_module_that_is_missing_says_what_to_install() -> None:
    missing = InternalError.of(ModuleNotFoundError("No module named 'dns'", name="dns.resolver"))
    assert missing.message == "the Python module dns is missing"
    assert "apt install python3-dnspython" in str(missing.hint) and "pip install dnspython" in str(
        missing.hint
    )
    own = InternalError.of(ModuleNotFoundError("No module named 'pypxeboot.x'", name="pypxeboot.x"))
    assert "please report it" in str(own.hint)


def test_a_server_that_is_silent_about_what_it_lacks(site: Site) -> None:
    """It is given up after 30 s; the hint has a way around the search."""
    serve(site)
    drop = [tools.need("iptables"), "-A", "INPUT", "-p", "udp", "--dport", "69", "-j", "DROP"]
    command("ip", "netns", "exec", site.srv, *drop)
    message, hint = error(site.boot("--timeout", "90", timeout=120))
    assert (
        message.startswith(f"no answer from TFTP server {SERVER}")
        and "--config NAME asks for one alone" in hint
    )
