"""``pypxeboot-virt watch`` and ``run``: real domains that reboot, and what is killed under them."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ground import wait_until
from tests.support.ground.libvirt import NETWORK, Libvirt, domain_xml, need_python, write_disk
from tests.support.ground.net import Server

MAC = "52:54:00:00:00:01"
OPT_IN = "<p:boot xmlns:p='urn:pypxeboot:domain:1' {}/>"
CONFIG = "DEFAULT {}\nLABEL disk\n LOCALBOOT 0\nLABEL off\n KERNEL k\n APPEND probe=poweroff\n"
SECONDS = 90  # for anything: the machine has others to serve


class Watched:
    """A libvirtd with a ``pypxeboot-virt watch`` over it."""

    def __init__(self, libvirt: Libvirt, kernel: bytes, disk: bytes) -> None:
        self.libvirt, self._kernel, self._disk = libvirt, kernel, disk
        self._heard: dict[str, int] = {}
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address = f"/tmp/pxtest-{os.getpid()}.notify"
        self.notified.bind(self._address)
        self.says("install")

    def says(self, label: str) -> None:
        """From now on the servers have all guests boot the entry ``label``; others than those above stay."""
        config = CONFIG.format(label) + f"LABEL {label}\n KERNEL k\n APPEND entry={label}\n"
        config = config if label not in ("disk", "off") else CONFIG.format(label)
        self.libvirt.serve({"pxelinux.cfg/default": config, "k": self._kernel})

    def watch(self, *args: str) -> Server:
        """Start it; it looks after domains when this returns."""
        self.server = self.libvirt.spawn(
            "pypxeboot.commands.virt",
            "watch",
            "-v",
            *args,
            log="watch.log",
            env={"NOTIFY_SOCKET": self._address},
        )
        return self.server

    def ready(self) -> Server:
        self.watch().wait_for("connected to", SECONDS)
        return self.server

    def define(
        self, name: str = "guest", mac: str = MAC, opt_in: str = OPT_IN.format(""), **more: str
    ) -> str:
        write_disk(self.libvirt, name, self._disk)
        return self.libvirt.define(domain_xml(name, mac, disk=True, metadata=opt_in, **more))

    def await_boot(self, what: str, name: str = "guest") -> None:
        """The guest says that it runs the entry ``what``, or ``disk``, after all that was awaited before."""
        text = "PROBE disk" if what == "disk" else f"entry={what}"
        begin = self._heard.get(name, 0)

        def said() -> bool:
            at = self.libvirt.serial(name).find(text, begin)
            self._heard[name] = at + len(text)
            return at >= 0

        try:
            wait_until(said, SECONDS, f"{text!r} of {name}")
        except AssertionError as why:
            told = f"--- guest\n{self.libvirt.serial(name)[begin:]}\n--- watch\n{self.server.text()}"
            raise AssertionError(f"{why}\n{told}") from None

    def await_off(self, name: str = "guest") -> None:
        """It is off, and nothing is left of it."""
        wait_until(lambda: name not in self.libvirt.names() and not self.left(), SECONDS, f"{name} is off")

    def left(self) -> list[str]:
        marks = self.libvirt.root / "run-pypxeboot/watch"
        found = list((self.libvirt.root / "lib/boot/pypxeboot").glob("*")) + list(marks.glob("*"))
        return [str(path) for path in found]


@pytest.fixture
def watched(libvirt: Libvirt, probe_kernel: Callable[[str], bytes], disk_image: bytes) -> Iterator[Watched]:
    need_python()
    made = Watched(libvirt, probe_kernel("watched"), disk_image)
    yield made
    made.server.stop()
    made.notified.close()
    Path(made._address).unlink()
    libvirt.clean()
    libvirt.site.assert_nothing_left(within=5)


@pytest.mark.parametrize("network", [None, NETWORK])
def test_install_reboot_local_disk(watched: Watched, network: str) -> None:
    libvirt = watched.libvirt
    before = watched.define(network=network)
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    watched.says("second")
    libvirt.virsh("reset", "guest")
    watched.await_boot("second")
    assert "<on_reboot>destroy" in libvirt.live("guest") and "second" in libvirt.virsh("desc", "guest")
    watched.says("disk")
    libvirt.virsh("reset", "guest")
    watched.await_boot("disk")
    libvirt.virsh("send-key", "guest", "KEY_R")  # the guest itself
    watched.await_boot("disk")
    assert libvirt.stored("guest") == before and "<on_reboot>restart" in before
    libvirt.virsh("send-key", "guest", "KEY_P")
    watched.await_off()
    assert libvirt.stored("guest") == before


def test_others_are_left_alone(watched: Watched) -> None:
    watched.define(opt_in="")
    watched.define("broken", "52:54:00:00:00:02", OPT_IN.format("order='nfs'"))
    watched.ready()
    for name in ("guest", "broken"):
        watched.libvirt.virsh("start", name)
        watched.await_boot("disk", name=name)
        watched.libvirt.virsh("reset", name)
        watched.await_boot("disk", name=name)
    watched.server.wait_for("boot order")


def test_a_boot_that_fails_leaves_the_domain_off(watched: Watched) -> None:
    watched.define(opt_in=OPT_IN.format("label='nosuch'"))
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.server.wait_for("pypxeboot: guest: error: .*nosuch", SECONDS)
    watched.server.wait_for("domain guest is not started", SECONDS)
    watched.await_off()


def test_service_manager(watched: Watched) -> None:
    watched.define()
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.await_boot("install")
    again = watched.libvirt.pypxeboot("pypxeboot.commands.virt", "watch")
    assert again.rc == 7 and "runs already" in again.stderr
    again = watched.libvirt.pypxeboot("pypxeboot.commands.virt", "run", "guest")
    assert again.rc == 2 and "has domain guest" in again.stderr
    watched.server.process.terminate()
    assert watched.server.process.wait(30) == 0
    said = b"\n".join(iter(lambda: _datagram(watched.notified), b"")).decode().splitlines()
    assert said.index("READY=1") < said.index("STATUS=1 domains, of which 1 boot") < said.index("STOPPING=1")
    assert watched.libvirt.state("guest") == "running"


def _datagram(receiver: socket.socket) -> bytes:
    try:
        return receiver.recv(4096, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def test_killed_watch(watched: Watched) -> None:
    """A reboot that nobody sees is not lost; a guest that was ended meanwhile stays off."""
    libvirt = watched.libvirt
    watched.define()
    watched.define("ended", "52:54:00:00:00:02")
    watched.ready()
    for name in ("guest", "ended"):
        libvirt.virsh("start", name)
        watched.await_boot("install", name=name)
    watched.server.process.kill()
    watched.server.process.wait()
    watched.says("second")
    libvirt.virsh("reset", "guest")
    libvirt.virsh("destroy", "ended")
    wait_until(lambda: not libvirt.names(), SECONDS, "both are off")
    watched.ready()
    watched.await_boot("second")
    assert libvirt.names() == {"guest"}
    libvirt.virsh("destroy", "guest")
    watched.await_off()


def test_killed_watch_in_the_middle_of_a_boot(watched: Watched) -> None:
    watched.define()
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.server.wait_for("domain guest was started", SECONDS)
    watched.server.process.kill()
    watched.server.process.wait()
    watched.ready()
    watched.await_boot("install")
    watched.libvirt.virsh("destroy", "guest")
    watched.await_off()


def test_killed_libvirtd(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.stop(signal.SIGKILL)
    watched.server.wait_for("the connection to libvirt broke", SECONDS)
    watched.says("second")
    libvirt.start()
    watched.server.wait_for("(?s)connected.*connected", SECONDS)
    assert libvirt.names() == {"guest"}
    libvirt.virsh("reset", "guest")
    watched.await_boot("second")
    libvirt.virsh("destroy", "guest")
    watched.await_off()


def test_killed_libvirtd_in_the_middle_of_a_boot(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.server.wait_for("requesting info", SECONDS)
    libvirt.stop(signal.SIGKILL)
    watched.server.wait_for("the connection to libvirt broke", SECONDS)
    libvirt.start()
    watched.await_boot("install")
    libvirt.virsh("destroy", "guest")
    watched.await_off()


def test_killed_qemu(watched: Watched) -> None:
    libvirt = watched.libvirt
    before = watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    os.kill(libvirt.qemu("guest"), signal.SIGKILL)
    watched.await_off()
    assert libvirt.stored("guest") == before
    libvirt.virsh("start", "guest")
    watched.await_boot("install")


def test_autostart(watched: Watched) -> None:
    """What libvirtd starts by itself boots from the network, too, even if it was there before the watch."""
    libvirt = watched.libvirt
    watched.define()
    libvirt.virsh("autostart", "guest")
    libvirt.stop()
    (libvirt.root / "run/qemu/autostarted").unlink(missing_ok=True)  # it does so once until the host reboots
    watched.watch().wait_for("waiting for it", SECONDS)
    libvirt.start()
    watched.await_boot("install")


def test_a_guest_that_runs_for_long_is_not_disturbed(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    libvirt.virsh("start", "guest")
    libvirt.await_serial("guest", "PROBE disk")
    (libvirt.root / "run/qemu/guest.pid").write_text("1\n")  # as old as the host
    watched.ready().wait_for("its next boot is from the network", SECONDS)
    libvirt.virsh("send-key", "guest", "KEY_R")
    watched.await_boot("install")


def test_twenty_at_once(watched: Watched) -> None:
    libvirt = watched.libvirt
    names = [f"guest{number}" for number in range(20)]
    for number, name in enumerate(names):
        watched.define(name, f"52:54:00:00:01:{number:02x}", network=NETWORK if number % 2 else None)
    watched.ready()
    for name in names:
        libvirt.virsh("start", name)
    for name in names:
        watched.await_boot("install", name=name)
    assert libvirt.names() == set(names)
    for name in names:
        libvirt.virsh("destroy", name)
    wait_until(lambda: not watched.left(), SECONDS, "nothing is left")


def test_run(watched: Watched) -> None:
    libvirt = watched.libvirt
    before = watched.define(opt_in="")
    process = watched.server = libvirt.spawn(
        "pypxeboot.commands.virt", "run", "--append", "more=1", "guest", log="run"
    )
    watched.await_boot("install")
    assert "more=1" in libvirt.serial("guest")
    watched.says("off")
    libvirt.virsh("reset", "guest")
    assert process.process.wait(SECONDS) == 0, process.text()
    assert not libvirt.names() and not watched.left() and libvirt.stored("guest") == before
    watched.says("nosuch\nLABEL x")
    failed = libvirt.pypxeboot("pypxeboot.commands.virt", "run", "--label", "zz", "guest")
    assert failed.rc == 5 and not libvirt.names()


def test_run_that_is_interrupted_leaves_the_guest(watched: Watched) -> None:
    watched.define(opt_in="")
    watched.server = watched.libvirt.spawn("pypxeboot.commands.virt", "run", "guest", log="run")
    watched.await_boot("install")
    watched.server.process.send_signal(signal.SIGINT)
    assert watched.server.process.wait(30) == 8
    assert watched.libvirt.state("guest") == "running"
    refused = watched.libvirt.pypxeboot("pypxeboot.commands.virt", "run", "guest")
    assert refused.rc == 7 and watched.libvirt.state("guest") == "running"
