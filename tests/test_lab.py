"""The lab: its rules without a network, then the whole of it in namespaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Optional

import dns.message
import pytest
from ground import tools

from pypxeboot.dhcp import message as dhcp
from pypxeboot.kernel import identify
from pypxeboot.lab import dhcp_server, main, namespaces, replies, sample_tree, servers

MAC = bytes.fromhex("5254000a0b0c")
SITE = dhcp_server.Site(
    network=namespaces.NETWORK,
    server=namespaces.SERVER,
    first=servers.FIRST,
    last=servers.FIRST + 2,
    bootfile="pxelinux.0",
    prefix="http://10.77.0.1/",
    hosts={"52:54:00:00:00:01": IPv4Address("10.77.0.50")},
)

# ---- DHCP


def ask(
    server: dhcp_server.Server,
    kind: int,
    mac: bytes = MAC,
    ciaddr: str = "0.0.0.0",
    *,
    requested: str = "",
    chosen: str = "",
) -> Optional[dhcp.Message]:
    """What the server answers."""
    body = bytes([1, 1, 6, 0]) + b"\1\2\3\4" + bytes(2) + b"\x80\0" + IPv4Address(ciaddr).packed + bytes(12)
    body += mac.ljust(16, b"\0") + bytes(192) + dhcp.MAGIC + bytes([53, 1, kind])
    for code, value in ((50, requested), (54, chosen)):
        body += bytes([code, 4]) + IPv4Address(value).packed if value else b""
    reply, line = server.answer(body + b"\xff")
    assert line.isprintable()
    if reply is None:
        return None
    assert len(reply) >= 300
    message = dhcp.decode(reply)
    assert message.xid == 0x01020304 and message.chaddr == mac and message.server_id == namespaces.SERVER
    return message


def address(message: Optional[dhcp.Message]) -> str:
    return str(message.yiaddr) if message else ""


def kind(message: Optional[dhcp.Message]) -> Optional[int]:
    return message.type if message else None


def test_lease_from_discover_to_ack() -> None:
    server = dhcp_server.Server(SITE)
    offer = ask(server, 1)
    assert offer
    assert (offer.type, str(offer.yiaddr), str(offer.siaddr)) == (2, "10.77.0.100", "10.77.0.1")
    ack = ask(server, 3, requested="10.77.0.100", chosen="10.77.0.1")
    assert ack and ack.type == 5 and ack.yiaddr == offer.yiaddr
    assert ack.options[67] == b"pxelinux.0" and ack.options[210] == b"http://10.77.0.1/"
    assert ack.options[1] == bytes([255, 255, 255, 0]) and ack.options[51] == (3600).to_bytes(4, "big")
    assert kind(ask(server, 3, ciaddr="10.77.0.100")) == 5  # renewing


def test_addresses_stay_with_their_mac_and_run_out() -> None:
    server = dhcp_server.Server(SITE)
    given = [address(ask(server, 1, bytes([2, 0, 0, 0, 0, n]))) for n in (1, 2, 1, 3, 4)]
    assert given == ["10.77.0.100", "10.77.0.101", "10.77.0.100", "10.77.0.102", ""]


def test_wish_is_granted_if_free() -> None:
    server = dhcp_server.Server(SITE)
    assert address(ask(server, 1, requested="10.77.0.102")) == "10.77.0.102"
    assert address(ask(server, 1, b"\2\0\0\0\0\1", requested="10.77.0.102")) == "10.77.0.100"
    assert address(ask(server, 1, b"\2\0\0\0\0\2", requested="10.77.0.50")) == "10.77.0.101"


def test_static_address() -> None:
    server = dhcp_server.Server(SITE)
    assert address(ask(server, 1, bytes.fromhex("525400000001"))) == "10.77.0.50"


def test_wrong_requests_are_denied_or_left_alone() -> None:
    server = dhcp_server.Server(SITE)
    ask(server, 1)
    assert kind(ask(server, 3, requested="10.77.0.102", chosen="10.77.0.1")) == 6
    assert kind(ask(server, 3, requested="10.77.0.100", chosen="10.77.0.9")) is None  # another server's
    assert kind(ask(server, 3, b"\2\0\0\0\0\1", requested="192.168.1.5")) == 6  # of another network
    assert kind(ask(server, 3, b"\2\0\0\0\0\1", requested="10.77.0.101")) is None  # not known here
    assert kind(ask(server, 7)) is None
    assert kind(ask(server, 4)) is None
    assert address(ask(server, 1)) == "10.77.0.101"  # the declined one is not given again
    assert kind(ask(server, 8, ciaddr="10.77.0.7")) == 5


@pytest.mark.parametrize(
    "payload", [b"", bytes(239), bytes(300), b"\2" + bytes(235) + dhcp.MAGIC + b"\x35\1\1\xff"]
)
def test_garbage_gets_no_answer(payload: bytes) -> None:
    assert dhcp_server.Server(SITE).answer(payload)[0] is None


# ---- DNS and TFTP


def test_dns() -> None:
    names = {"boot.lab.test": namespaces.SERVER}
    for name, type_, answers, code in (
        ("Boot.lab.test", "A", ["10.77.0.1"], 0),
        ("boot.lab.test", "AAAA", [], 0),
        ("other.lab.test", "A", [], 3),
    ):
        query = dns.message.make_query(name, type_)
        reply = dns.message.from_wire(replies.dns_answer(query.to_wire(), names))
        assert query.is_response(reply) and reply.rcode() == code
        assert [str(item) for rrset in reply.answer for item in rrset] == answers


@pytest.mark.parametrize(
    "query", [b"", bytes(11), bytes(12), b"\0\0\x80\0" + bytes(12), bytes(5) + b"\1" + bytes(6)]
)
def test_dns_of_garbage(query: bytes) -> None:
    assert replies.dns_answer(query, {}) == b""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", (512, 1, b"")),
        (b"blksize\x001408\0tsize\x000\0", (1408, 1, b"\0\6blksize\x001408\0tsize\x0099\0")),
        (b"BLKSIZE\x0065464\0windowsize\x0064\0", (1428, 16, b"\0\6blksize\x001428\0windowsize\x0016\0")),
        (b"blksize\0abc\0windowsize\0-1\0x", (512, 1, b"")),
    ],
)
def test_tftp_options(options: bytes, expected: tuple[int, int, bytes]) -> None:
    assert replies.tftp_options(b"\0\1file\0octet\0" + options, 99) == expected


# ---- the tree


def test_stub_is_taken_for_a_kernel() -> None:
    image = sample_tree.stub_kernel()
    info = identify.identify(image, len(image))
    assert (info.format, info.arch, info.boots, info.release) == (
        "bzImage",
        "x86_64",
        ("qemu",),
        "0.0 (stub) #1",
    )


def test_archives_are_read_by_cpio(tmp_path: Path) -> None:
    archive = (
        sample_tree.initramfs(b"\x7fELF" + bytes(999))
        + sample_tree.sample(kernel=None, initrd=None)["motd.img"]
    )
    busybox = tools.need("busybox")
    subprocess.run(
        [busybox, "cpio", "-idm"], input=archive[: 1 << 20], cwd=tmp_path, check=True, capture_output=True
    )
    assert (tmp_path / "bin/busybox").stat().st_size == 1003
    assert os.access(tmp_path / "init", os.X_OK)
    assert "the guest is up" in (tmp_path / "init").read_text()


# ---- all of it


netns = pytest.mark.netns


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


@netns
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


@netns
def test_udhcpc_gets_a_lease(name: str, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text('#!/bin/sh\n[ "$1" != bound ] || echo "$ip $subnet $router $dns $siaddr $boot_file"\n')
    hook.chmod(0o755)
    script = "ip link add p type veth peer name c address 52:54:00:00:00:07 && ip link set p master lab up\n"
    script += f"ip link set c up && {tools.need('busybox')} udhcpc -i c -nqf -t 4 -T 1 -s {hook}"
    options = ("--bridge", "lab", "--host", "52-54-00-00-00-07=10.77.0.60", "--filename", "x.0")
    done = run(name, *options, "--", "sh", "-c", script)
    assert done.stdout == "10.77.0.60 255.255.255.0 10.77.0.1 10.77.0.1 10.77.0.1 x.0\n", done.stderr


@netns
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


@netns
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


@netns
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


@netns
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


@netns
def test_one_lab_of_a_name(name: str) -> None:
    process = start(name)
    done = run(name, "--", "true")
    assert done.returncode == 2 and "is running" in done.stderr
    process.terminate()
    process.wait(20)
    assert process.stdout
    process.stdout.close()


@netns
def test_namespace_of_somebody_else_is_left_alone(name: str) -> None:
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        done = run(name, "--", "true")
        assert done.returncode == 2 and "is there already" in done.stderr
        assert Path("/run/netns", name).exists()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@netns
@pytest.mark.parametrize(
    "words",
    [("--name", "../x"), ("--root", "/nonexistent"), ("--kernel", "/nonexistent"), ("--bridge", "a/b"),
     ("--host", "x=10.77.0.9"), ("--host", "52:54:00:00:00:01=10.0.0.1")],
)  # fmt: skip
def test_wrong_words(name: str, words: tuple[str, ...]) -> None:
    done = run(name, *words, "--", "true")
    assert done.returncode == 2
    assert done.stderr.startswith("pypxeboot-lab: ") and "Traceback" not in done.stderr


def test_needs_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main.main(["run"]) == 2
    assert "need root" in capsys.readouterr().err
