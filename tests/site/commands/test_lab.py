"""The lab: its rules without a network, then the whole of it in namespaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ground import tools


@pytest.fixture
def name() -> Iterator[str]:
    tools.need("ip")
    name = f"pxlab{os.getpid()}"
    yield name
    assert name not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert not list(Path("/run/pypxeboot-lab").glob(f"{name}*"))


def command(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "pypxeboot.lab", "run", "--name", name, *words]


def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *words), capture_output=True, text=True, timeout=60, cwd=tools.ROOT)


def test_serves_a_directory_byte_for_byte(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    files = {"one": b"x", "block": os.urandom(512), "sub/big": os.urandom(3_000_001)}
    for path, data in files.items():
        (root / path).write_bytes(data)
    (tmp_path / "secret").write_text("secret")
    curl = tools.need("curl")
    script = "".join(
        f"{curl} -sf --create-dirs -o {tmp_path}/{scheme}/{path} {scheme}://10.77.0.1/{path} || echo bad\n"
        for path in files
        for scheme in ("tftp", "http")
    )
    for url in ("tftp://10.77.0.1/../secret", "http://10.77.0.1/../secret", "http://10.77.0.1/sub/"):
        script += f"{curl} -sf --path-as-is {url} && echo bad\n"
    done = run(name, "-v", "--root", str(root), "--", "sh", "-c", script + "exit 7")
    assert (done.returncode, done.stdout) == (7, "")
    for scheme in ("tftp", "http"):
        for path, data in files.items():
            assert (tmp_path / scheme / path).read_bytes() == data
    assert "lab: tftp 10.77.0.2 sub/big: 3000001 bytes\n" in done.stderr
    assert "lab: tftp 10.77.0.2 ../secret: file not found\n" in done.stderr
    assert 'lab: http 10.77.0.2 "GET /sub/big HTTP/1.1" 200' in done.stderr


def test_udhcpc_gets_a_lease(name: str, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text('#!/bin/sh\n[ "$1" != bound ] || echo "$ip $subnet $router $dns $siaddr $boot_file"\n')
    hook.chmod(0o755)
    script = "ip link add p type veth peer name c address 52:54:00:00:00:07 && ip link set p master lab up\n"
    script += f"ip link set c up && {tools.need('busybox')} udhcpc -i c -nqf -t 4 -T 1 -s {hook}"
    options = ("--bridge", "lab", "--host", "52-54-00-00-00-07=10.77.0.60", "--filename", "x.0")
    done = run(name, *options, "--", "sh", "-c", script)
    assert done.stdout == "10.77.0.60 255.255.255.0 10.77.0.1 10.77.0.1 10.77.0.1 x.0\n", done.stderr


@pytest.mark.parametrize(
    ("label", "initrds", "scheme"),
    [("linux", 1, "tftp"), ("rescue", 2, "tftp"), ("web", 1, "http"), ("local", 0, "")],
)
def test_pypxeboot_boots_every_entry(name: str, label: str, initrds: int, scheme: str) -> None:
    pypxeboot = [sys.executable, "-m", "pypxeboot", "--mac", "52:54:00:12:34:56", "--bridge", "br0", "--json"]
    done = run(name, "--", *pypxeboot, "--label", label)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["initrds"]) == initrds
    if scheme:
        assert result["kernel"]["url"].startswith(scheme + ":")
        assert f"lab.entry={label}" in result["cmdline"].split()
        for path in (result["kernel"]["path"], result["ramdisk"]["path"]):
            Path(path).unlink()
    else:
        assert result["action"] == "localboot"


def test_what_the_command_leaves_running_is_ended(name: str, tmp_path: Path) -> None:
    done = run(name, "--", "sh", "-c", f"sleep 1000 >/dev/null 2>&1 & echo $! > {tmp_path}/pid")
    assert done.returncode == 0
    assert not alive((tmp_path / "pid").read_text().strip())


def alive(pid: str) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(name: str, *words: str) -> subprocess.Popen[str]:
    """A lab whose command (or banner) has begun."""
    process = subprocess.Popen(command(name, *words), stdout=subprocess.PIPE, text=True, cwd=tools.ROOT)
    assert process.stdout and process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("words", [(), ("--", "sh", "-c", "echo up; exec sleep 1000")])
def test_signals_take_everything_away(name: str, number: signal.Signals, words: tuple[str, ...]) -> None:
    process = start(name, *words)
    if number == signal.SIGINT and words:  # to the command, as from a terminal; the lab waits for it
        pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
        for pid in pids:
            os.kill(int(pid), signal.SIGINT)
    process.send_signal(number)
    code = process.wait(20)
    assert code == (0 if number == signal.SIGINT and not words else 128 + number)
    assert process.stdout
    process.stdout.close()


def test_after_a_kill_the_servers_end_and_the_next_lab_clears_up(name: str) -> None:
    process = start(name, "--", "sh", "-c", "echo up; exec sleep 1000")
    process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()
    for _ in range(100):
        pids = subprocess.run(["ip", "netns", "pids", f"{name}-lab"], capture_output=True, text=True).stdout
        if not pids.split():
            break
        time.sleep(0.05)
    assert not pids.split()
    left = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
    assert len(left) == 1
    done = run(name, "--", "curl", "-sf", "tftp://10.77.0.1/pxelinux.0")
    assert (done.returncode, done.stdout) == (0, "stands in for pxelinux.0\n")
    assert not alive(left[0])


def test_one_lab_of_a_name(name: str) -> None:
    process = start(name)
    done = run(name, "--", "true")
    assert done.returncode == 2 and "is running" in done.stderr
    process.terminate()
    process.wait(20)
    assert process.stdout
    process.stdout.close()


def test_namespace_of_somebody_else_is_left_alone(name: str) -> None:
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        done = run(name, "--", "true")
        assert done.returncode == 2 and "is there already" in done.stderr
        assert Path("/run/netns", name).exists()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.mark.parametrize(
    "words",
    [("--name", "../x"), ("--root", "/nonexistent"), ("--kernel", "/nonexistent"), ("--bridge", "a/b"),
     ("--host", "x=10.77.0.9"), ("--host", "52:54:00:00:00:01=10.0.0.1")],
)  # fmt: skip
def test_wrong_words(name: str, words: tuple[str, ...]) -> None:
    done = run(name, *words, "--", "true")
    assert done.returncode == 2
    assert done.stderr.startswith("pypxeboot-lab: ") and "Traceback" not in done.stderr
