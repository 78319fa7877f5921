"""``--pcap`` and ``-vv``: what stands in the capture file, and that it is there however the boot ends."""

from __future__ import annotations

import os
import re
import signal
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import MAC, SERVER, Run, Site, servers, tools, wait_until
from tests.support.ground.net import command
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import SIMPLE, check_simple, check_stderr, serve, tree

OVER_HTTP = SIMPLE.replace("i1,i2", f"i1,http://{SERVER}/i2")


@pytest.fixture
def pcap(site: Site) -> Path:
    return site.directory / "boot.pcap"


def dumped(path: Path, *words: str) -> list[str]:
    """The frames of ``path`` that match, as tcpdump reads them."""
    return command(tools.need("tcpdump"), "-nn", "-r", str(path), *words).splitlines()


def frames(path: Path) -> list[Any]:
    """The frames of ``path`` as scapy reads them, to the end of the file."""
    from scapy.layers.dhcp import BOOTP  # noqa: F401 - so that messages are taken apart
    from scapy.utils import rdpcap

    return list(rdpcap(str(path)))


def dhcp_types(path: Path) -> list[int]:
    """Option 53 of each DHCP message, in order."""
    from scapy.layers.dhcp import DHCP

    found = (frame[DHCP].options for frame in frames(path) if DHCP in frame)
    return [next(option[1] for option in options if option[0] == "message-type") for options in found]


def kinds(types: Sequence[int]) -> list[int]:
    """Each kind of message once: who waits for a slow server asks again, and then has two answers."""
    return list(dict.fromkeys(types))


def read_requests(path: Path) -> list[str]:
    """The file names of TFTP read requests."""
    from scapy.layers.inet import UDP

    payloads = [bytes(f[UDP].payload) for f in frames(path) if UDP in f and f[UDP].dport == 69]
    return [data[2:].split(b"\0")[0].decode() for data in payloads if data[:2] == b"\0\1"]


@pytest.mark.parametrize("room", ["8k", "4k"])
def test_a_disk_that_is_full(site: Site, room: str) -> None:
    """The boot goes on, one line says where the capture ends, and what is there can be read."""
    serve(site)
    small = site.directory / "small"
    small.mkdir()
    command("mount", "-t", "tmpfs", "-o", f"size={room}", "none", str(small))
    try:
        (small / "filler").write_bytes(bytes(4096))  # a page is left of two, which is half of a boot, or none
        run = site.boot("--pcap", str(small / "boot.pcap"))
        check_simple(site, run)
        (line,) = (line for line in run.stderr.splitlines() if "capture" in line)
        assert "No space left on device; the boot goes on" in line
        check_stderr(run)
        assert room == "4k" or dhcp_types(small / "boot.pcap")
    finally:
        command("umount", "-l", str(small))


def test_the_whole_conversation(site: Site, pcap: Path) -> None:
    root = serve(site, files=tree(OVER_HTTP))
    servers.nginx(site, root)
    run = site.boot("--pcap", str(pcap)).ok()
    assert kinds(dhcp_types(pcap)) == [1, 2, 3, 5], "from the first DISCOVER to the ACK"
    asked = [r["url"].partition(f"tftp://{SERVER}/")[2] for r in run.result["requests"]]
    assert sorted(set(read_requests(pcap))) == sorted({name for name in asked if name})
    assert any("HTTP: GET /i2 HTTP/1.1" in line for line in dumped(pcap, "tcp port 80"))
    discover = dumped(pcap, "-e", "udp dst port 67")[0]
    assert MAC in discover and "BOOTP/DHCP, Request" in discover
    assert len(dumped(pcap)) == len(frames(pcap))


def test_frames_have_the_time_of_the_wire(site: Site, pcap: Path) -> None:
    serve(site)
    run = site.boot("--pcap", str(pcap)).ok()
    times = [float(frame.time) for frame in frames(pcap)]
    assert times == sorted(times)
    assert times[-1] - times[0] <= run.seconds and abs(times[-1] - pcap.stat().st_mtime) < 60


def test_through_udhcpc_as_well(site: Site, pcap: Path) -> None:
    serve(site)
    program = site.directory / "udhcpc"
    program.symlink_to(tools.need("busybox"))
    site.boot("--pcap", str(pcap), f"--udhcpc={program}").ok()
    types = dhcp_types(pcap)
    assert types[0] == 1 and types[-1] == 5


def test_no_server(site: Site, pcap: Path) -> None:
    run = site.boot("--pcap", str(pcap), "--timeout", "5")
    assert run.rc == 3, str(run)
    types = dhcp_types(pcap)
    assert types and set(types) == {1}
    site.assert_nothing_left(within=1)


def test_a_boot_that_fails_late(site: Site, pcap: Path) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL gone\n"))
    run = site.boot("--pcap", str(pcap))
    assert run.rc == 6, str(run)
    assert "gone" in read_requests(pcap) and 5 in dhcp_types(pcap)
    site.assert_nothing_left(within=1)


def test_after_sigterm(site: Site, pcap: Path) -> None:
    root = serve(site, files={**tree(SIMPLE.replace("i1,i2", f"http://{SERVER}/big")), "big": bytes(1 << 20)})
    servers.nginx(site, root, "limit_rate 16k;")
    base = ("--json", "--mac", MAC, "--bridge", "br0", "--output-directory", str(site.out))
    process = site.start(*base, "--pcap", str(pcap))

    def downloading() -> bool:
        shown = command("ip", "netns", "exec", site.srv, "ss", "-Htni", "state", "established")
        return f"{ADDRESS}:" in shown and "bytes_received:" in shown  # connected, and the request has come

    try:
        wait_until(downloading, 30, "download")
        process.send_signal(signal.SIGTERM)
        _output, errors = process.communicate(timeout=8)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 8, errors.decode()
    assert 5 in dhcp_types(pcap) and "vmlinuz" in read_requests(pcap)
    assert any("GET /big" in line for line in dumped(pcap, "tcp port 80"))
    site.assert_nothing_left(within=1)


def test_after_sigkill_nothing_runs_on(site: Site, pcap: Path) -> None:
    base = ("--mac", MAC, "--bridge", "br0", "--output-directory", str(site.out))
    process = site.start(*base, "--pcap", str(pcap))
    try:
        wait_until(lambda: pcap.exists() and b"\x63\x82\x53\x63" in pcap.read_bytes(), 30, "a DISCOVER")
        process.kill()
        process.communicate(timeout=5)
    finally:
        process.kill()
        process.wait()
    assert dhcp_types(pcap)[0] == 1
    site.assert_nothing_left(within=2)


def test_the_mode_of_the_file(site: Site, pcap: Path) -> None:
    serve(site)
    before = os.umask(0)
    try:
        site.boot("--pcap", str(pcap)).ok()
    finally:
        os.umask(before)
    assert stat.S_IMODE(pcap.stat().st_mode) == 0o600


def test_an_older_capture_is_replaced(site: Site, pcap: Path) -> None:
    serve(site)
    pcap.write_bytes(b"\xff" * (1 << 20))
    site.boot("--pcap", str(pcap)).ok()
    assert pcap.stat().st_size < 1 << 20 and dhcp_types(pcap)[0] == 1


@pytest.mark.parametrize("target", ["file", "nothing"])
def test_a_symlink_is_refused(site: Site, pcap: Path, target: str) -> None:
    aim = site.directory / "precious"
    if target == "file":
        aim.write_bytes(b"precious")
    pcap.symlink_to(aim)
    run = site.boot("--pcap", str(pcap), "--timeout", "3")
    refused(site, run, pcap)
    assert aim.read_bytes() == b"precious" if target == "file" else not aim.exists()


@pytest.mark.parametrize("path", ["no/such/boot.pcap", ".", "root"])
def test_a_path_that_cannot_be_written(site: Site, path: str) -> None:
    (site.directory / "root").mkdir()
    run = site.boot("--pcap", str(site.directory / path), "--timeout", "3")
    refused(site, run, site.directory / path)


def refused(site: Site, run: Run, path: Path) -> None:
    assert run.rc == 2, str(run)
    assert str(path) in run.result["error"]["message"]
    check_stderr(run)
    site.assert_nothing_left(within=1)


def packets(run: Run) -> list[str]:
    return [line for line in run.stderr.splitlines() if line.startswith("pypxeboot: packet: ")]


@pytest.mark.parametrize("also", [True, False], ids=["with-file", "without"])
def test_packets_in_words(site: Site, pcap: Path, also: bool) -> None:
    serve(site)
    run = site.boot("-vv", *(("--pcap", str(pcap)) if also else ()))
    check_simple(site, run)
    lines = packets(run)
    told = [match[1] for match in re.finditer(r"^pypxeboot: packet: .* DHCP (\w+)", run.stderr, re.M)]
    assert told == ["Discover", "Offer", "Request", "Ack"]
    assert sum("TFTP" in line for line in lines) >= len(run.result["requests"]), lines
    check_stderr(run)
    assert pcap.exists() == also


def test_no_packets_without_being_asked(site: Site) -> None:
    serve(site)
    assert not packets(site.boot("-v").ok())


HOSTILE = "px\x1b[2J\x1b]0;owned\x07\x9b31m\rpypxeboot: forged"


@pytest.mark.parametrize("where", ["file", "option", "config"])
def test_words_of_strangers(site: Site, pcap: Path, where: str) -> None:
    """No byte of the network reaches the terminal as it is."""
    if where == "config":
        serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL gone\u202e\x9b31m\x1b[2J\n"))
    elif where == "file":
        servers.scripted_dhcp(site, "offer", "ack", filename=HOSTILE)
    else:
        serve(site, offer=Offer(options={15: "a\x1b[2J\x07b", 12: "c\x1b]0;x\x07"}))
    run = site.boot("-vv", "--pcap", str(pcap), "--timeout", "5")
    check_stderr(run)
    assert packets(run) and not any(line.startswith("pypxeboot: forged") for line in run.stderr.splitlines())
    assert b"\x1b[2J" in pcap.read_bytes(), "the hostile bytes were on the wire"


def test_a_large_download(site: Site, pcap: Path) -> None:
    """What the capture cannot keep up with is told; the boot does not suffer."""
    size = 64 << 20
    root = serve(site, files=tree(SIMPLE.replace("i1,i2", f"http://{SERVER}/big")))
    with (root / "big").open("wb") as file:
        file.truncate(size)
    servers.nginx(site, root)
    run = site.boot("--pcap", str(pcap)).ok()
    assert run.result["ramdisk"]["size"] == size
    captured = pcap.stat().st_size
    assert captured > size or re.search(r"the capture lacks \d+ frames", run.stderr), (captured, str(run))
    types = dhcp_types_of_head(pcap)
    assert kinds(types) == [1, 2, 3, 5]
    for path in (root / "big", pcap, Path(run.result["ramdisk"]["path"])):
        path.unlink()


def dhcp_types_of_head(path: Path) -> list[int]:
    """The same, by tcpdump, which reads 64 MiB in no time."""
    text = command(tools.need("tcpdump"), "-nn", "-v", "-r", str(path), "udp port 67 or udp port 68")
    names = {"Discover": 1, "Offer": 2, "Request": 3, "ACK": 5}
    return [names[name] for name in re.findall(r"DHCP-Message \(53\), length 1: (\w+)", text)]
