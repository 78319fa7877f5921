"""``pypxeboot-virt watch`` and ``run``: real domains that reboot, and what is killed under them."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tests.support.ground import wait_until
from tests.support.ground.libvirt import NETWORK
from tests.support.watched import OPT_IN, SECONDS, Watched


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
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.await_boot("disk")
    watched.libvirt.virsh("reset", "guest")
    watched.await_boot("disk")


def test_others_are_not_asked_to_be_understood(watched: Watched) -> None:
    """What another program has in its metadata, deeper than ours ever is, ends no domain and no list."""
    deep = "<d:x xmlns:d='urn:x'>" + 70 * "<d:y>" + 70 * "</d:y>" + "</d:x>"
    watched.define(opt_in=deep)
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.await_boot("disk")
    watched.libvirt.pypxeboot("pypxeboot.commands.virt", "list").ok()
    assert "guest" not in watched.server.text()


def test_what_is_not_understood_does_not_boot_the_disk(watched: Watched) -> None:
    """It is told when it is defined, and the domain is ended when it starts; one that runs goes on."""
    libvirt = watched.libvirt
    watched.define("broken", "52:54:00:00:00:02", OPT_IN.format("order='nfs'"), boot="network")
    watched.ready()
    watched.server.wait_for("domain broken: the boot order 'nfs' .*order=\"nfs\"", SECONDS)
    libvirt.run("virsh", "-c", "qemu:///system", "start", "broken")
    watched.server.wait_for("domain broken is ended: the boot order 'nfs' .*order=\"nfs\"", SECONDS)
    wait_until(lambda: "broken" not in libvirt.names(), SECONDS, "it is off")
    assert "PROBE" not in libvirt.serial("broken")
    watched.define()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.virsh(
        "metadata", "guest", "urn:pypxeboot:domain:1", "--key", "p", "--set", "<boot x='1'/>", "--config"
    )
    watched.server.wait_for("domain guest: x in .* is not known", SECONDS)
    assert libvirt.state("guest") == "running"


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


def test_a_name_that_looks_like_an_option(watched: Watched) -> None:
    watched.define("-guest")
    watched.ready()
    watched.libvirt.virsh("start", "--", "-guest")
    watched.await_boot("install", "-guest")
    assert "domain -guest is started" in watched.server.text()


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
    wait_until(lambda: "PXE: " in watched.libvirt.virsh("desc", "guest"), SECONDS, "that boot is done")
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
    watched.says("second")
    watched.libvirt.virsh("reset", "guest")  # nobody waits for that: it is not turned off
    watched.await_boot("install")


def test_run_that_is_killed_while_its_guest_boots(watched: Watched) -> None:
    """The boot goes on, and the guest reboots by itself: nobody waits for that."""
    watched.define(opt_in="")
    run = watched.server = watched.libvirt.spawn("pypxeboot.commands.virt", "run", "guest", log="run")
    notes = watched.libvirt.root / "run-pypxeboot/boots"
    wait_until(lambda: any(notes.glob("*")), SECONDS, "it boots")
    run.process.kill()
    watched.await_boot("install")
    wait_until(lambda: "<on_reboot>restart" in watched.libvirt.live("guest"), SECONDS, "it reboots by itself")
    watched.libvirt.virsh("reset", "guest")
    watched.await_boot("install")
