"""Bad inputs through the whole command line; numbers are of the table of bad inputs.

What TFTP and HTTP servers do to their client stands in tests/unit/fetch, in test_client_hostile.py of each.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SECOND_SERVER, SERVER, Run, Site, servers, tools, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import SIMPLE, check_simple, check_stderr, kernel_of, serve, tree
from tests.support.peers.dhcp import SCRIPTS, attack

BASE = ("--mac", MAC, "--bridge", BRIDGE)


def serve_late(site: Site) -> None:
    """A good server whose offers come a second after the hostile one's."""
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, root, extra=["--dhcp-reply-delay=1"])


@pytest.mark.parametrize("row", sorted(SCRIPTS))
def test_hostile_dhcp_server_beside_a_good_one(site: Site, row: str) -> None:
    serve_late(site)
    with attack(site, row) as hostile:
        run = site.boot("-v", "--timeout", "8" if row == "12" else "15")
        assert "message type 1" in hostile.text(), "it was asked"
        check_stderr(run)
        assert len(run.stderr.splitlines()) < 100
        if row == "12" and run.rc == 3:
            return  # the good offer can be lost in a flood that fills the socket's buffer
        check_simple(site, run)
        assert run.result["lease"]["server_id"] == SERVER


@pytest.mark.parametrize("row", sorted(SCRIPTS))
def test_hostile_dhcp_server_alone(site: Site, row: str) -> None:
    servers.plant(site.directory / "root", tree())
    with attack(site, row) as hostile:
        run = site.boot("-v", "--timeout", "10")
        if run.rc == 6:  # the machine was too busy for the client to come to an end in time
            run = site.boot("-v", "--timeout", "40")
        assert "message type 1" in hostile.text()
        if row in ("7", "12"):  # their leases can be taken; what is missing is something to boot
            assert run.rc in (3, 4), str(run)
        else:
            assert run.rc == 3, str(run)
        assert run.seconds < 80, "of a deadline of 40"
        assert run.result["error"]["message"].isprintable()
        check_stderr(run)
        assert len(run.stderr.splitlines()) < 60
        site.assert_nothing_left()


def test_12_flood_takes_little_memory(site: Site) -> None:
    with attack(site, "12"):
        process = site.start("--json", *BASE, "--output-directory", str(site.out), "--timeout", "4")
        peaks: list[int] = []
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            for pid in site.run_pids():
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                peaks += map(int, re.findall(r"VmHWM:\s+(\d+) kB", status))
            time.sleep(0.1)
        process.communicate(timeout=10)
    assert process.returncode in (3, 4)
    assert peaks and max(peaks) < 120 << 10, f"{max(peaks)} KiB"


HOSTILE_WORDS = ["$(touch${IFS}owned)", "`touch owned`", 'a";touch owned;"', "a b"]


@pytest.mark.parametrize("word", HOSTILE_WORDS)
def test_8_names_of_the_lease_stay_out_of_shells_and_command_lines(site: Site, word: str) -> None:
    config = SIMPLE.replace("DEFAULT a", "SYSAPPEND 0xfffff\nDEFAULT a")
    root = servers.plant(site.directory / "root", tree(config))
    extra = [f"--dhcp-option-force={code},{word}" for code in (12, 17)]
    server = servers.dnsmasq(site, root, Offer(), extra=[*extra, f"--dhcp-option-force=15,{word}"])
    run = site.boot("-v")
    result = run.ok().result
    assert result["lease"]["domain"] == "", server.text()
    assert "touch" not in result["cmdline"] and "a b" not in result["cmdline"]
    assert not list(site.directory.rglob("owned"))
    check_stderr(run)


@pytest.mark.parametrize(
    ("code", "text"),
    [(66, "user:secret@host"), (66, "no host name"), (210, "a b/"), (210, "x" * 250), (209, "x" * 250)],
)
def test_15_servers_and_prefixes(site: Site, code: int, text: str) -> None:
    """They lead to a miss, never to another host, and a password is not shown."""
    serve(site, offer=Offer(options={code: text}))
    run = site.boot("-v")
    if code == 66:
        check_simple(site, run)
    else:
        assert run.rc in (0, 4, 6), str(run)
        if run.rc:
            site.assert_nothing_left()
    assert "secret" not in run.stderr and b"secret" not in run.stdout
    check_stderr(run)


NAMES = ["../../../etc/shadow", "/etc/shadow", "-rf", "A" * 255, "c:\\\\x", "%2e%2e/%2e%2e/etc/passwd"]


@pytest.mark.parametrize("name", NAMES)
def test_25_36_names_are_the_servers_and_never_ours(site: Site, name: str) -> None:
    """The one file that there is has another name here, whatever the server calls it."""
    config = f"DEFAULT a\nLABEL a\n KERNEL {name}\n"
    serve(site, files=tree(config))
    run = site.boot()
    if run.rc == 0:
        assert kernel_of(run) in (dummy("vmlinuz"), dummy("other"))
    assert run.rc in (5, 6, 7), str(run)
    asked = run.result["requests"][-1]
    assert asked["url"].startswith(f"tftp://{SERVER}/") and asked["result"] != "ok"
    site.assert_nothing_left()
    check_stderr(run)


def test_36_a_name_with_slashes_makes_no_directories(site: Site) -> None:
    serve(
        site,
        files={
            **tree("DEFAULT a\nLABEL a\n KERNEL a/b//x/vm\n"),
            "a/b/x/vm": dummy("vmlinuz"),
        },
    )
    run = site.boot()
    assert kernel_of(run) == dummy("vmlinuz")
    path = Path(run.result["kernel"]["path"])
    assert re.fullmatch(r"kernel\.[0-9a-f]{8}", path.name) and path.parent == site.out


def test_29_nothing_of_roots_own_settings_is_used(site: Site) -> None:
    home = site.directory / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine {SERVER} login root password secret\n")
    (home / ".netrc").chmod(0o600)
    config = f"DEFAULT a\nLABEL a\n KERNEL http://{SERVER}/vmlinuz\n"
    root = serve(site, files=tree(config))
    web = servers.nginx(site, root, 'if ($http_authorization != "") { return 500; }')
    env = {"HOME": str(home), "http_proxy": "http://10.77.0.99:3128", "ALL_PROXY": "http://10.77.0.99:3128"}
    run = site.pypxeboot("--json", *BASE, "--output-directory", str(site.out), "-v", env=env)
    assert kernel_of(run) == dummy("vmlinuz"), web.text()


def test_28_the_hosts_own_services_are_out_of_reach(site: Site) -> None:
    """A server on the hypervisor's loopback: the guest's network has a loopback of its own."""
    root = servers.plant(site.directory / "root", {**tree(), "private": dummy("private")})
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(root), "8000"]
    site.spawn(argv, "private.log", namespace=site.hyp)
    config = "DEFAULT a\nLABEL a\n KERNEL http://127.0.0.1:8000/private\n"
    serve(site, files=tree(config))
    run = site.boot("--timeout", "15")
    assert run.rc in (6, 7), str(run)
    site.assert_nothing_left()


CMDLINES = ["root=UUID=x=y console=tty0 console=ttyS0", "q='a b' p=(z) <&> a,b", "caf\xe9", ""]


@pytest.mark.parametrize("words", CMDLINES)
def test_35_command_lines(site: Site, words: str) -> None:
    serve(
        site,
        files={
            **tree(),
            "pxelinux.cfg/default": f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND {words}\n".encode(
                "latin-1"
            ),
        },
    )
    output = site.directory / "result"
    run = site.pypxeboot(
        *BASE, "--output-format=simple0", f"--output={output}", "--output-directory", str(site.out)
    )
    run.ok()
    args = output.read_bytes().split(b"\0")[1]
    assert args.rstrip() == f"args BOOT_IMAGE=vmlinuz {words}".rstrip().encode("latin-1")


def test_35_no_append_at_all(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL vmlinuz\n"))
    run = site.pypxeboot(*BASE, "--output-format=simple0", "--output-directory", str(site.out)).ok()
    assert run.stdout.split(b"\0")[1].rstrip() == b"args BOOT_IMAGE=vmlinuz"


def test_35_what_xen_cannot_take_leaves_nothing(site: Site) -> None:
    serve(site, files=tree(f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND {'x' * 1100}\n"))
    output = site.directory / "result"
    argv = (*BASE, "--output-directory", str(site.out), f"--output={output}", "--output-format=simple0")
    run = site.pypxeboot(*argv, "--guest-type", "pv")
    assert run.rc == 9 and "1023" in run.stderr, str(run)
    site.assert_nothing_left()
    assert not output.exists()
    check_stderr(run)
    assert site.pypxeboot(*argv, "--guest-type", "pvh").rc == 0


@pytest.mark.parametrize("case", ["link", "fifo", "directory", "busy"])
def test_39_output_file(site: Site, case: str) -> None:
    """Told before anything is asked of the network."""
    output, target = site.directory / "result", site.directory / "target"
    target.write_bytes(b"precious")
    if case == "link":
        output.symlink_to(target)
    elif case == "fifo":
        os.mkfifo(output)
    elif case == "directory":
        output.mkdir()
    else:
        output.write_bytes(b"of the other run")
    with (target if case != "busy" else output).open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        run = site.pypxeboot(
            *BASE, f"--output={output}", "--output-directory", str(site.out), "--timeout", "60"
        )
    assert run.rc == 9 and run.seconds < 20, str(run)
    assert target.read_bytes() == b"precious"
    assert case != "busy" or output.read_bytes() == b"of the other run"
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.parametrize("name", ["result", "r" * 200])
def test_39_two_runs_for_one_domain(site: Site, name: str) -> None:
    config = f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD http://{SERVER}/big\n"
    root = serve(site, files={**tree(config), "big": bytes(1 << 20)})
    servers.nginx(site, root, "limit_rate 300k;")
    output = site.directory / name
    argv = [*BASE, f"--output={output}", "--output-directory", str(site.out)]
    first = site.start(*argv)
    assert first.stderr is not None and b"requesting" in first.stderr.readline()
    second = site.pypxeboot(*argv)
    assert second.rc == 9 and "another pypxeboot" in second.stderr
    assert first.wait(30) == 0 and output.read_bytes().startswith(b"linux (kernel ")
    first.communicate()


def test_39_no_room(site: Site) -> None:
    """The disk is full in the midst of a download: exit code 6, and the room is free again."""
    root = serve(site, files={**tree(SIMPLE.replace("i1,i2", f"http://{SERVER}/big")), "big": bytes(8 << 20)})
    servers.nginx(site, root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(site.out)], check=True)
    try:
        run = site.boot()
        assert run.rc == 6 and "No space left" in run.result["error"]["message"], str(run)
        site.assert_nothing_left()
        assert os.statvfs(site.out).f_bfree == os.statvfs(site.out).f_blocks
        check_stderr(run)
    finally:
        subprocess.run(["umount", str(site.out)], check=True)


def with_streams(site: Site, streams: str, *argv: str) -> Run:
    """A run with the shell's redirections ``streams``."""
    words = [sys.executable, "-m", "pypxeboot", *BASE, "--output-directory", str(site.out), *argv]
    done = subprocess.run(
        ["ip", "netns", "exec", site.hyp, "sh", "-c", f'exec "$@" {streams}', "sh", *words],
        capture_output=True,
        cwd=site.directory,
        env={**tools.ENVIRONMENT, "PYPXEBOOT_TEST_RUN": site.hyp},
        timeout=60,
    )
    return Run(words, done.returncode, done.stdout, done.stderr.decode(), 0)


@pytest.mark.parametrize("streams", ["<&-", "2>&-", "<&- 2>&-", ">&-", "<&- >&- 2>&-"])
def test_40_closed_streams(site: Site, streams: str) -> None:
    """The result goes to a file: nothing that is open may be taken for a stream that is not."""
    serve(site)
    output = site.directory / "result"
    run = with_streams(site, streams, f"--output={output}")
    run.ok()
    assert output.read_bytes().startswith(b"linux (kernel '") and b"pypxeboot:" not in output.read_bytes()


@pytest.mark.parametrize("streams", [">&-", ">/dev/full"])
def test_result_that_nobody_takes(site: Site, streams: str) -> None:
    serve(site)
    run = with_streams(site, streams)
    assert run.rc == 9, str(run)
    assert "Traceback" not in run.stderr and "Exception ignored" not in run.stderr
    site.assert_nothing_left()


def test_reader_that_is_gone(site: Site) -> None:
    serve(site)
    reader, writer = os.pipe()
    process = site.start(*BASE, "--output-directory", str(site.out), stdout=writer)
    os.close(writer)
    os.close(reader)
    stderr = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 9, stderr
    assert "Traceback" not in stderr and "Exception ignored" not in stderr
    site.assert_nothing_left()


def test_39_ended_while_the_result_is_written(site: Site) -> None:
    """The files have their names by then: they must go all the same."""
    serve(site)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    process = site.start(*BASE, "--output-directory", str(site.out), stdout=writer)
    os.close(writer)
    try:
        wait_until(lambda: any(site.out.iterdir()), 30, "published files")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 8
    finally:
        process.kill()
        os.close(reader)
        process.communicate()
    site.assert_nothing_left(within=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_39_signals_at_random_points(site: Site, number: signal.Signals) -> None:
    """Whenever it comes: all of a result or none of it, and nothing else."""
    serve(site)
    output = site.directory / "result"
    argv = (*BASE, f"--output={output}", "--output-directory", str(site.out))
    whole = site.pypxeboot(*argv).ok().seconds
    ends: list[int] = []
    for _ in range(8):
        for path in (*site.out.iterdir(), output):
            path.unlink(missing_ok=True)
        process = site.start(*argv)
        point = random.uniform(0, whole * 1.02)
        time.sleep(point)
        process.send_signal(number)
        stderr = process.communicate(timeout=10)[1].decode("utf-8", "replace")
        ends.append(process.returncode)
        assert process.returncode in (0, 8, -number), stderr
        there = [path.name for path in site.out.iterdir()]
        if process.returncode == 0:
            whole = min(whole, point)  # the first run may have been on a busier machine
            names = re.findall(r"\(\w+ '([^']+)'\)", output.read_text())
            assert sorted(Path(name).name for name in names if name.startswith("/")) == sorted(there)
        elif number != signal.SIGKILL:
            assert there == [] and not (output.exists() and output.read_bytes()), ends
            assert "Traceback" not in stderr
        site.assert_nothing_left(there, within=5)
    assert set(ends) != {0}


def test_dns_of_the_command_line_overrides_dhcp(site: Site) -> None:
    """With DHCP, the options for a site without it override what the server says."""
    config = "DEFAULT a\nLABEL a\n KERNEL http://boot.example/vmlinuz\n"
    root = servers.plant(site.directory / "root", tree(config))
    extra = ["--dhcp-option=option:dns-server,10.77.0.99"]
    servers.dnsmasq(site, root, names={"boot.example": SECOND_SERVER}, extra=extra)
    servers.nginx(site, root, addresses=[SECOND_SERVER])
    run = site.boot("--dns", SERVER, "--timeout", "30")
    assert kernel_of(run) == dummy("vmlinuz")
    assert run.result["lease"]["address"] == ADDRESS


def scan(parts: Sequence[bytes]) -> Iterator[int]:
    """Control bytes that could steer a terminal."""
    for part in parts:
        yield from (byte for byte in part if byte < 32 and byte not in (9, 10, 13) or byte in (0x7F, 0x9B))


@pytest.mark.parametrize("form", ["json", "sxp", "qemu", "list"])
def test_no_control_byte_reaches_a_terminal(site: Site, form: str) -> None:
    name = "\x1b[2J\x07evil\x9b31m"
    config = f"DEFAULT a\nLABEL a\n MENU LABEL {name}\n KERNEL vmlinuz\n APPEND x={name}\n"
    config += f"LABEL {name}\n KERNEL {name}\n"
    serve(site, files={**tree(), "pxelinux.cfg/default": config.encode("latin-1")})
    more: dict[str, tuple[Any, ...]] = {
        "json": ("--json",), "sxp": (), "qemu": ("--output-format=qemu",), "list": ("--list-entries",)
    }  # fmt: skip
    run = site.pypxeboot(*BASE, "--output-directory", str(site.out), "-vv", *more[form])
    assert not list(scan([run.stderr.encode()]))
    if form in ("json", "sxp", "list"):
        assert run.rc == 0 and not list(scan([run.stdout])), run
    check_stderr(run)
