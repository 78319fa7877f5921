"""Lines on standard error: the wording of 2007, line ends on a pty, the progress bar, and what -v tells."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path
from typing import Optional

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, UUID, Run, Site, servers, tools
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import INITRDS, JOINED, SIMPLE, asked, check_stderr, serve, tree

BASE = ("--mac", MAC, "--bridge", BRIDGE)
REQUESTING = f"pypxeboot: requesting info for MAC address {MAC}"
GETTING = f"pypxeboot: getting cfg for IP {ADDRESS} (0A4D00AD) from server {SERVER}"
BAR = re.compile(r"\r\[[#.]{30}\] ")


def on_terminal(
    site: Site,
    *args: str,
    raw: bool = True,
    env: Optional[dict[str, str]] = None,
    size: tuple[int, int] = (0, 0),
) -> tuple[int, str]:
    """Exit code of a boot, and what came out of the pty that was its standard error."""
    ours, theirs = pty.openpty()
    if raw:
        tty.setraw(theirs)  # as libxl has it; without a size as well
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    argv = ["ip", "netns", "exec", site.hyp, sys.executable, "-m", "pypxeboot", *BASE]
    process = subprocess.Popen(
        [*argv, "--output-directory", str(site.out), *args],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=site.directory,
        env={
            **os.environ,
            "PYTHONPATH": str(tools.ROOT),
            "PYPXEBOOT_TEST_RUN": site.hyp,
            "TERM": "vt100",
            **(env or {}),
        },
    )
    os.close(theirs)
    data, deadline = b"", time.monotonic() + 30
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while select.select([ours], [], [], max(deadline - time.monotonic(), 0))[0]:
            piece = os.read(ours, 65536)
            if not piece:
                break
            data += piece
    os.close(ours)
    try:
        return process.wait(5), data.decode()
    finally:
        process.kill()


def serve_slowly(site: Site, size: int = 4 << 20) -> None:
    """An initrd that takes half a second."""
    config = SIMPLE.replace("i1,i2", f"i1,http://{SERVER}/big")
    root = serve(site, files={**tree(config), "big": bytes(size)})
    servers.nginx(site, root, f"limit_rate {2 * size};")


def lines_of(run: Run) -> list[str]:
    return run.stderr.splitlines()


def test_a_quiet_boot_says_two_lines(site: Site) -> None:
    serve(site)
    run = site.boot().ok()
    assert lines_of(run) == [REQUESTING, GETTING]


def test_the_address_in_the_line_is_the_one_of_the_file_names(site: Site) -> None:
    mac, address = "52:54:00:00:00:0a", "10.77.0.110"
    serve(site, offer=Offer(hosts={mac: address}))
    run = site.boot(mac=mac).ok()
    assert lines_of(run)[0] == f"pypxeboot: requesting info for MAC address {mac}"
    assert lines_of(run)[1] == f"pypxeboot: getting cfg for IP {address} (0A4D006E) from server {SERVER}"
    assert any(url.endswith("/0A4D006E") for url, _result in asked(run))


def test_a_mac_in_any_notation_is_told_in_one(site: Site) -> None:
    serve(site)
    run = site.pypxeboot(f"mac={MAC.upper()},bridge={BRIDGE}", "--output-directory", str(site.out)).ok()
    assert lines_of(run)[0] == REQUESTING


def test_every_line_is_ours(site: Site) -> None:
    """At each verbosity, of a boot and of a failure."""
    serve(site)
    for level in ("-q", "-vv"):
        run = site.boot(level).ok()
        check_stderr(run)
        said = [line for line in (REQUESTING, GETTING) if line in lines_of(run)]
        assert said == ([] if level == "-q" else [REQUESTING, GETTING])
        run = site.boot(level, "--label", "nothere")
        assert run.rc == 5
        check_stderr(run)


def test_a_raw_terminal_gets_carriage_returns(site: Site) -> None:
    serve(site)
    code, text = on_terminal(site, "-v")
    assert code == 0
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    lines = text.split("\r\n")[:-1]
    assert REQUESTING in lines and GETTING in lines
    assert any(line.startswith(f"pypxeboot: tftp://{SERVER}/vmlinuz: ") for line in lines), (
        "the client's, too"
    )
    assert all(line.startswith("pypxeboot: ") and line.isprintable() for line in lines), lines


def test_a_raw_terminal_gets_them_in_errors(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL gone\n"))
    for args in ((), ("--no-such-option",)):
        code, text = on_terminal(site, *args)
        assert code == (2 if args else 6)
        assert "\r\npypxeboot: hint: " in text or text.startswith("pypxeboot: error: ")
        assert "\n" not in text.replace("\r\n", "")
        assert all(line.startswith("pypxeboot: ") for line in text.split("\r\n")[:-1]), text


def test_a_cooked_terminal_makes_its_own(site: Site) -> None:
    serve(site)
    code, text = on_terminal(site, "-v", raw=False, size=(24, 80))
    assert code == 0 and "\r\r\n" not in text and "\n" not in text.replace("\r\n", "")


def test_progress_on_a_terminal(site: Site) -> None:
    serve_slowly(site)
    code, text = on_terminal(site, raw=False)
    assert code == 0
    bars = BAR.findall(text)
    assert len(bars) >= 2, text
    assert re.search(r"\d MiB of 4\.0 MiB, \d+\.\d [KM]iB/s", text)
    assert re.search(r"\r +\r$", text), "nothing of it stays"
    assert not re.search(r"\] [^\r]*pypxeboot:", text), "no line is put behind the bar"
    assert "\x1b" not in text


def test_no_bar_on_the_terminal_of_libxl(site: Site) -> None:
    """What is written there is also the log of this boot."""
    serve_slowly(site)
    code, text = on_terminal(site, "-v")
    assert code == 0 and not BAR.search(text)
    assert "\r" not in text.replace("\r\n", "")


def test_no_progress_on_a_terminal_that_cannot_go_back(site: Site) -> None:
    serve_slowly(site)
    code, text = on_terminal(site, env={"TERM": "dumb"})
    assert code == 0 and not BAR.search(text)
    assert text == f"{REQUESTING}\r\n{GETTING}\r\n"


def test_no_progress_in_a_file(site: Site) -> None:
    serve_slowly(site)
    path = site.directory / "stderr"
    argv = ["ip", "netns", "exec", site.hyp, sys.executable, "-m", "pypxeboot", *BASE, "-v"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(tools.ROOT),
        "PYPXEBOOT_TEST_RUN": site.hyp,
        "TERM": "vt100",
    }
    with path.open("wb") as file:
        done = subprocess.run(
            [*argv, "--output-directory", str(site.out)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=environment,
            timeout=30,
        )
    data = path.read_bytes()
    assert done.returncode == 0 and b"/big: 4.0 MiB" in data
    assert b"\r" not in data and b"#" not in data and b"\x1b" not in data


def test_verbose_tells_it_all(site: Site) -> None:
    serve(site)
    run = site.boot("-v", "--uuid", UUID).ok()
    text = run.stderr
    check_stderr(run)
    assert re.search(rf"MAC {MAC} on {BRIDGE} \(veth\), MTU 1500\n", text)
    assert "DHCPDISCOVER, try 1" in text and re.search(rf"DHCPREQUEST for {ADDRESS} to {SERVER}\n", text)
    offer = re.search(rf"DHCP offer from {SERVER}: (.*)\n", text)
    assert offer and ADDRESS in offer[1] and "pxelinux.0" in offer[1]
    assert re.search(rf"DHCP lease: {ADDRESS}/24 for 3600 s from {SERVER}\n", text)
    assert f"route: 0.0.0.0/0 via {SERVER}\n" in text
    for request in run.result["requests"]:
        answer = "not-found" if request["result"] == "not-found" else r"\d.* in \d+\.\d+ s"
        assert re.search(rf"^pypxeboot: {re.escape(request['url'])}: {answer}", text, re.M), request
    assert f"configuration tftp://{SERVER}/pxelinux.cfg/default\n" in text
    assert "entry a: boot, because it is the default\n" in text
    assert f"kernel {run.result['kernel']['path']}, 2.0 KiB\n" in text
    assert f"ramdisk {run.result['ramdisk']['path']}, {len(JOINED)} B\n" in text
    assert "command line: BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2\n" in text
    for data in (dummy("vmlinuz"), *INITRDS.values()):
        assert digest(data) in text


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


WHY = {
    "label": (SIMPLE, ("--label", "b"), "entry b: boot, because it was asked for"),
    "timeout": ("TIMEOUT 1\nPROMPT 1\n" + SIMPLE, (), "entry a: boot, because nobody chose within TIMEOUT"),
    "waits-for-ever": ("PROMPT 1\n" + SIMPLE, (), "this is what Enter would boot"),
    "ontimeout": (
        "TIMEOUT 1\nONTIMEOUT b\nPROMPT 1\n" + SIMPLE,
        (),
        "entry b: boot, because ONTIMEOUT says so",
    ),
}


@pytest.mark.parametrize("case", WHY)
def test_verbose_tells_why(site: Site, case: str) -> None:
    config, args, expected = WHY[case]
    serve(site, files=tree(config))
    run = site.boot("-v", *args).ok()
    assert expected in run.stderr, str(run)


def test_verbose_without_dhcp(site: Site) -> None:
    serve(site)
    given = ("--ip", f"{ADDRESS}/24", "--server", SERVER, "--bootfile", "pxelinux.0")
    run = site.boot("-v", *given).ok()
    assert f"pypxeboot: no DHCP: address {ADDRESS}/24 was given" in lines_of(run)
    assert GETTING in lines_of(run) and REQUESTING not in lines_of(run)


def test_a_quiet_failure_lists_what_was_asked(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD gone\n"))
    run = site.boot()
    assert run.rc == 6
    for url, result in asked(run):
        told = "not-found" if result == "not-found" else r"\d+(\.\d)? (B|KiB)"
        assert re.search(rf"^pypxeboot: asked for {re.escape(url)}: {told}$", run.stderr, re.M), (url, result)
    assert re.search(rf"^pypxeboot: asked for tftp://{SERVER}/gone: not-found$", run.stderr, re.M)
    errors = [line for line in lines_of(run) if line.startswith("pypxeboot: error: ")]
    assert len(errors) == 1 and "gone" in errors[0]
    assert lines_of(run).index(errors[0]) >= len(lines_of(run)) - 2, "what went wrong comes last"


def test_a_verbose_failure_does_not_say_it_twice(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL gone\n"))
    run = site.boot("-v")
    assert run.rc == 6 and "asked for" not in run.stderr
    assert len(re.findall(rf"^pypxeboot: tftp://{SERVER}/gone: not-found$", run.stderr, re.M)) == 1


def test_under_libxl_everything_is_told(site: Site) -> None:
    """Its log is the only one of a boot that nobody watched."""
    serve(site)
    output = site.directory / "bootloader.7.out"
    output.touch(0o600)
    argv = [f"--output={output}", "--output-format=simple0", f"--output-directory={site.out}"]
    run = site.pypxeboot(*argv, f"mac={MAC},bridge={BRIDGE},", str(Path("/dev/null"))).ok()
    check_stderr(run)
    assert "DHCP offer from" in run.stderr and "because it is the default" in run.stderr
    assert "packet: " not in run.stderr
