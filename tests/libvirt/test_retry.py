"""Boots that fail: tried again, at the next interface, or cancelled; and starts that stay paused."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

from tests.support.ground import tools, wait_until
from tests.support.watched import MAC, OPT_IN, SECONDS, Watched

SECOND = "52:54:00:00:00:77"


def nothing(watched: Watched) -> None:
    """From now on the servers have no configuration: they came up without their files."""
    watched.libvirt.serve({})


def run_without_a_server(watched: Watched, retry: str) -> None:
    """A domain that does not opt in, booted by ``run``, again and again."""
    watched.define(opt_in="")
    nothing(watched)
    words = ("run", "--retry", retry, "guest")
    watched.server = watched.libvirt.spawn("pypxeboot.commands.virt", *words, log="run.log")


def test_the_server_comes_later(watched: Watched) -> None:
    """It may be a guest of this host: the domain says how it is waited for."""
    watched.define(opt_in=OPT_IN.format("retry='1,2'"))
    nothing(watched)
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.server.wait_for("guest is not started: the next try is in 1 s, at [0-9:]+ ", SECONDS)
    watched.server.wait_for("(?s)the next try is in 2 s.*the next try is in 2 s", SECONDS)
    assert watched.libvirt.state("guest") == "shut off"
    watched.says("install")
    watched.await_boot("install")
    assert "PROBE disk" not in watched.libvirt.serial("guest")


def test_for_how_long(watched: Watched) -> None:
    watched.define(opt_in=OPT_IN.format("retry='1,1,3'"))
    nothing(watched)
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.server.wait_for("guest is not started: the next try", SECONDS)
    watched.server.wait_for("guest is not started\n", SECONDS)
    watched.await_off()


def test_a_reboot_is_tried_again_by_default_and_can_be_cancelled(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    nothing(watched)
    libvirt.virsh("reset", "guest")
    watched.server.wait_for("guest is not started: the next try is in 10 s", SECONDS)
    told = libvirt.pypxeboot("pypxeboot.commands.virt", "list").ok().stdout.decode()
    assert "guest waiting" in " ".join(told.split()) and "NoBootSource" in told
    cancelled = libvirt.pypxeboot("pypxeboot.commands.virt", "cancel", "guest").ok()
    assert "not tried again" in cancelled.stdout.decode()
    watched.server.wait_for("domain guest is off .its boot was cancelled", SECONDS)
    assert libvirt.pypxeboot("pypxeboot.commands.virt", "cancel", "guest").rc == 2


def test_a_killed_watch_goes_on_trying(watched: Watched) -> None:
    watched.define(opt_in=OPT_IN.format("retry='3600'"))
    nothing(watched)
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.server.wait_for("the next try is in 3600 s", SECONDS)
    watched.server.process.kill()
    watched.server.process.wait()
    watched.says("install")
    watched.ready()
    watched.await_boot("install")


def test_the_policy_of_the_configuration_file(watched: Watched, tmp_path: Path) -> None:
    """The section of the domain counts; its metadata would count more."""
    watched.define()
    nothing(watched)
    conf = tmp_path / "conf"
    conf.write_text("[defaults]\nretry = 3600\n[guest]\nretry = 1,2\n")
    libvirt = watched.libvirt
    code = f"from pypxeboot.config import files; files.DEFAULT = {str(conf)!r}; "
    code += "from pypxeboot.commands.virt import run; run()"
    argv = [*libvirt._inside, sys.executable, "-c", code, "watch", "-v"]
    watched.server = libvirt.site.spawn(
        argv, "watch.log", namespace=libvirt.site.hyp, env={"PYTHONPATH": str(tools.ROOT)}
    )
    watched.server.wait_for("connected to", SECONDS)
    libvirt.virsh("start", "guest")
    watched.server.wait_for("(?s)the next try is in 1 s.*the next try is in 2 s", SECONDS)
    watched.says("install")
    watched.await_boot("install")


def test_run_tries_again(watched: Watched) -> None:
    """From its first boot on where it is told so; a boot that is cancelled ends it."""
    libvirt = watched.libvirt
    run_without_a_server(watched, "1,2")
    watched.server.wait_for("(?s)the next try is in 1 s.*the next try is in 2 s", SECONDS)
    watched.says("install")
    watched.await_boot("install")
    nothing(watched)
    libvirt.virsh("reset", "guest")
    watched.server.wait_for("(?s)next try.*next try.*next try is in 1 s", SECONDS)
    watched.says("second")
    watched.await_boot("second")
    libvirt.virsh("destroy", "guest")
    assert watched.server.process.wait(SECONDS) == 0


def test_run_finds_a_domain_that_is_renamed_between_two_tries(watched: Watched) -> None:
    libvirt = watched.libvirt
    run_without_a_server(watched, "8")
    watched.server.wait_for("the next try is in 8 s", SECONDS)
    libvirt.virsh("domrename", "guest", "renamed")
    watched.says("install")
    watched.await_boot("install")
    libvirt.virsh("destroy", "renamed")
    assert watched.server.process.wait(SECONDS) == 0, watched.server.text()


def test_the_reboot_timeout_of_libvirt(watched: Watched) -> None:
    watched.define(os="<bios rebootTimeout='1500'/>")
    nothing(watched)
    watched.ready()
    watched.libvirt.virsh("start", "guest")
    watched.server.wait_for("the next try is in 1.5 s", SECONDS)
    watched.says("install")
    watched.await_boot("install")


def test_a_start_that_is_paused_stays_so(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    watched.ready()
    libvirt.virsh("start", "--paused", "guest")
    wait_until(lambda: "<kernel>" in libvirt.live("guest"), SECONDS, "it is booted")
    wait_until(lambda: libvirt.state("guest") == "paused", SECONDS, "it is paused")
    assert "PROBE" not in libvirt.serial("guest")
    libvirt.virsh("resume", "guest")
    watched.await_boot("install")
    libvirt.virsh("destroy", "guest")
    watched.await_off()
    libvirt.pypxeboot("pypxeboot.commands.virt", "start", "--paused", "guest").ok()
    assert libvirt.state("guest") == "paused"


def test_the_next_interface_of_the_order(watched: Watched) -> None:
    """The first is on a network without a server, or its link is down."""
    libvirt = watched.libvirt
    watched.server = libvirt.site.spawn(["sleep", "600"], "sleep.log")
    libvirt.site.ip("link add quiet0 type bridge", "link set quiet0 up", namespace=libvirt.site.hyp)
    first = (
        f"<interface type='bridge'><mac address='{SECOND}'/><source bridge='quiet0'/>"
        "{}<boot order='1'/><rom enabled='no'/></interface>"
    )
    for more in ("<link state='down'/>", ""):  # the latter gets no answer until the deadline
        xml = watched.xml(devices=first.format(more)).replace("<boot dev='hd'/>", "")
        xml = xml.replace("<model type='virtio'/>", "<model type='virtio'/><boot order='2'/>")
        libvirt.define(xml)
        run = libvirt.pypxeboot("pypxeboot.commands.virt", "start", "--timeout", "25", "guest").ok()
        assert f"MAC {MAC} is next in the boot order" in run.stderr
        assert ("state='down'" in run.stderr) is bool(more)
        watched.await_boot("install")
        libvirt.virsh("destroy", "guest")
        libvirt.virsh("undefine", "guest")
    libvirt.site.ip("link del quiet0", namespace=libvirt.site.hyp)


def test_transient_domains_are_told(watched: Watched) -> None:
    watched.ready()
    path = watched.libvirt.site.fresh("transient.xml")
    path.write_text(watched.xml())
    watched.libvirt.virsh("create", str(path))
    said = "domain guest: it is transient .virsh create., and its disk boots: virsh define it first"
    watched.server.wait_for(said, SECONDS)
    watched.await_boot("disk")
    found = watched.libvirt.pypxeboot("pypxeboot.commands.virt", "check", "guest").stdout.decode()
    assert "it is transient" in found and "virsh define it" in found
    assert len(re.findall(said, watched.server.text())) == 1


def test_a_boot_that_is_killed_is_tried_again(watched: Watched) -> None:
    """As by a host that is out of memory: nothing was said against the next try."""
    libvirt = watched.libvirt
    libvirt.site.ip("link add quiet0 type bridge", "link set quiet0 up", namespace=libvirt.site.hyp)
    watched.define(opt_in=OPT_IN.format("retry='1,2'"), bridge="quiet0")
    watched.ready()
    libvirt.virsh("start", "guest")
    notes = libvirt.root / "run-pypxeboot/boots"

    def boots() -> list[int]:
        return [int(note.read_text().split()[0]) for note in notes.glob("*") if note.read_text()]

    wait_until(boots, SECONDS, "it boots")
    os.kill(boots()[0], signal.SIGKILL)
    watched.server.wait_for("guest is not started: the next try is in 1 s", SECONDS)
    wait_until(lambda: watched.server.text().count("requesting info") > 1, SECONDS, "it is tried again")
    libvirt.pypxeboot("pypxeboot.commands.virt", "cancel", "guest").ok()
    watched.await_off()
    libvirt.site.ip("link del quiet0", namespace=libvirt.site.hyp)
