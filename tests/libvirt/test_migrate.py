"""Guests that go to another host: two libvirtds, each in a network and with files of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ground import Run, Site, kernels, tools, wait_until
from tests.support.ground.libvirt import Libvirt
from tests.support.ground.simple import INITRDS
from tests.support.watched import MAC, OPT_IN, SECONDS, Watched

FILES = "lib/boot/pypxeboot"
CONFIG_FILE = "/var/lib/libvirt/boot/pypxeboot-hook/guest.cfg"


@pytest.fixture
def elsewhere(watched: Watched, tmp_path: Path) -> Iterator[Libvirt]:
    """Another host, which this one reaches by 192.0.2.2."""
    here = watched.libvirt.site
    watched.server = here.spawn(["sleep", "600"], "sleep.log")
    with Site(tmp_path) as site:
        other = Libvirt(site)
        here.ip(f"link add to-there type veth peer name to-here netns {site.hyp}", namespace=here.hyp)
        here.ip("addr add 192.0.2.1/24 dev to-there", "link set to-there up", namespace=here.hyp)
        site.ip("addr add 192.0.2.2/24 dev to-here", "link set to-here up", namespace=site.hyp)
        yield other
        here.ip("link del to-there", namespace=here.hyp)


def uri(there: Libvirt) -> str:
    return f"qemu+unix:///system?socket={there.root}/run/libvirt-sock"


def migrate(here: Libvirt, there: Libvirt, *options: str) -> str:
    words = ("migrate", *options, "--unsafe", "--migrateuri", "tcp://192.0.2.2", "guest", uri(there))
    return here.pypxeboot("pypxeboot.commands.virt", *words).ok().stdout.decode()


def serve_with_initrd(watched: Watched) -> None:
    config = "DEFAULT a\nLABEL a\n KERNEL k\n APPEND entry=install\n INITRD i1,i2\n"
    watched.libvirt.serve({"pxelinux.cfg/default": config, "k": watched._kernel, **INITRDS})


def bytes_of(libvirt: Libvirt) -> dict[str, bytes]:
    return {
        str(path.relative_to(libvirt.root / FILES)): path.read_bytes()
        for path in (libvirt.root / FILES).glob("*/*")
    }


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "transient"])
def test_a_running_guest(watched: Watched, elsewhere: Libvirt, persistent: bool) -> None:
    """It has the same files there, by which it also reboots."""
    here = watched.libvirt
    serve_with_initrd(watched)
    here.define(watched.xml(opt_in=""))
    share_disk(watched, elsewhere)
    here.pypxeboot("pypxeboot.commands.virt", "start", "guest").ok()
    watched.await_boot("install")
    files = bytes_of(here)
    assert len(files) == 2
    options = ("--live", *(("--persistent", "--undefinesource") if persistent else ()))
    assert "is migrated, with 2 files" in migrate(here, elsewhere, *options)
    assert elsewhere.state("guest") == "running" and bytes_of(elsewhere) == files
    assert here.names("--all") == (set() if persistent else {"guest"}) and not here.names()
    before = elsewhere.serial("guest").count("PROBE end")
    elsewhere.virsh("reset", "guest")
    said = kernels.reports(elsewhere.await_serial("guest", "PROBE end", before + 1))[-1]
    assert "entry=install" in said.cmdline and said.size
    if persistent:
        assert "<kernel>" not in elsewhere.stored("guest")
    elsewhere.virsh("destroy", "guest")
    for host in (here, elsewhere):
        host.pypxeboot("pypxeboot.commands.virt", "clean").ok()
        assert not bytes_of(host)


def share_disk(watched: Watched, there: Libvirt) -> None:
    """The image of the disk is on both hosts."""
    image = watched.libvirt.root / "lib/images/guest.img"
    (there.root / "lib/images/guest.img").write_bytes(image.read_bytes())


@pytest.mark.parametrize("watched_there", [False, True], ids=["no watch there", "a watch there"])
def test_who_waits_for_its_reboots(watched: Watched, elsewhere: Libvirt, watched_there: bool) -> None:
    """Under watch a guest ends where it reboots: that is so there only if a watch is there, too."""
    here = watched.libvirt
    serve_with_initrd(watched)
    config = "DEFAULT b\nLABEL b\n KERNEL k\n APPEND entry=there\n"
    elsewhere.serve({"pxelinux.cfg/default": config, "k": watched._kernel})
    watched.define()
    share_disk(watched, elsewhere)
    watched.ready()
    here.virsh("start", "guest")
    watched.await_boot("install")
    wait_until(lambda: "<on_reboot>destroy" in here.live("guest"), SECONDS, "on_reboot")
    if watched_there:
        there = elsewhere.spawn("pypxeboot.commands.virt", "watch", "-v", log="there.log")
        there.wait_for("connected", SECONDS)
    migrate(here, elsewhere, "--live", "--persistent", "--undefinesource")
    watched.server.wait_for("domain guest is off", SECONDS)
    wanted = "destroy" if watched_there else "restart"
    wait_until(lambda: f"<on_reboot>{wanted}" in elsewhere.live("guest"), SECONDS, f"on_reboot is {wanted}")
    elsewhere.virsh("reset", "guest")
    elsewhere.await_serial("guest", "entry=there" if watched_there else "entry=install", seconds=SECONDS)
    assert elsewhere.state("guest") == "running"


def test_a_guest_of_run(watched: Watched, elsewhere: Libvirt) -> None:
    """Its run ends, and there it reboots by itself, with the same kernel."""
    here = watched.libvirt
    serve_with_initrd(watched)
    watched.define(opt_in="")
    share_disk(watched, elsewhere)
    watched.server = here.spawn("pypxeboot.commands.virt", "run", "guest", log="run.log")
    watched.await_boot("install")
    words = ("migrate", "--offline", "--persistent", "guest", uri(elsewhere))
    refused = here.pypxeboot("pypxeboot.commands.virt", *words)
    assert refused.rc == 2 and "domain guest runs" in refused.stderr and here.state("guest") == "running"
    migrate(here, elsewhere, "--live", "--persistent", "--undefinesource")
    assert watched.server.process.wait(SECONDS) == 0 and "guest is off" in watched.server.text()
    assert "<on_reboot>restart" in elsewhere.live("guest")
    before = elsewhere.serial("guest").count("entry=install")
    elsewhere.virsh("reset", "guest")
    elsewhere.await_serial("guest", "entry=install", before + 1, SECONDS)


@pytest.mark.parametrize("under_watch", [False, True], ids=["alone", "under watch"])
def test_a_guest_that_is_off(watched: Watched, elsewhere: Libvirt, under_watch: bool) -> None:
    here = watched.libvirt
    watched.define(opt_in=OPT_IN.format("") if under_watch else "")
    if under_watch:
        watched.server.stop()
        watched.ready()
    assert "is migrated\n" in migrate(here, elsewhere, "--offline", "--persistent")
    assert elsewhere.state("guest") == "shut off"
    refused = here.pypxeboot("pypxeboot.commands.virt", "migrate", "--live", "guest", uri(elsewhere))
    assert refused.rc == 2 and "is off" in refused.stderr


def test_what_another_host_has_not_is_refused_in_words(
    watched: Watched, elsewhere: Libvirt, tmp_path: Path
) -> None:
    """By its hook, before the guest leaves, where it is migrated by virsh alone."""
    here = watched.libvirt
    serve_with_initrd(watched)
    watched.define(opt_in="")
    share_disk(watched, elsewhere)
    here.pypxeboot("pypxeboot.commands.virt", "start", "guest").ok()
    watched.await_boot("install")
    elsewhere.install_hook(tmp_path)
    run = virsh_migrate(here, elsewhere, "--live")
    assert run.rc == 1 and "is not on this host" in run.stderr and "pypxeboot-virt migrate" in run.stderr
    assert here.state("guest") == "running" and elsewhere.names("--all") == {"other"}
    path = next((here.root / FILES).glob("*/ramdisk*"))
    path.write_bytes(path.read_bytes()[::-1])
    run = here.pypxeboot("pypxeboot.commands.virt", "migrate", "--live", "guest", uri(elsewhere))
    assert run.rc == 7 and "is not the initrd that the guest was booted with" in run.stderr
    assert here.state("guest") == "running" and MAC in here.live("guest")


@pytest.fixture
def hooked_hosts(watched: Watched, elsewhere: Libvirt, tmp_path: Path) -> Libvirt:
    """The hook is on both; there the servers have another entry. The first host, with a guest that is off."""
    here = watched.libvirt
    for host, name in ((here, "here"), (elsewhere, "there")):
        (tmp_path / name).mkdir()
        host.install_hook(tmp_path / name)
    serve_with_initrd(watched)
    config = "DEFAULT b\nLABEL b\n KERNEL k\n APPEND entry=there\n"
    elsewhere.serve({"pxelinux.cfg/default": config, "k": watched._kernel})
    watched.define(qemu=("-readconfig", CONFIG_FILE))
    share_disk(watched, elsewhere)
    return here


def virsh_migrate(here: Libvirt, there: Libvirt, *options: str) -> Run:
    argv = (tools.need("virsh"), "-c", "qemu:///system", "migrate", *options, "--unsafe", "guest", uri(there))
    return here.run(*argv, *(() if "--offline" in options else ("--migrateuri", "tcp://192.0.2.2")))


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "transient"])
def test_a_guest_of_the_hook(
    watched: Watched, elsewhere: Libvirt, hooked_hosts: Libvirt, persistent: bool
) -> None:
    """By virsh alone it is refused; with its files it goes on, reboots by them, and boots anew there."""
    here = hooked_hosts
    here.virsh("start", "guest")
    wait_until(lambda: "urn:pypxeboot:live:1" in here.live("guest"), SECONDS, "its run tells of its boot")
    watched.await_boot("install")
    options = ("--live", *(("--persistent", "--undefinesource") if persistent else ()))
    run = virsh_migrate(here, elsewhere, *options)
    assert run.rc == 1 and "is not on this host" in run.stderr and "pypxeboot-virt migrate" in run.stderr
    assert here.state("guest") == "running" and elsewhere.names("--all") == {"other"}
    files = bytes_of(here)
    assert "is migrated, with 3 files" in migrate(here, elsewhere, *options)
    assert elsewhere.state("guest") == "running" and bytes_of(elsewhere) == files
    wait_until(lambda: not bytes_of(here), SECONDS, "the files here are gone")
    before = elsewhere.serial("guest").count("PROBE end")
    elsewhere.virsh("reset", "guest")
    said = kernels.reports(elsewhere.await_serial("guest", "PROBE end", before + 1, SECONDS))[-1]
    assert "entry=install" in said.cmdline and said.size
    elsewhere.virsh("destroy", "guest")
    wait_until(lambda: not bytes_of(elsewhere), SECONDS, "the files there are gone")
    assert not list((elsewhere.root / "lib/boot/pypxeboot-hook").iterdir())
    if persistent:
        elsewhere.virsh("start", "guest")
        elsewhere.await_serial("guest", "entry=there", seconds=SECONDS)
        elsewhere.virsh("destroy", "guest")


def test_a_guest_of_the_hook_that_is_off(elsewhere: Libvirt, hooked_hosts: Libvirt) -> None:
    """Nothing of it is left to send: virsh will do, and it boots anew there."""
    virsh_migrate(hooked_hosts, elsewhere, "--offline", "--persistent").ok()
    elsewhere.virsh("start", "guest")
    elsewhere.await_serial("guest", "entry=there", seconds=SECONDS)
    elsewhere.virsh("destroy", "guest")
