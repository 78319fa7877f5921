"""Boots that wait for their turn under ``pypxeboot-virt watch``: what happens to their domains meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pypxeboot.virt.records import marks
from tests.support.ground import wait_until
from tests.support.watched import SECONDS, Watched

VIRT = "pypxeboot.commands.virt"
QUIET = "quiet0"


@pytest.fixture
def queue(watched: Watched) -> Iterator[Watched]:
    """The only place for boots is that of ``first``, whose network has no server; ``guest`` runs."""
    libvirt = watched.libvirt
    ip, hyp = libvirt.site.ip, libvirt.site.hyp
    ip(f"link add {QUIET} type bridge", f"link set {QUIET} up", namespace=hyp)
    watched.define("first", "52:54:00:00:00:02", bridge=QUIET)
    watched.define()
    watched.watch("--max-boots", "1").wait_for("connected to", SECONDS)
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.virsh("start", "first")
    wait_until(lambda: "booting" in status(watched, "first"), SECONDS, "the first boots")
    yield watched
    ip(f"link del {QUIET}", namespace=hyp)


@pytest.fixture
def full(watched: Watched) -> Iterator[Watched]:
    """The only place for boots of this host is that of ``first``, which somebody starts by hand."""
    libvirt = watched.libvirt
    ip, hyp = libvirt.site.ip, libvirt.site.hyp
    ip(f"link add {QUIET} type bridge", f"link set {QUIET} up", namespace=hyp)
    watched.define("first", "52:54:00:00:00:02", opt_in="", bridge=QUIET)
    first = libvirt.spawn(VIRT, "start", "--max-boots", "1", "first", log="first.log")
    first.wait_for("DHCPDISCOVER|requesting", SECONDS)
    yield watched
    first.stop()
    ip(f"link del {QUIET}", namespace=hyp)


def status(watched: Watched, name: str) -> str:
    return watched.libvirt.pypxeboot(VIRT, "status", name).ok().stdout.decode()


def cancel(watched: Watched, name: str) -> str:
    return watched.libvirt.pypxeboot(VIRT, "cancel", name).ok().stdout.decode()


def test_a_reboot_that_waits_is_cancelled(queue: Watched) -> None:
    queue.libvirt.virsh("reset", "guest")
    queue.server.wait_for("domain guest reboots", SECONDS)
    assert "state      waiting" in status(queue, "guest")
    assert "domain guest is not booted" in cancel(queue, "guest")
    cancel(queue, "first")
    queue.server.wait_for("domain guest is off .its boot was cancelled", SECONDS)
    queue.await_off()


@pytest.mark.parametrize("by_virsh", [False, True])
def test_a_domain_that_is_held_for_its_boot_is_ended(queue: Watched, by_virsh: bool) -> None:
    """It is suspended until it is its turn: virsh can destroy it, and it stays off."""
    libvirt = queue.libvirt
    queue.define("second", "52:54:00:00:00:03")
    libvirt.virsh("start", "--paused", "second")
    queue.server.wait_for("domain second was started", SECONDS)
    libvirt.virsh("destroy", "second") if by_virsh else cancel(queue, "second")
    why = "destroyed" if by_virsh else "its boot was cancelled"
    if by_virsh:
        queue.server.wait_for(f"domain second is off .{why}", SECONDS)
    cancel(queue, "first")
    queue.server.wait_for(f"domain second is off .{why}", SECONDS)
    libvirt.virsh("reset", "guest")  # its turn is behind that
    queue.says("other")
    queue.await_boot("other")
    assert libvirt.names() == {"guest"} and "domain second is started" not in queue.server.text()


def test_a_boot_that_waits_for_a_place_on_the_host_is_cancelled(full: Watched) -> None:
    """Watch has begun it, and somebody else's boot has the place."""
    libvirt = full.libvirt
    full.define()
    full.watch("--max-boots", "1").wait_for("connected to", SECONDS)
    libvirt.virsh("start", "--paused", "guest")
    turn = libvirt.root / "run-pypxeboot/places/turn"
    wait_until(lambda: marks.is_locked(turn), SECONDS, "it waits for its turn")
    assert "domain guest is not booted" in cancel(full, "guest")
    full.server.wait_for("guest: error: ended by SIGTERM", SECONDS)
    full.server.wait_for("domain guest is not started", SECONDS)
    wait_until(lambda: "guest" not in libvirt.names(), SECONDS, "it is off")
    wait_until(lambda: not list((libvirt.root / "run-pypxeboot/watch").iterdir()), SECONDS, "forgotten")


def test_a_boot_that_cannot_begin_ends_what_was_held_for_it(watched: Watched) -> None:
    """Its interface is on no bridge; it is told once, and nobody tries for ever."""
    xml = watched.xml().replace("<interface type='bridge'>", "<interface type='user'>")
    watched.libvirt.define(xml.replace("<source bridge='br0'/>", ""))
    watched.ready()
    watched.libvirt.virsh("start", "--paused", "guest")
    watched.server.wait_for("an interface of type user is on no bridge", SECONDS)
    watched.server.wait_for("domain guest is not started", SECONDS)
    watched.await_off()
    assert watched.server.text().count("domain guest was started") == 1
