"""A client process that is lost to a stranger: nothing of the host is handed over, and it ends in time."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pypxeboot.output.formats import FORMATS
from tests.support import lost_addresses, lost_client, lost_lists, lost_writes
from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site
from tests.support.ground.net import HOST, command
from tests.support.ground.simple import check_stderr, serve
from tests.support.lost_client import KERNEL
from tests.support.lost_scenarios import CLOCK, HANDOVER, MESSAGES

SECRET = b"root alone may read this"
DEADLINE = 3


@pytest.fixture
def victim(site: Site) -> Path:
    """A file of the host that is none of the client's business."""
    path = site.directory / "shadow"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def lost(site: Site, scenario: str, *args: str, victim: Path, **more: Any) -> Run:
    """A run whose client does ``scenario``."""
    environment = {"VICTIM": str(victim), "FOUND": str(site.directory / "found"), **more.pop("env", {})}
    return site.pypxeboot(
        *("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), *args),
        env=environment,
        **{"program": ("-m", lost_client.__name__, scenario), **more},
    )


def found(site: Site) -> list[Any]:
    """What the client told."""
    path = site.directory / "found"
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_untouched(site: Site, victim: Path, run: Run) -> None:
    """Nothing on the host has changed, nothing was left, and one line says why the boot failed."""
    check_stderr(run)
    errors = [line for line in run.stderr.splitlines() if line.startswith("pypxeboot: error: ")]
    assert len(errors) == 1, str(run)
    status = victim.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_nlink) == (0o600, 0, 1)
    assert victim.read_bytes() == SECRET and str(victim).encode() not in run.stdout
    assert "lostpwn" not in command("ip", "netns", "list") + command("ip", "-n", site.hyp, "link", "show")
    site.assert_nothing_left(within=2)


CASES = [(name, "json") for name in HANDOVER]
CASES += [
    (name, form)
    for name in ("kernel_with_a_path", "no_kernel", "kernel_that_was_not_opened", "kernel_that_is_too_large")
    for form in FORMATS
    if form != "json"
]


@pytest.mark.parametrize(("scenario", "form"), CASES)
def test_nothing_is_handed_over(site: Site, victim: Path, scenario: str, form: str) -> None:
    limits = ("--max-kernel", "1M", "--max-ramdisk", "2M")
    run = lost(site, scenario, f"--output-format={form}", *limits, victim=victim)
    assert run.rc == 1, str(run)
    said = HANDOVER[scenario][1]
    assert "error: the client process broke its contract: " in run.stderr and said in run.stderr, str(run)
    assert b'"error"' in run.stdout if form == "json" else not run.stdout
    assert_untouched(site, victim, run)


@pytest.mark.parametrize("scenario", ["kernel_with_a_path", "no_kernel"])
def test_nor_where_nothing_is_downloaded(site: Site, victim: Path, scenario: str) -> None:
    run = lost(site, scenario, "--json", "-n", victim=victim)
    assert run.rc == 1 and HANDOVER[scenario][1] in run.stderr, str(run)
    assert_untouched(site, victim, run)


@pytest.mark.parametrize("scenario", MESSAGES)
def test_messages_that_break_the_contract(site: Site, victim: Path, scenario: str) -> None:
    run = lost(site, scenario, "--json", victim=victim)
    said = MESSAGES[scenario][1]
    assert run.rc == 1 and "broke its contract: " in run.stderr and said in run.stderr, str(run)
    assert_untouched(site, victim, run)


@pytest.mark.parametrize("scenario", lost_lists.LISTS)
def test_lists_that_break_the_contract(site: Site, victim: Path, scenario: str) -> None:
    run = lost(site, scenario, "--json", "-l", victim=victim, program=("-m", lost_lists.__name__, scenario))
    said = lost_lists.LISTS[scenario][1]
    assert run.rc == 1 and "broke its contract: " in run.stderr and said in run.stderr, str(run)
    assert_untouched(site, victim, run)


def test_a_list_that_nobody_asked_for(site: Site, victim: Path) -> None:
    program = ("-m", lost_lists.__name__, "no_labels")
    run = lost(site, "no_labels", "--json", victim=victim, program=program)
    assert run.rc == 1 and "broke its contract: the request Entries" in run.stderr, str(run)
    assert_untouched(site, victim, run)


@pytest.mark.parametrize("scenario", CLOCK)
def test_clients_that_come_to_no_end(site: Site, victim: Path, scenario: str) -> None:
    run = lost(site, scenario, "--json", f"--timeout={DEADLINE}", victim=victim)
    assert run.rc == 6 and f"not done after {DEADLINE} s" in run.stderr, str(run)
    # Five seconds of grace, and what a busy machine takes to start and to end.
    assert run.seconds < DEADLINE + 5 + 8
    assert_untouched(site, victim, run)


def test_files_opened_and_dropped(site: Site, victim: Path) -> None:
    """The host side keeps what was dropped in sight, and so there is an end to it."""
    run = lost(site, "files_opened_and_dropped", "--json", victim=victim)
    assert run.rc == 9 and "more than 4000 files" in run.stderr, str(run)
    assert_untouched(site, victim, run)


def test_lines_without_end_are_cut(site: Site, victim: Path) -> None:
    run = lost(site, "lines_without_end", "--json", f"--timeout={DEADLINE}", victim=victim)
    lines = run.stderr.splitlines()
    assert len(lines) < 50_010 and max(map(len, lines)) < 10_100
    check_stderr(run)


def test_a_file_that_changes_afterwards(site: Site, victim: Path) -> None:
    """What is measured, hashed and handed over is what stays: the client is gone by then."""
    run = lost(site, "a_file_that_changes_afterwards", "--json", victim=victim).ok()
    kernel = run.result["kernel"]
    data = Path(kernel["path"]).read_bytes()
    time.sleep(0.2)
    assert Path(kernel["path"]).read_bytes() == data and len(data) == kernel["size"] == len(KERNEL)
    assert hashlib.sha256(data).hexdigest() == kernel["sha256"]


@pytest.mark.parametrize("filtered", ["", "1"])
@pytest.mark.parametrize("scenario", ["writes_under_way", "writes_in_a_ring"])
def test_writes_that_are_under_way(site: Site, victim: Path, scenario: str, filtered: str) -> None:
    """The filter of system calls has none begin; without it, they are done before the file is measured."""
    program = ("-m", lost_writes.__name__, scenario)
    for _ in range(1 if filtered else 4):  # not every time are they late
        run = lost(site, scenario, "--json", victim=victim, env={"SECCOMP": filtered}, program=program).ok()
        kernel = run.result["kernel"]
        assert found(site)[-1] == ("Operation not permitted" if filtered else lost_writes.COUNT)
        for _ in range(2):
            assert hashlib.sha256(Path(kernel["path"]).read_bytes()).hexdigest() == kernel["sha256"]
            time.sleep(0.3)
        Path(kernel["path"]).unlink()


def test_what_is_the_clients_to_say(site: Site, victim: Path) -> None:
    run = lost(site, "a_kernel_of_its_own", "--json", victim=victim).ok()
    assert run.result["cmdline"] == "init=/bin/sh" and found(site) == [1]
    assert Path(run.result["kernel"]["path"]).read_bytes() == b"evil"
    assert "pypxeboot: handed over as json to standard output after 0.00 s" in run.stderr


def test_rights_of_files(site: Site, victim: Path) -> None:
    run = lost(site, "a_file_with_other_rights", "--json", victim=victim).ok()
    status = Path(run.result["kernel"]["path"]).stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o600, 0, 0)
    assert "Operation not permitted" in found(site)[0]


def test_flags_of_files(site: Site, victim: Path) -> None:
    run = lost(site, "a_file_with_other_flags", "--json", victim=victim).ok()
    assert run.result["kernel"]["sha256"] == hashlib.sha256(KERNEL).hexdigest()


def test_descriptors(site: Site, victim: Path) -> None:
    """Twelve thousand are sent: the host side would have no room for them."""
    lost(site, "descriptors_with_every_message", "--json", victim=victim).ok()


def test_what_is_written_to_the_log(site: Site, victim: Path) -> None:
    run = lost(site, "escapes_on_standard_error", "--json", "-v", victim=victim).ok()
    check_stderr(run)
    assert "raw" in run.stderr and "to standard output" in run.stderr and b"\x1b" not in run.stdout


def test_what_is_typed(site: Site, victim: Path) -> None:
    lost(site, "standard_input", "--json", victim=victim).ok()
    assert found(site) == [""]


@pytest.fixture
def neighbour() -> Iterator[int]:
    """Another process of the client's user."""
    try:
        entry = pwd.getpwnam("pypxeboot")
    except KeyError:
        entry = pwd.getpwnam("nobody")

    def become() -> None:
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)

    process = subprocess.Popen(["sleep", "600"], preexec_fn=become)
    yield process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_nothing_is_in_reach(site: Site, victim: Path, neighbour: int, short_tmp: Path) -> None:
    path = short_tmp / "world"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as abstract:
        listening.bind(str(path))
        path.chmod(0o777)
        listening.listen()
        abstract.bind(f"\0{path}")
        abstract.listen()
        environment = {"NEIGHBOUR": str(neighbour), "SOCKET": str(path)}
        lost(site, "whatever_is_in_reach", "--json", victim=victim, env=environment).ok()
    (told,) = found(site)
    assert len(told) > 15 and {name: said for name, said in told.items() if said.startswith("done")} == {}
    assert os.getpriority(os.PRIO_PROCESS, neighbour) == 0


def test_a_capture_process_that_is_lost(site: Site, victim: Path) -> None:
    """Through a terminal of its starter's it could type into root's shell."""
    serve(site)
    lost(site, "capture", "--json", "--pcap", str(site.directory / "boot.pcap"), victim=victim).ok()
    (told,) = found(site)
    assert told.pop("is a session of its own") == "True"
    assert len(told) == 5 and not [name for name, said in told.items() if said.startswith("done")]


ROUTED = ("--json", "--mac", MAC, "--link", "routed", "--interface", "vsw", "--timeout", "20")


def route(site: Site) -> None:
    """Let this host route between its guests, its server and another network."""
    site.ip("link set vsw nomaster up", f"addr add {HOST}/24 dev vsw")
    site.ip(f"route add default via {SERVER}", f"route add 203.0.113.0/24 via {SERVER}")


@pytest.mark.parametrize(
    ("address", "said"),
    [(HOST, "this host's own"), (SERVER, "a gateway"), ("203.0.113.53", "routes 203.0.113.0/24")],
)
def test_addresses_that_are_routed_into_the_sandbox(site: Site, address: str, said: str) -> None:
    """And whatever it had before, a client has one address at a time."""
    route(site)
    others = ["10.77.0.50", "10.77.0.51", "198.51.100.7"]
    process = site.start(
        *ROUTED,
        program=("-m", lost_addresses.__name__, "one_address_after_the_other"),
        env={"ADDRESSES": " ".join([*others, address]), "FOUND": str(site.directory / "found")},
    )
    seen: set[tuple[str, ...]] = set()
    while process.poll() is None:
        routes = [entry["dst"] for entry in json.loads(site.show("-4", "route", "show"))]
        seen.add(tuple(name for name in routes if name in (*others, address)))
    stdout, stderr = process.communicate()
    run = Run(ROUTED, process.returncode, stdout, stderr.decode(), 0)
    assert run.rc == 7 and said in run.result["error"]["message"], str(run)
    assert seen == {(), *((other,) for other in others)} and found(site) == ["", "", ""]
    site.assert_nothing_left(within=2)
