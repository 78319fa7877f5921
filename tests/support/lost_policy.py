"""A lost client (``lost_client``) under the policy of verified boot, with files that are signed to play with.

    python -m tests.support.lost_policy SCENARIO [ARGUMENT OF PYPXEBOOT ...]

The directory that LOOT names has them: kernel, initrd, other, each with NAME.sig.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_scenarios import Scenario, scenario

_FOLDER = os.environ.get("LOOT", "")
LOOT = {path.name: path.read_bytes() for path in Path(_FOLDER).iterdir()} if _FOLDER else {}
"""Read before the client is locked up."""
EVIL = b"a program of the lost client's"

REFUSED: dict[str, tuple[Scenario, str]] = {}
"""What no signature vouches for: exit code 7."""
BROKEN: dict[str, tuple[Scenario, str]] = {}
"""What no client does: exit code 1."""
BOOTED: dict[str, tuple[Scenario, str]] = {}
"""What boots, by the host's words."""


def ramdisk(lost: Lost, *pieces: bytes, marks: bool = True) -> int:
    """A ramdisk of initrds."""
    descriptor = lost.host.open_output("ramdisk")
    for piece in pieces:
        if marks:
            lost.host.mark_initrd()
        os.write(descriptor, piece)
        if marks:
            lost.host.mark_initrd()
    return descriptor


def sign(lost: Lost, *names: str) -> None:
    """The signatures of these files, in this order."""
    for name in names:
        lost.output("signature", LOOT[f"{name}.sig"])


def end(lost: Lost, initrds: int = 1, **more: Any) -> None:
    """The result, with words of the client's."""
    urls = [f"tftp://x/{number}" for number in range(initrds)]
    lost.result(**{"initrds": urls, "cmdline": "init=/bin/sh", **more})


@scenario(BOOTED)
def files_that_are_signed(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    ramdisk(lost, LOOT["initrd"])
    sign(lost, "kernel", "initrd")
    end(lost)


@scenario(BOOTED)
def module_with_words(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    lost.output("module", LOOT["other"])
    sign(lost, "kernel", "other")
    end(lost, 0, modules=[{"url": "tftp://x/m", "cmdline": "m init=/bin/sh"}])


@scenario(BOOTED)
def module_with_words_for_a_name(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    lost.output("module", LOOT["other"])
    sign(lost, "kernel", "other")
    end(lost, 0, modules=[{"url": "tftp://x/m init=/bin/sh", "cmdline": "m"}])


@scenario(REFUSED, "the signature is not that of this file")
def signatures_the_other_way_round(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    ramdisk(lost, LOOT["initrd"])
    sign(lost, "initrd", "kernel")
    end(lost)


@scenario(REFUSED, "the signature is not that of this file")
def another_kernel(lost: Lost) -> None:
    lost.output("kernel", EVIL)
    sign(lost, "kernel")
    end(lost, 0)


@scenario(REFUSED, "the signature is not that of this file")
def kernel_that_is_written_to_afterwards(lost: Lost) -> None:
    descriptor = lost.output("kernel", LOOT["kernel"])
    sign(lost, "kernel")
    os.pwrite(descriptor, EVIL, 0)
    end(lost, 0)


@scenario(REFUSED, "the signature is not that of this file")
def ramdisk_that_is_written_to_afterwards(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    descriptor = ramdisk(lost, LOOT["initrd"])
    os.pwrite(descriptor, EVIL, 0)
    sign(lost, "kernel", "initrd")
    end(lost)


@scenario(REFUSED, "bytes beside its initrds")
def bytes_behind_the_initrds(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    os.write(ramdisk(lost, LOOT["initrd"]), EVIL)
    sign(lost, "kernel", "initrd")
    end(lost)


@scenario(REFUSED, "bytes beside its initrds")
def bytes_before_the_initrds(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    descriptor = ramdisk(lost, EVIL, marks=False)
    lost.host.mark_initrd()
    os.write(descriptor, LOOT["initrd"])
    lost.host.mark_initrd()
    sign(lost, "kernel", "initrd")
    end(lost)


@scenario(REFUSED, "bytes beside its initrds")
def ramdisk_of_which_nothing_is_told(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    ramdisk(lost, EVIL, marks=False)
    sign(lost, "kernel")
    end(lost, 0)


@scenario(REFUSED, "bytes beside its initrds")
def padding_of_megabytes(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    descriptor = ramdisk(lost, LOOT["initrd"])
    os.ftruncate(descriptor, 8 << 20)
    sign(lost, "kernel", "initrd")
    end(lost)


@scenario(REFUSED, "the signature is not that of this file")
def ramdisk_that_is_not_made_of_its_parts(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    for number, data in enumerate((LOOT["initrd"], EVIL.ljust(len(LOOT["initrd"])))):
        os.write(lost.host.open_image(number), data)
    lost.host.use_image(0, "initrd")
    lost.host.use_image(1, "ramdisk")
    sign(lost, "kernel", "initrd")
    end(lost)


@scenario(REFUSED, "what it was unpacked to is not what it unpacks to")
def unpacked_kernel_of_its_own(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    lost.output("unpacked-kernel", EVIL)
    sign(lost, "kernel")
    end(lost, 0)


@scenario(REFUSED, "there is no signature")
def signatures_that_are_empty(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    lost.output("signature", b"")
    end(lost, 0)


@scenario(BROKEN, "it has 1 signatures of 2 files")
def signatures_that_are_missing(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    ramdisk(lost, LOOT["initrd"])
    sign(lost, "kernel")
    end(lost)


@scenario(BROKEN, "it has 3 signatures of 1 files")
def signatures_that_are_too_many(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    sign(lost, "kernel", "initrd", "other")
    end(lost, 0)


@scenario(BROKEN, "a signature has 1.0 GiB")
def signature_that_is_too_large(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    os.ftruncate(lost.output("signature", b""), 1 << 30)
    end(lost, 0)


@scenario(BROKEN, "files (initrd)")
def initrds_that_are_not_told(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    ramdisk(lost, LOOT["initrd"])
    sign(lost, "kernel", "initrd")
    end(lost, 0)


@scenario(BROKEN, "its initrds lie one in the other")
def initrds_that_lie_in_each_other(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    descriptor = ramdisk(lost, LOOT["initrd"])
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    lost.host.mark_initrd()
    os.write(descriptor, LOOT["initrd"])
    lost.host.mark_initrd()
    sign(lost, "kernel", "initrd", "initrd")
    end(lost, 2)


@scenario(BROKEN, "files of more than one boot")
def two_unpacked_kernels(lost: Lost) -> None:
    lost.output("kernel", LOOT["kernel"])
    lost.output("unpacked-kernel", EVIL)
    lost.output("unpacked-kernel", EVIL)
    sign(lost, "kernel")
    end(lost, 0)


@scenario(BROKEN, "it opened no kernel")
def no_kernel_under_the_policy(lost: Lost) -> None:
    lost.result(kernel=None)


if __name__ == "__main__":
    lost_scenarios.SCENARIOS.update({**REFUSED, **BROKEN, **BOOTED})
    lost_client.main()
