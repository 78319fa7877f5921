"""``pypxeboot`` with a client process that is lost: once locked up, it says what SCENARIO says.

    python -m tests.support.lost_client SCENARIO [ARGUMENT OF PYPXEBOOT ...]

It stands for code of a stranger's that has taken over the client process: it has the client's socket, uid and
sandbox, and nothing of the host side is changed.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any, Callable

from pypxeboot.client import main as client
from pypxeboot.client.host import HostSide
from pypxeboot.entry import Action, Reason
from pypxeboot.plan import Order
from pypxeboot.privsep.channel import Channel
from pypxeboot.result import BootResult, DeviceTree, KernelFile, ModuleFile, Ramdisk, Seconds

KERNEL = b"a kernel of the lost client's"


class Lost:
    """What the lost client can do: ask as the real one does, and say what it likes."""

    def __init__(self, end: socket.socket, host: HostSide, victim: str) -> None:
        self.end, self.host, self.victim = end, host, victim

    def say(self, message: Any) -> None:
        """A message of the real client's, whatever is in it."""
        Channel(self.end).send(message)

    def output(self, kind: str, data: bytes) -> int:
        """An output file of ``kind`` with ``data`` in it; its size."""
        descriptor = self.host.open_output(kind)
        os.write(descriptor, data)
        os.close(descriptor)
        return len(data)


def boot_result(**changes: Any) -> BootResult:
    """A boot, as the client tells it."""
    values: dict[str, Any] = {
        "action": Action.BOOT,
        "lease": None,
        "loader": "pxelinux",
        "config": None,
        "label": "a",
        "reason": Reason.DEFAULT,
        "kernel": None,
        "initrds": (),
        "ramdisk": None,
        "modules": (),
        "cmdline": "x=1",
        "requests": (),
        "seconds": Seconds(),
        "warnings": (),
    }
    return BootResult(**{**values, **changes})


def good_kernel(lost: Lost) -> KernelFile:
    """A kernel as it should be."""
    return KernelFile("tftp://x/k", None, lost.output("kernel", KERNEL), "0" * 64, "bzImage", ("qemu",))


def kernel_is_the_victim(lost: Lost) -> None:
    """Nothing was downloaded, so there is no size to check."""
    lost.say(boot_result(kernel=KernelFile("tftp://x/k", lost.victim)))


def kernel_is_the_victim_and_sized(lost: Lost) -> None:
    """The path and the size of a file of the host's."""
    lost.say(boot_result(kernel=KernelFile("tftp://x/k", lost.victim, len(KERNEL))))


def ramdisk_is_the_victim(lost: Lost) -> None:
    """A good kernel, and a ramdisk that never was downloaded."""
    lost.say(boot_result(kernel=good_kernel(lost), ramdisk=Ramdisk(lost.victim)))


def module_is_the_victim(lost: Lost) -> None:
    """The same with a multiboot module."""
    lost.say(boot_result(kernel=good_kernel(lost), modules=(ModuleFile("m", lost.victim, None, "m"),)))


def dtb_is_the_victim(lost: Lost) -> None:
    """The same with a device tree."""
    lost.say(boot_result(kernel=good_kernel(lost), dtb=DeviceTree("d", lost.victim)))


def local_disk_with_the_victim(lost: Lost) -> None:
    """The local disk needs no kernel; a path must not ride along."""
    lost.say(boot_result(action=Action.LOCALBOOT, kernel=KernelFile("tftp://x/k", lost.victim)))


def ramdisk_without_size(lost: Lost) -> None:
    """A ramdisk that is neither there nor said to be missing."""
    lost.say(boot_result(kernel=good_kernel(lost), ramdisk=Ramdisk()))


def no_kernel(lost: Lost) -> None:
    """A boot without anything to boot."""
    lost.say(boot_result())


def kernel_of_another_size(lost: Lost) -> None:
    """Less is in the file than the result says."""
    size = lost.output("kernel", KERNEL)
    lost.say(boot_result(kernel=KernelFile("tftp://x/k", None, size + 1)))


SCENARIOS: dict[str, Callable[[Lost], None]] = {
    scenario.__name__: scenario
    for scenario in (
        kernel_is_the_victim,
        kernel_is_the_victim_and_sized,
        ramdisk_is_the_victim,
        module_is_the_victim,
        dtb_is_the_victim,
        local_disk_with_the_victim,
        ramdisk_without_size,
        no_kernel,
        kernel_of_another_size,
    )
}


def main() -> None:
    """Run pypxeboot with a client that is lost."""
    scenario = SCENARIOS[sys.argv.pop(1)]
    victim = os.environ.get("VICTIM", "")

    def boot(order: Order, channel: Channel, parent: int, _raw_frames: bool, _story: object) -> None:
        host = HostSide(channel)
        _place, _udhcpc = host.wait_for_place()
        client._lock_up(order, parent)
        scenario(Lost(channel._socket, host, victim))
        time.sleep(30)  # the host side ends it

    client._boot = boot
    from pypxeboot.__main__ import run

    run()


if __name__ == "__main__":
    main()
