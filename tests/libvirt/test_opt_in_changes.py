"""Domains that opt in, or out, while they run under ``pypxeboot-virt watch``."""

from __future__ import annotations

import signal

from tests.support.ground import wait_until
from tests.support.watched import OPT_IN, SECONDS, Watched

WISH = ("guest", "urn:pypxeboot:domain:1")


def test_a_guest_that_opts_out_reboots_by_itself(watched: Watched) -> None:
    """Nobody starts it anew any more, and it is not turned off by its reboot."""
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.virsh("metadata", *WISH, "--remove", "--config")
    watched.server.wait_for("domain guest does not opt in any more", SECONDS)
    wait_until(lambda: "<on_reboot>restart" in libvirt.live("guest"), SECONDS, "it reboots by itself")
    watched.says("second")
    libvirt.virsh("reset", "guest")
    watched.await_boot("install")
    libvirt.virsh("destroy", "guest")


def test_a_guest_that_opts_out_while_no_watch_is_there(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    watched.server.process.send_signal(signal.SIGTERM)
    watched.server.process.wait(SECONDS)
    libvirt.virsh("metadata", *WISH, "--remove", "--config")
    watched.ready()
    watched.server.wait_for("domain guest does not opt in any more", SECONDS)
    wait_until(lambda: "<on_reboot>restart" in libvirt.live("guest"), SECONDS, "it reboots by itself")
    libvirt.virsh("reset", "guest")
    watched.await_boot("install")
    libvirt.virsh("destroy", "guest")


def test_a_guest_opts_in_as_soon_as_it_runs(watched: Watched) -> None:
    """Its next reboot is from the network, however young it is; so is that of one that is defined then."""
    libvirt = watched.libvirt
    watched.define(opt_in="")
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("disk")
    libvirt.virsh("metadata", *WISH, "--key", "p", "--set", "<boot/>", "--config")
    watched.server.wait_for("domain guest runs: its next boot is from the network", SECONDS)
    libvirt.virsh("send-key", "guest", "KEY_R")
    watched.await_boot("install")
    libvirt.virsh("destroy", "guest")
    watched.await_off()
    path = libvirt.site.fresh("transient.xml")
    path.write_text(watched.xml("passing", "52:54:00:00:00:02", OPT_IN.format("")))
    libvirt.virsh("create", str(path))
    watched.await_boot("disk", name="passing")
    path.write_text(libvirt.live("passing"))
    libvirt.virsh("define", str(path))
    watched.server.wait_for("domain passing runs: its next boot is from the network", SECONDS)
    libvirt.virsh("send-key", "passing", "KEY_R")
    watched.await_boot("install", name="passing")
