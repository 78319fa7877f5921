"""The test ground itself: its servers serve an ordinary client, and what is left behind is seen."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Site, guests, net, servers, tools

BIG = bytes(range(256)) * 700
TREE: servers.Tree = {"pxelinux.0": "not run here\n", "pxelinux.cfg/default": "DEFAULT a\n", "big": BIG}


def udhcpc(site: Site, mac: str = MAC) -> str:
    """What busybox's DHCP client hears, behind a port of the bridge of its own."""
    namespace = site.namespace(f"{len(site.servers)}c")
    end = f"c{len(site.servers)}"
    site.ip(
        f"link add {end} type veth peer name eth0 address {mac} netns {namespace}",
        f"link set {end} master br0 up",
    )
    site.ip("link set lo up", "link set eth0 up", namespace=namespace)
    script = site.directory / "udhcpc.script"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && set\ntrue\n')
    script.chmod(0o755)
    argv = [
        tools.need("busybox"),
        "udhcpc",
        "-i",
        "eth0",
        "-n",
        "-q",
        "-f",
        "-t",
        "4",
        "-T",
        "2",
        "-s",
        str(script),
    ]
    argv += ["-O", "bootfile", "-O", "209", "-O", "210", "-x", "0x5d:0000"]
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *argv], capture_output=True, text=True, timeout=30
    )
    site.ip(f"link del {end}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def tftp(site: Site, name: str) -> bytes:
    """A file by curl's TFTP client, from the hypervisor's own address."""
    argv = [
        "ip",
        "netns",
        "exec",
        site.hyp,
        tools.need("curl"),
        "-sS",
        "-m",
        "10",
        "--noproxy",
        "*",
        f"tftp://{SERVER}/{name}",
    ]
    return subprocess.run(argv, capture_output=True, check=True, timeout=20).stdout


def http(site: Site, name: str) -> bytes:
    """A file and the status code behind it, by curl from the hypervisor's own address."""
    argv = ["ip", "netns", "exec", site.hyp, tools.need("curl"), "-sS", "--noproxy", "*"]
    return subprocess.check_output([*argv, "-w", "%{http_code}", f"http://{SERVER}/{name}"], timeout=20)


@pytest.mark.parametrize("kind", servers.KINDS)
def test_dhcp_and_tftp_servers(tmp_path: Path, clean_machine: None, kind: str) -> None:
    with Site(tmp_path, host_address=True) as site:
        root = servers.plant(tmp_path / "root", TREE)
        servers.start(site, kind, root, servers.Offer(options={209: "conf/x", 210: "http://h/p/"}))
        heard = udhcpc(site)
        assert f"ip='{servers.ADDRESS}'\n" in heard and f"siaddr='{SERVER}'\n" in heard
        for value in ("pxelinux.0", "conf/x", "http://h/p/"):  # the names differ between busybox versions
            assert f"='{value}'\n" in heard
        assert tftp(site, "big") == BIG
        site.assert_nothing_left()


def test_the_server_on_the_host_itself(host_site: Site, tmp_path: Path) -> None:
    root = servers.plant(tmp_path / "root", TREE)
    servers.dnsmasq(host_site, root)
    assert f"ip='{servers.ADDRESS}'\n" in udhcpc(host_site)
    assert tftp(host_site, "big") == BIG


def test_web_server(tmp_path: Path, clean_machine: None) -> None:
    with Site(tmp_path, host_address=True) as site:
        root = servers.plant(tmp_path / "root", TREE)
        servers.nginx(site, root, "location /gone { return 410; }")
        assert http(site, "big") == BIG + b"200"
        assert http(site, "gone").endswith(b"410")


def test_dhcp_by_script(site: Site) -> None:
    server = servers.scripted_dhcp(site, "offer", "nak", "offer", "ack")
    heard = udhcpc(site)
    assert f"ip='{servers.ADDRESS}'\n" in heard
    said = [line.split()[-1] for line in server.text().splitlines()[1:]]
    assert said[:4] == ["offer", "nak", "offer", "ack"]


def test_a_running_guest_is_learned_on_its_port(site: Site) -> None:
    assert site.learned() == set()
    with guests.running_guest(site) as port:
        assert site.learned() == {port}
        site.assert_nothing_left()
    assert site.learned() == set()


def test_leftovers_are_seen(site: Site) -> None:
    site.ip(
        "link add stray type veth peer name stray2",
        f"link set stray master {BRIDGE} up",
        "link set stray2 up",
    )
    (site.out / "kernel").write_bytes(b"")
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={net._MARK: site.hyp}
    )
    try:
        net.wait_until(site.run_pids, 30, "process found by its mark")
        expected = ["link stray", "link stray2", f"process {process.pid}", "file kernel"]
        assert site.leftovers() == expected
    finally:
        process.kill()
        process.communicate()


def test_nothing_of_a_site_survives_it(tmp_path: Path, clean_machine: None) -> None:
    with pytest.raises(ZeroDivisionError), Site(tmp_path) as site:
        name, server = site.hyp, servers.dnsmasq(site, tmp_path)
        1 / 0  # noqa: B018 - any error
    assert server.process.poll() is not None
    assert name not in net.command("ip", "netns", "list")


def test_namespaces_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from tests.support.ground import Site\n"
        "s = Site(pathlib.Path(sys.argv[1])).__enter__(); "
    )
    program += "print(s.hyp, flush=True); input()"
    argv = [sys.executable, "-c", program, str(tmp_path)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tools.ROOT)
    assert process.stdout
    name = process.stdout.readline().strip()
    net.remove_stale()
    assert name in net.command("ip", "netns", "list")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    net.remove_stale()
    assert name not in net.command("ip", "netns", "list")
