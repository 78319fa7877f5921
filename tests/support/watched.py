"""A libvirtd with a ``pypxeboot-virt watch`` over it, and what the guests that it boots say."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import tools
from tests.support.ground.libvirt import Libvirt, domain_xml, need_python, write_disk
from tests.support.ground.net import Server, wait_until

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

    def says(self, label: str, more: str = "") -> None:
        """From now on the servers have all guests boot the entry ``label``; others than those above stay.

        ``more`` are words of its command line.
        """
        config = CONFIG.format(label) + f"LABEL {label}\n KERNEL k\n APPEND entry={label} {more}\n"
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
        self, name: str = "guest", mac: str = MAC, opt_in: str = OPT_IN.format(""), **more: Any
    ) -> str:
        return self.libvirt.define(self.xml(name, mac, opt_in, **more))

    def xml(
        self,
        name: str = "guest",
        mac: str = MAC,
        opt_in: str = OPT_IN.format(""),
        *,
        qcow2: bool = False,
        **more: Any,
    ) -> str:
        """The XML of a domain that opts in, whose disk says that it boots; ``qcow2``: it takes snapshots."""
        image = write_disk(self.libvirt, name, self._disk)
        xml = domain_xml(name, mac, disk=True, metadata=opt_in, **more)
        if not qcow2:
            return xml
        raw = image.rename(image.with_suffix(".raw"))
        argv = [tools.need("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)]
        subprocess.run(argv, check=True)
        image.chmod(0o666)
        return xml.replace("type='raw'", "type='qcow2'")

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
