"""Ethernet frames of DHCP: what goes out, and which of those that come in are replies to us."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.ground import BRIDGE, Site, tools
from tests.support.ground.net import command
from tests.support.peers.dhcp import frame

_LISTEN = """
import select, sys
from pypxeboot.net.frames import FrameSocket
socket = FrameSocket()
socket.bind("eth0", promiscuous=sys.argv[1] == "promiscuous")
print("ready", flush=True)
while select.select([socket], [], [], 1.5)[0]:
    frame, _ready = socket.receive()
    if frame[:1] == b"\\xff" and frame[12:14] == b"\\x08\\x00":
        print(frame[-1:].decode(), flush=True)
"""


@pytest.mark.parametrize("mode", ["own", "promiscuous"])
def test_9_frames_of_another_vlan_on_a_real_link(site: Site, mode: str) -> None:
    """The kernel takes the tag off before they are received."""
    namespace = site.namespace("listener")
    site.ip(f"link add port type veth peer name eth0 netns {namespace}", f"link set port master {BRIDGE} up")
    site.ip("link set eth0 up", namespace=namespace)
    env = {"PYTHONPATH": str(tools.ROOT)}
    listener = site.spawn([sys.executable, "-c", _LISTEN, mode], "listener.log", namespace=namespace, env=env)
    listener.wait_for("ready")
    frames_sent = [frame(b"A"), frame(b"B", tag=20), frame(b"C", tag=0), frame(b"D", tag=4094), frame(b"E")]
    program = (
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('srv0', 0))\n"
        f"for data in {frames_sent!r}: s.send(data)"
    )
    site.spawn([sys.executable, "-c", program], "sender.log").process.wait(10)
    listener.wait_for("E")
    assert listener.text().split() == ["ready", "A", "C", "E"]


_REST = """
import select, sys
from pypxeboot.net.frames import FrameSocket
socket = FrameSocket()

def heard(seconds):
    found = []
    while select.select([socket], [], [], seconds)[0]:
        frame, _ready = socket.receive()
        if frame[:1] == b"\\xff" and frame[12:14] == b"\\x08\\x00":
            found.append(frame[-1:].decode())
    return "".join(found)

socket.bind("eth0")
print("ready", flush=True)
sys.stdin.readline()
socket.rest()
print("resting", flush=True)
sys.stdin.readline()
print("heard", heard(0.2) or "nothing", flush=True)
socket.bind("eth0")
print("awake", flush=True)
sys.stdin.readline()
print("heard", heard(0.2) or "nothing", flush=True)
"""


def test_a_socket_that_rests_hears_nothing_until_it_is_bound_again(site: Site) -> None:
    namespace = site.namespace("listener")
    site.ip(f"link add port type veth peer name eth0 netns {namespace}", f"link set port master {BRIDGE} up")
    site.ip("link set eth0 up", namespace=namespace)
    argv = ["ip", "netns", "exec", namespace, sys.executable, "-c", _REST]
    env = tools.ENVIRONMENT

    def send(mark: bytes) -> None:
        program = (
            "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('srv0', 0))\n"
            f"s.send(bytes.fromhex({frame(mark).hex()!r}))"
        )
        command("ip", "netns", "exec", site.srv, sys.executable, "-c", program)

    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as listener:
        assert listener.stdin and listener.stdout
        said = []
        for mark in (b"A", b"B", b"C"):
            said.append(listener.stdout.readline().strip())
            if said[-1].startswith("heard"):
                said.append(listener.stdout.readline().strip())
            send(mark)
            print(file=listener.stdin, flush=True)
        said.append(listener.stdout.readline().strip())
    assert said == ["ready", "resting", "heard nothing", "awake", "heard C"]
