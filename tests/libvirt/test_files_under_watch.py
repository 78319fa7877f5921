"""Under watch: what is saved, restored or reverted goes on, and boots anew when it reboots."""

from __future__ import annotations

import pytest

from tests.support.ground import wait_until
from tests.support.watched import SECONDS, Watched

STATE = "/var/lib/libvirt/images/guest.save"


def reboots(watched: Watched, label: str) -> None:
    """The guest, which goes on, reboots: that is a boot from the network."""
    watched.says(label)
    watched.libvirt.virsh("reset", "guest")
    watched.await_boot(label)


def test_a_state_file(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.virsh("save", "guest", STATE)
    watched.server.wait_for("guest is off .saved", SECONDS)
    watched.says("second")
    libvirt.virsh("start", "guest")
    watched.await_boot("second")
    libvirt.virsh("destroy", "guest")
    watched.server.wait_for("guest is off .destroyed", SECONDS)
    libvirt.virsh("restore", STATE)
    assert libvirt.state("guest") == "running"
    reboots(watched, "third")


def test_a_snapshot_of_a_domain_that_was_off(watched: Watched) -> None:
    """Its revert with --running is a boot as any."""
    libvirt = watched.libvirt
    watched.define(qcow2=True)
    libvirt.virsh("snapshot-create-as", "guest", "s1")
    watched.ready()
    libvirt.virsh("snapshot-revert", "guest", "s1", "--running")
    watched.await_boot("install")
    libvirt.virsh("destroy", "guest")
    libvirt.virsh("snapshot-delete", "guest", "s1")


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_a_snapshot_with_memory(watched: Watched, running: bool) -> None:
    libvirt = watched.libvirt
    watched.define(qcow2=True)
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.virsh("snapshot-create-as", "guest", "s1")
    watched.says("second")
    libvirt.virsh("destroy", "guest")
    watched.server.wait_for("guest is off .destroyed", SECONDS)
    libvirt.virsh("start", "guest")
    watched.await_boot("second")
    if not running:
        libvirt.virsh("destroy", "guest")
        wait_until(lambda: watched.server.text().count("guest is off (destroyed") == 2, SECONDS, "it is off")
    libvirt.virsh("snapshot-revert", "guest", "s1", "--running")
    wait_until(lambda: libvirt.state("guest") == "running", SECONDS, "it runs")
    reboots(watched, "third")
    libvirt.virsh("destroy", "guest")
    libvirt.virsh("snapshot-delete", "guest", "s1")
