"""DHCP through a udhcpc: what its script says, and boots with the real one of busybox."""

from __future__ import annotations

import contextlib
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, UUID, Run, Site, servers, tools, wait_until
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, check_simple, kernel_of, ramdisk_of, serve, tree

# Boots.


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """busybox under the name that makes it a udhcpc; no other process has this path in its command line."""
    path = tmp_path / "udhcpc"
    path.symlink_to(tools.need("busybox"))
    return path


def pids(program: Path) -> list[int]:
    """The processes of ``program`` itself."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_bytes().split(b"\0")[0] == str(program).encode():
                    found.append(int(entry.name))
    return found


def check_nothing_left(site: Site, program: Path) -> None:
    site.assert_nothing_left(within=2)
    wait_until(lambda: not pids(program), 30, "udhcpc gone")


def facts(run: Run) -> tuple[Any, ...]:
    """What must not depend on who does DHCP."""
    result = run.ok().result
    rest = {name: result[name] for name in ("lease", "loader", "config", "label", "reason", "cmdline")}
    return rest, kernel_of(run), ramdisk_of(run), result["kernel"]["url"], result["initrds"]


def test_the_same_boot_as_without_it(site: Site, program: Path) -> None:
    serve(site)
    ours = site.boot("--uuid", UUID)
    expected = facts(ours)
    check_simple(site, ours)
    shutil.rmtree(site.out)
    theirs = site.boot("--uuid", UUID, f"--udhcpc={program}")
    assert facts(theirs) == expected
    check_simple(site, theirs)
    assert not pids(program)


def test_options_of_the_server_count(site: Site, program: Path) -> None:
    files = {**tree("# not this one\n"), "my/menu.cfg": SIMPLE, **{f"my/{k}": v for k, v in tree().items()}}
    serve(site, files=files, offer=Offer(options={209: "menu.cfg", 210: "my/"}))
    run = site.boot(f"--udhcpc={program}")
    assert run.ok().result["config"] == f"tftp://{SERVER}/my/menu.cfg"
    check_simple(site, run, f"tftp://{SERVER}/my/")


def test_the_server_hears_a_pxe_client(site: Site, program: Path) -> None:
    match = ["--dhcp-vendorclass=set:pxe,PXEClient:Arch:00000", "--dhcp-match=set:bios,option:client-arch,0"]
    match += ["--dhcp-match=set:uuid,97", "--tag-if=set:rom,tag:pxe,tag:bios,tag:uuid"]
    extra = [*match, f"--dhcp-boot=tag:rom,pxelinux.0,,{SERVER}"]
    root = servers.plant(site.directory / "root", tree())
    server = servers.dnsmasq(site, root, Offer(filename=""), extra=extra)
    check_simple(site, site.boot("--uuid", UUID, f"--udhcpc={program}"))
    assert f"DHCPDISCOVER(srv0) {MAC}" in server.text()
    assert "DHCPRELEASE" not in server.text()


def test_what_stands_in_our_own_environment_is_no_lease(site: Site, program: Path) -> None:
    """The script's variables have common names; those of the caller are not what a server said."""
    serve(site)
    environment = {"opt209": b"other.cfg".hex(), "domain": "wrong.example", "router": "10.77.0.99"}
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    run = site.pypxeboot(*base, f"--udhcpc={program}", env=environment)
    assert run.ok().result["lease"]["domain"] == ""
    assert not [request for request in run.result["requests"] if "other.cfg" in request["url"]]


def test_no_server(site: Site, program: Path) -> None:
    run = site.boot(f"--udhcpc={program}", "--timeout", "2")
    assert run.rc == 3, str(run)
    assert run.seconds < 15, "of a deadline of 2"
    assert len([line for line in run.stderr.splitlines() if line.startswith("pypxeboot: error: ")]) == 1
    assert run.result["error"]["kind"] == "NoLease" and str(program) in run.result["error"]["message"]
    check_nothing_left(site, program)


def test_a_udhcpc_that_fails_is_told_at_once(site: Site, tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho oops >&2\nexit 1\n")
    program.chmod(0o755)
    run = site.boot(f"--udhcpc={program}")
    assert run.rc == 3 and run.seconds < 40, str(run)
    check_nothing_left(site, program)


def test_a_udhcpc_that_floods_is_not_followed_for_ever(site: Site, tmp_path: Path) -> None:
    program = tmp_path / "flood"
    program.write_text("#!/bin/sh\nexec yes ip=10.77.0.173\n")
    program.chmod(0o755)
    run = site.boot(f"--udhcpc={program}")
    assert run.rc == 3 and run.seconds < 40, str(run)
    check_nothing_left(site, program)


def test_a_failed_boot_leaves_no_udhcpc(site: Site, program: Path) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL gone\n"))
    run = site.boot(f"--udhcpc={program}")
    assert run.rc == 6, str(run)
    check_nothing_left(site, program)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_killed_while_udhcpc_asks(site: Site, program: Path, number: signal.Signals) -> None:
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    process = site.start(*base, f"--udhcpc={program}")
    try:
        wait_until(lambda: pids(program), 30, "udhcpc runs")
        process.send_signal(number)
        _output, errors = process.communicate(timeout=5)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == (8 if number is signal.SIGTERM else -number), errors.decode()
    check_nothing_left(site, program)
