"""What README, docs/xen.md and the manual pages tell Xen's users to write and type, word for word.

``tests/site/install/test_guides.py`` compares the pages with this file.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dom0 import SERVED, Console, bootloader_log, note, nothing_left, said, wait_for

FILE = Path("/etc/xen/web.cfg")
CONFIGURATION = """\
name = "web"
type = "pvh"
memory = 1024
bootloader = "pypxeboot"
vif = ["mac=00:16:3e:01:02:03,bridge=xenbr0"]
disk = ["phy:/dev/vg/web,xvda,w"]
"""
CREATED = "xl create -c web.cfg"
WITHOUT_A_DISK = """\
name = "web"
type = "pvh"
memory = 1024
vif = ["mac=00:16:3e:01:02:03,bridge=xenbr0"]
"""
RESOLVED_FIRST = "pypxeboot-xl create -v /etc/xen/web.cfg -- -c"
DUMMY_DISK = """\
mkdir -p /var/lib/pypxeboot
truncate -s 4096 /var/lib/pypxeboot/nodisk.img
losetup -r /dev/loop7 /var/lib/pypxeboot/nodisk.img
"""
ON_THE_DUMMY_DISK = """\
bootloader = "pypxeboot"
disk = ["phy:/dev/loop7,xvda,r"]
"""


def boots(command: str, number: int) -> None:
    """Have the site boot ``number`` for the guest of the pages, and type the command where its file is."""
    path = SERVED / "pxelinux.cfg/01-00-16-3e-01-02-03"
    path.write_text(f"DEFAULT l\nLABEL l\n  KERNEL probe-pvh\n  APPEND n={number} console=hvc0\n")
    console = Console("env", "-C", str(FILE.parent), *shlex.split(command))
    wait_for(lambda: f"n={number} console=hvc0]" in said("web"))
    assert console.finish() == 0
    note(bootloader_log())
    nothing_left()


@contextlib.contextmanager
def volume() -> Iterator[None]:
    """The guest's logical volume: a loop device, here."""
    image, link = Path("/tmp/web.img"), Path("/dev/vg/web")
    with image.open("wb") as file:
        file.truncate(1 << 20)
    device = subprocess.run(
        ["losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=True
    ).stdout.strip()
    link.parent.mkdir()
    link.symlink_to(device)
    try:
        yield
    finally:
        link.unlink()
        link.parent.rmdir()
        subprocess.run(["losetup", "-d", device], check=False)
        image.unlink()


def test_what_the_readme_says() -> None:
    FILE.write_text(CONFIGURATION)
    with volume():
        boots(CREATED, 1)


def test_what_the_manual_says_of_a_guest_without_a_disk() -> None:
    FILE.write_text(WITHOUT_A_DISK)
    boots(RESOLVED_FIRST, 2)


def test_the_dummy_disk_of_the_manual() -> None:
    """/dev/loop7 is the lab's own already, of the same kind."""
    subprocess.run(["losetup", "-d", "/dev/loop7"], check=True)
    subprocess.run(["sh", "-e", "-c", DUMMY_DISK], check=True)
    try:
        FILE.write_text(WITHOUT_A_DISK + ON_THE_DUMMY_DISK)
        boots(CREATED, 3)
    finally:
        subprocess.run(["losetup", "-d", "/dev/loop7"], check=True)
        subprocess.run(["losetup", "/dev/loop7", "/boot/disk.img"], check=True)
