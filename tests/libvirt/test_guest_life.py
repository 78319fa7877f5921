"""The table of docs/guest-life.md: what is done to a guest, under each way of booting it, a cell a test."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ground import tools, wait_until
from tests.support.watched import OPT_IN, SECONDS, Watched

PAGE = tools.ROOT / "docs/guest-life.md"
WAYS = ("start", "run", "watch", "hook")
CONFIG_FILE = "/var/lib/libvirt/boot/pypxeboot-hook/guest.cfg"
IMAGES = "/var/lib/libvirt/images"
STATE, DUMP = f"{IMAGES}/guest.save", f"{IMAGES}/guest.dump"
PORTS = (
    "<controller type='pci' index='0' model='pcie-root'/>"
    + 8 * "<controller type='pci' model='pcie-root-port'/>"
)


class Life:
    """A guest that is booted in one of the ways; the hook is installed, as it is on every host."""

    def __init__(self, watched: Watched, way: str, directory: Path) -> None:
        self.watched, self.way, self.libvirt = watched, way, watched.libvirt
        self.libvirt.install_hook(directory)
        self.reboots_anew = way in ("run", "watch")
        self.define()
        if way == "watch":
            watched.ready()
        else:
            watched.server = self.libvirt.site.spawn(["sleep", "3600"], "sleep.log")

    def define(self, **more: str) -> None:
        """Define it, with a disk that takes snapshots, and a place for another one."""
        opt_in = OPT_IN.format("") if self.way in ("watch", "hook") else ""
        words = ("-readconfig", CONFIG_FILE) if self.way == "hook" else ()
        self.watched.define(opt_in=opt_in, qemu=words, qcow2=True, devices=PORTS, **more)

    def begin(self, name: str = "guest") -> None:
        """Have it booted."""
        if self.way == "start":
            self.libvirt.pypxeboot("pypxeboot.commands.virt", "start", name).ok()
        elif self.way == "run":
            self.watched.server = self.libvirt.spawn("pypxeboot.commands.virt", "run", name, log="run.log")
        else:
            self.libvirt.virsh("start", name)

    def boot(self, label: str = "install", name: str = "guest") -> None:
        """Have it booted, and wait until it runs that entry."""
        self.begin(name)
        self.watched.await_boot(label)
        if self.way == "hook":
            live = "urn:pypxeboot:live:1"
            wait_until(lambda: live in self.libvirt.live(name), SECONDS, "its run tells of its boot")

    def run_ends(self, status: int = 0) -> None:
        """Nothing is left to wait for, where it is run that waits."""
        if self.way == "run":
            assert self.watched.server.process.wait(SECONDS) == status

    def files(self) -> set[Path]:
        found = (self.libvirt.root / "lib/boot/pypxeboot").glob("*/*")
        return {path for path in found if path.name != "saved"}

    def clean(self) -> None:
        self.libvirt.pypxeboot("pypxeboot.commands.virt", "clean").ok()

    def check_goes_on(self) -> None:
        """It runs, and a reboot boots what it should."""
        assert self.libvirt.state("guest") == "running"
        self.watched.says("other")
        self.libvirt.virsh("reset", "guest")
        self.watched.await_boot("other" if self.reboots_anew else "install")
        self.libvirt.virsh("destroy", "guest")
        self.check_ended()

    def check_ended(self) -> None:
        """It is off, run has ended well, and nothing is left but what the next start removes."""
        wait_until(lambda: self.libvirt.names() <= {"other"}, SECONDS, "it is off")
        if self.reboots_anew:
            self.run_ends()
        if self.way == "start" or not self.reboots_anew:
            self.clean()
        wait_until(lambda: not self.files(), SECONDS, "its files are gone")
        assert not list((self.libvirt.root / "lib/boot/pypxeboot-hook").glob("*"))

    def restore(self, *words: str) -> None:
        """It is off, and its files are kept; it goes on from where it was. That is more than run sees."""
        wait_until(lambda: self.libvirt.names() <= {"other"}, SECONDS, "it is off")
        self.run_ends()
        self.reboots_anew = self.way == "watch"
        before = self.files()
        self.clean()
        assert self.files() == before != set()
        self.libvirt.virsh(*words)


def suspended(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("suspend", "guest")
    assert life.libvirt.state("guest") == "paused"
    life.libvirt.virsh("resume", "guest")
    life.check_goes_on()


def dumped(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("dump", "guest", DUMP, "--memory-only")
    life.check_goes_on()


def attached_and_copied(life: Life) -> None:
    more = life.libvirt.root / "lib/images/more.img"
    more.write_bytes(bytes(1 << 20))
    life.boot()
    life.libvirt.virsh("attach-disk", "guest", f"{IMAGES}/more.img", "vdb", "--targetbus", "virtio", "--live")
    copy = ("--dest", f"{IMAGES}/copy.img", "--transient-job", "--wait", "--pivot")
    life.libvirt.virsh("blockcopy", "guest", "vda", *copy)
    assert "copy.img" in life.libvirt.live("guest") and "more.img" in life.libvirt.live("guest")
    life.check_goes_on()


def rebooted_by_virsh(life: Life) -> None:
    """The guest powers off by its button; libvirt has QEMU begin anew, or not."""
    life.watched.says("install", "probe=button")
    life.boot()
    life.libvirt.virsh("reboot", "guest", "--mode", "acpi")
    if not life.reboots_anew:
        life.watched.await_boot("install")
        life.libvirt.virsh("destroy", "guest")
    life.check_ended()


def powers_off(life: Life) -> None:
    life.watched.says("off")
    life.begin()
    life.libvirt.await_serial("guest", "PROBE", seconds=SECONDS)
    life.check_ended()


def destroyed(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("destroy", "guest")
    life.check_ended()


def destroyed_while_it_boots(life: Life) -> None:
    """virsh finds it off; or, where libvirt waits for the hook, waits, too."""
    libvirt, hyp = life.libvirt, life.libvirt.site.hyp
    libvirt.site.ip("link add quiet0 type bridge", "link set quiet0 up", namespace=hyp)
    libvirt.virsh("undefine", "guest")
    life.define(bridge="quiet0")
    virsh = [*libvirt._inside, tools.need("virsh"), "-c", "qemu:///system"]
    if life.way in ("watch", "hook"):
        start = libvirt.site.spawn([*virsh, "start", "guest"], "start.log", namespace=hyp)
    else:
        start = libvirt.spawn("pypxeboot.commands.virt", life.way, "guest", log="start.log")
        life.reboots_anew = False
    notes = libvirt.root / "run-pypxeboot/boots"
    wait_until(lambda: any(b"guest" in note.read_bytes() for note in notes.glob("*")), SECONDS, "it boots")
    destroy = libvirt.site.spawn([*virsh, "destroy", "guest"], "destroy.log", namespace=hyp)
    if life.way == "hook":
        time.sleep(1)
        assert destroy.process.poll() is None
    else:
        assert destroy.process.wait(SECONDS) == 1
    told = libvirt.pypxeboot("pypxeboot.commands.virt", "cancel", "guest").ok().stdout.decode()
    assert "is ended" in told
    assert destroy.process.wait(SECONDS) == 1 and "domain is not running" in destroy.text()
    assert start.process.wait(SECONDS) == {"watch": 0, "hook": 1}.get(life.way, 8)  # 8: it was ended
    if life.way == "watch":
        life.watched.server.wait_for("domain guest is not started", SECONDS)
    life.check_ended()
    libvirt.site.ip("link del quiet0", namespace=hyp)


def killed(life: Life) -> None:
    life.boot()
    os.kill(life.libvirt.qemu("guest"), signal.SIGKILL)
    life.check_ended()


def managed_saved(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("managedsave", "guest")
    wait_until(lambda: life.libvirt.names() <= {"other"}, SECONDS, "it is off")
    if life.way != "hook":
        refused = life.libvirt.pypxeboot("pypxeboot.commands.virt", "start", "guest")
        assert refused.rc == 7 and "saved state" in refused.stderr
    life.restore("start", "guest")
    life.check_goes_on()


def saved(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("save", "guest", STATE)
    life.restore("restore", STATE)
    assert life.libvirt.state("guest") == "running"
    life.watched.says("other")
    life.libvirt.virsh("reset", "guest")
    life.watched.await_boot("other" if life.reboots_anew else "install")


def renamed(life: Life) -> None:
    destroyed(life)
    life.libvirt.virsh("domrename", "guest", "renamed")
    life.boot(name="renamed")
    life.libvirt.virsh("destroy", "renamed")
    life.check_ended()


def defined_as_it_runs(life: Life) -> None:
    life.boot()
    path = life.libvirt.site.fresh("live.xml")
    path.write_text(life.libvirt.live("guest"))
    life.libvirt.virsh("define", str(path))
    life.libvirt.virsh("destroy", "guest")
    wait_until(lambda: life.libvirt.names() <= {"other"}, SECONDS, "it is off")
    life.run_ends()
    life.watched.says("other")
    life.boot("other")


def libvirtd_killed(life: Life) -> None:
    life.boot()
    before = life.files()
    life.libvirt.stop(signal.SIGKILL)
    life.libvirt.start()
    life.libvirt.reload()
    if life.way in ("run", "watch"):
        life.watched.server.wait_for("connection to libvirt broke", SECONDS)
    assert life.libvirt.state("guest") == "running"
    life.clean()
    assert life.files() == before, life.watched.server.text()
    life.check_goes_on()


def snapshot_with_memory(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("snapshot-create-as", "guest", "s1")
    life.libvirt.virsh("destroy", "guest")
    life.watched.says("other")
    life.restore("snapshot-revert", "guest", "s1", "--running")
    wait_until(lambda: "<on_reboot>restart" in life.libvirt.live("guest"), SECONDS, "it reboots by itself")
    life.libvirt.virsh("reset", "guest")
    life.watched.await_boot("install")
    life.libvirt.virsh("snapshot-delete", "guest", "s1")
    life.check_goes_on()


def reverted_to_off(life: Life) -> None:
    life.libvirt.virsh("snapshot-create-as", "guest", "s1")
    life.libvirt.virsh("snapshot-revert", "guest", "s1", "--running")
    life.watched.await_boot("install" if life.way == "hook" else "disk")
    life.libvirt.virsh("destroy", "guest")
    life.libvirt.virsh("snapshot-delete", "guest", "s1")


def checkpointed(life: Life) -> None:
    life.boot()
    first = life.files()
    life.libvirt.virsh("checkpoint-create-as", "guest", "c1")
    life.libvirt.virsh("destroy", "guest")
    life.run_ends()
    life.watched.says("other")
    life.boot("other")
    assert life.files() > first
    life.libvirt.virsh("destroy", "guest")
    life.run_ends()
    life.libvirt.virsh("checkpoint-delete", "guest", "c1", "--metadata")
    life.clean()
    assert not life.files()


def undefined_as_it_runs(life: Life) -> None:
    life.boot()
    life.libvirt.virsh("undefine", "guest")
    assert life.libvirt.state("guest") == "running"
    life.libvirt.virsh("reset", "guest")
    life.check_ended()


def undefined(life: Life) -> None:
    if life.way == "run":
        undefined_as_it_runs(life)
        return
    life.boot()
    life.libvirt.serve({})
    life.libvirt.virsh("reset", "guest")
    life.watched.server.wait_for("guest is not started: the next try", SECONDS)
    life.libvirt.virsh("undefine", "guest")
    life.watched.server.wait_for("domain guest is off", SECONDS)
    wait_until(lambda: not life.watched.left(), SECONDS, "nothing is left")


def paused(life: Life) -> None:
    life.libvirt.virsh("start", "--paused", "guest")
    assert life.libvirt.state("guest") == "paused" and "PROBE" not in life.libvirt.serial("guest")
    life.libvirt.virsh("resume", "guest")
    life.watched.await_boot("install")


def created(life: Life) -> None:
    path = life.libvirt.site.fresh("transient.xml")
    path.write_text(life.libvirt.stored("guest"))
    life.libvirt.virsh("undefine", "guest")
    life.libvirt.virsh("create", str(path))
    life.watched.await_boot("install")
    life.libvirt.virsh("destroy", "guest")
    life.check_ended()


ROWS: dict[str, tuple[Callable[[Life], None], str]] = {
    "`start --paused`": (paused, "hook"),
    "`create`": (created, "hook"),
    "`define` of a live XML": (defined_as_it_runs, "run watch"),
    "`shutdown`, poweroff of the guest": (powers_off, "start run watch hook"),
    "`reboot`": (rebooted_by_virsh, "start run watch hook"),
    "`destroy`": (destroyed, "start run watch hook"),
    "`destroy` while it is booted": (destroyed_while_it_boots, "start run watch hook"),
    "QEMU is killed": (killed, "start run watch hook"),
    "`suspend`, `resume`": (suspended, "start run watch hook"),
    "`managedsave`, `start`": (managed_saved, "start run watch hook"),
    "`save F`, `restore F`": (saved, "run watch"),
    "`snapshot-create` with memory, `snapshot-revert`": (snapshot_with_memory, "run"),
    "`snapshot-revert --running` of one that was off": (reverted_to_off, "start run hook"),
    "`checkpoint-create`": (checkpointed, "run watch"),
    "`undefine`": (undefined, "run watch"),
    "`domrename`": (renamed, "start run watch hook"),
    "`dump`": (dumped, "start run watch hook"),
    "`blockcopy`, `attach-*`": (attached_and_copied, "start run watch hook"),
    "libvirtd is killed": (libvirtd_killed, "start run watch hook"),
}
CELLS = [(row, way) for row, (_play, ways) in ROWS.items() for way in ways.split()]


@pytest.mark.parametrize(("row", "way"), CELLS)
def test_a_cell(watched: Watched, tmp_path: Path, row: str, way: str) -> None:
    ROWS[row][0](Life(watched, way, tmp_path))


def test_the_page_has_these_cells() -> None:
    """A cell has the numbers of its tests, or says that it has none; [9] are those above."""
    text = PAGE.read_text().partition("\n## Xen")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines]
    played = set()
    for row in rows:
        assert len(row) == 5, row
        for way, cell in zip(WAYS, row[1:]):
            empty = not cell or cell == "there is no such option"
            assert empty or re.search(r"\[\d\]", cell) or "*(not tested)*" in cell, row
            played |= {(row[0], way)} if "[9]" in cell else set()
    assert played == set(CELLS)
    listed = dict(re.findall(r"\[(\d)\] `(tests/\S+\.py)`", text.replace("\n", " ")))
    assert set(re.findall(r"\[(\d)\]", text)) == set(listed)
    assert all((tools.ROOT / path).exists() for path in listed.values())


def test_libvirtd_is_killed_while_it_starts_a_guest(watched: Watched, tmp_path: Path) -> None:
    """The guest runs, and who had it started was not told so; the hook looks when libvirtd is back."""
    life = Life(watched, "run", tmp_path)
    back = tmp_path / "back"
    program = tmp_path / "pypxeboot-virt-hook"
    waits = f"case $2 in started) until [ -e {back} ]; do sleep 0.1; done; esac\nPYTHONPATH"
    program.write_text(program.read_text().replace("PYTHONPATH", waits, 1))
    life.boot()
    life.libvirt.stop(signal.SIGKILL)
    life.libvirt.start()
    life.watched.server.wait_for("connection to libvirt broke", SECONDS)
    back.touch()
    wait_until(lambda: not _processes(tmp_path), SECONDS, "the hook and what it left have ended")
    life.libvirt.reload()
    life.check_goes_on()


def test_a_guest_that_is_started_anew_at_once(watched: Watched, tmp_path: Path) -> None:
    """Its boot of a moment ago is not taken for this one, though the hook has ended it before watch hears."""
    life = Life(watched, "watch", tmp_path)
    destroyed(life)
    watch = watched.server.process.pid
    os.kill(watch, signal.SIGSTOP)
    life.begin()
    wait_until(lambda: "guest" not in life.libvirt.names(), SECONDS, "the hook has ended it")
    watched.says("second")
    os.kill(watch, signal.SIGCONT)
    watched.await_boot("second")


def _processes(place: Path) -> list[Path]:
    """Those of the hook whose program is in ``place``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended
            found += [path] if f"PATH={place}:" in path.read_text("utf-8", "replace") else []
    return found
