"""What a lost client does, scenario by scenario: each a function, in the table of what is to come of it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from tests.support.lost_reach import VICTIM, whatever_is_in_reach

if TYPE_CHECKING:
    from tests.support.lost_client import Lost

Scenario = Callable[["Lost"], None]
HANDOVER: dict[str, tuple[Scenario, str]] = {}
"""Results that must not be handed over: what the client does, and what is said of it."""
MESSAGES: dict[str, tuple[Scenario, str]] = {}
"""Messages that break the contract."""
CLOCK: dict[str, tuple[Scenario, str]] = {}
"""Clients that never come to an end."""
HARMLESS: dict[str, tuple[Scenario, str]] = {}
"""What ends well, and must not have done anything else."""


def scenario(table: dict[str, tuple[Scenario, str]], said: str = "") -> Callable[[Scenario], Scenario]:
    """Add a function to a table of scenarios."""

    def add(function: Scenario) -> Scenario:
        table[function.__name__] = (function, said)
        return function

    return add


def kernel_report(**more: Any) -> dict[str, Any]:
    """What the client tells of its kernel."""
    return {"url": "tftp://x/k", "format": None, "boots": [], **more}


@scenario(HANDOVER, "not exactly the keys")
def kernel_with_a_path(lost: Lost) -> None:
    lost.output("kernel")
    lost.result(kernel=kernel_report(path=VICTIM))


@scenario(HANDOVER, "not exactly the keys")
def ramdisk_with_a_path(lost: Lost) -> None:
    lost.output("kernel")
    lost.result(ramdisk={"path": VICTIM, "size": None, "sha256": None})


@scenario(HANDOVER, "not exactly the keys")
def kernel_with_a_size_and_a_digest(lost: Lost) -> None:
    lost.output("kernel")
    lost.result(kernel=kernel_report(size=3, sha256="0" * 64))


@scenario(HANDOVER, "not exactly the keys")
def module_with_a_path(lost: Lost) -> None:
    lost.output("kernel")
    lost.output("module")
    lost.result(modules=[{"url": "m", "cmdline": "m", "path": VICTIM}])


@scenario(HANDOVER, "a boot without a kernel")
def no_kernel(lost: Lost) -> None:
    lost.result(kernel=None)


@scenario(HANDOVER, "files that it did not open")
def kernel_that_was_not_opened(lost: Lost) -> None:
    lost.result()


@scenario(HANDOVER, "files that it did not open")
def module_that_was_not_opened(lost: Lost) -> None:
    lost.output("kernel")
    lost.result(modules=[{"url": "m", "cmdline": "m"}] * 60000)


@scenario(HANDOVER, "files that it did not open")
def device_tree_that_was_not_opened(lost: Lost) -> None:
    lost.output("kernel")
    lost.result(dtb=VICTIM)


@scenario(HANDOVER, "initrds that it did not write")
def initrd_that_was_not_written(lost: Lost) -> None:
    lost.output("kernel")
    lost.output("ramdisk")
    lost.result(initrds=["tftp://x/i"])


@scenario(HANDOVER, "more than --max-kernel allows")
def kernel_that_is_too_large(lost: Lost) -> None:
    """A hole as large as a ramdisk may be."""
    os.ftruncate(lost.output("kernel"), lost.order.plan.limits.kernel + 1)
    lost.result()


@scenario(HANDOVER, "more than --max-ramdisk allows")
def modules_that_are_too_large_together(lost: Lost) -> None:
    lost.output("kernel")
    for _ in range(2):
        os.ftruncate(lost.output("module"), lost.order.plan.limits.ramdisk // 2 + 1)
    lost.result(modules=[{"url": "m", "cmdline": "m"}] * 2)


@scenario(HANDOVER, "its files have")
def files_without_end(lost: Lost) -> None:
    for number in range(20):
        descriptor = lost.host.open_image(number)
        os.ftruncate(descriptor, lost.order.plan.limits.ramdisk)
        os.close(descriptor)
    lost.result()


@scenario(HANDOVER, "one in the other")
def initrds_one_in_the_other(lost: Lost) -> None:
    """Each would be hashed: a ramdisk of a GiB, a hundred times."""
    lost.output("kernel")
    ramdisk = lost.output("ramdisk")
    for number in range(20):
        for size in (number, lost.order.plan.limits.ramdisk - number):
            os.ftruncate(ramdisk, size)
            lost.host.mark_initrd()
    lost.result(initrds=["i"] * 20)


@scenario(HANDOVER, "one in the other, or beyond")
def initrd_that_is_cut_afterwards(lost: Lost) -> None:
    lost.output("kernel")
    ramdisk = lost.output("ramdisk")
    lost.host.mark_initrd()
    os.ftruncate(ramdisk, 0)
    lost.host.mark_initrd()
    lost.result(initrds=["i"])


@scenario(HANDOVER, "initrds that it did not write")
def initrd_that_is_in_no_ramdisk(lost: Lost) -> None:
    os.close(lost.host.open_image(1))
    lost.output("kernel")
    lost.host.use_image(1, "initrd")
    lost.result(initrds=["i"])


@scenario(HANDOVER, "one in the other, or beyond")
def initrd_beyond_the_ramdisk(lost: Lost) -> None:
    lost.output("kernel")
    lost.output("ramdisk", b"EVIL")
    image = lost.host.open_image(1)
    os.write(image, b"a good initrd")
    lost.host.use_image(1, "initrd")
    lost.result(initrds=["i"])


@scenario(HANDOVER, "its files have")
def files_that_grow_once_dropped(lost: Lost) -> None:
    """The host side has closed them, or so it seems; the client has not."""
    size = lost.order.plan.limits.kernel
    for number in range(40):
        descriptor = lost.host.open_image(number)
        lost.host.drop_image(number)
        os.pwrite(descriptor, bytes(size), 0)
        time.sleep(0.05)
    lost.output("kernel")
    lost.result()


@scenario(HANDOVER, "ClientResult.action")
def another_action(lost: Lost) -> None:
    lost.result(action="exec")


@scenario(MESSAGES, "an output file ../../etc/x")
def kind_with_a_path(lost: Lost) -> None:
    lost.say("OpenOutput", kind="../../etc/x")


@scenario(MESSAGES, "an output file ../x")
def image_of_a_kind_with_a_path(lost: Lost) -> None:
    os.close(lost.host.open_image(1))
    lost.say("UseImage", number=1, kind="../x", offset=0)


@scenario(MESSAGES, "a second file 1")
def one_image_twice(lost: Lost) -> None:
    os.close(lost.host.open_image(1))
    lost.say("OpenImage", number=1)


@scenario(MESSAGES, "an initrd of no ramdisk")
def mark_of_no_ramdisk(lost: Lost) -> None:
    lost.say("MarkInitrd")


@scenario(MESSAGES, "an address with a zone")
def gateway_with_a_command(lost: Lost) -> None:
    """Text that Python takes for the zone of an address is a line for root's ip."""
    lost.configure("2001:db8::5", [("::/0", "fe80::1%x\nnetns add lostpwn\n")])


@scenario(MESSAGES, "an address with a zone")
def address_with_a_command(lost: Lost) -> None:
    lost.configure("2001:db8::5%\nnetns add lostpwn\n")


@scenario(MESSAGES, "a network with a zone")
def network_with_a_command(lost: Lost) -> None:
    lost.configure("2001:db8::5", [("fe80::1%\nnetns add lostpwn\n#/128", None)])


@scenario(MESSAGES, "60000 routes")
def routes_without_end(lost: Lost) -> None:
    lost.configure("10.77.0.9", [(f"10.{at >> 8}.{at & 255}.0/24", "10.77.0.1") for at in range(60_000)])


@scenario(MESSAGES, "VLAN 4095")
def vlan_that_is_none(lost: Lost) -> None:
    lost.say("SetVlan", tag=4095, remove=False)


@scenario(MESSAGES, "a picture, and no terminal")
def picture_without_a_terminal(lost: Lost) -> None:
    lost.say("Show", picture=None, seconds=1.0, interrupt=True)


@scenario(MESSAGES, "the request Ev")
def request_with_escapes(lost: Lost) -> None:
    lost.say("Ev\x1b[31mil\nline")


@scenario(MESSAGES, "a message too long")
def message_of_a_gigabyte(lost: Lost) -> None:
    lost.end.send(b"16384")


@scenario(MESSAGES, "a message too long")
def count_in_other_digits(lost: Lost) -> None:
    lost.end.send("١".encode())


@scenario(MESSAGES, "too many items")
def millions_of_lists(lost: Lost) -> None:
    lost.raw(b'{"type":"x","value":[' + b",".join([b"[]"] * 1_300_000) + b"]}")


@scenario(MESSAGES, "too many items")
def millions_of_objects(lost: Lost) -> None:
    lost.raw(b'{"type":"x","value":[' + b",".join([b'{"":[]}'] * 500_000) + b"]}")


@scenario(MESSAGES, "too many items")
def a_deep_nest(lost: Lost) -> None:
    lost.raw(b"[" * 4_000_000)


@scenario(MESSAGES, "not a message")
def a_nest_that_is_less_deep(lost: Lost) -> None:
    lost.raw(b"[" * 150_000)


@scenario(MESSAGES, "a number too long")
def a_number_of_millions_of_digits(lost: Lost) -> None:
    lost.raw(b'{"type":"OpenImage","value":{"number":' + b"9" * 4_000_000 + b"}}")


@scenario(MESSAGES, "NaN in a message")
def no_number(lost: Lost) -> None:
    lost.raw(b'{"type":"Show","value":{"picture":null,"seconds":NaN,"interrupt":true}}')


@scenario(MESSAGES, "without a type and a value")
def a_list_for_a_type(lost: Lost) -> None:
    lost.raw(b'{"type":[' + b"1," * 200_000 + b'1],"value":1}')


@scenario(MESSAGES, "not a message")
def no_text(lost: Lost) -> None:
    lost.raw(b'\xff\xfe{"type":1}')


@scenario(MESSAGES, "without a type and a value")
def no_object(lost: Lost) -> None:
    lost.raw(b"[1]")


@scenario(MESSAGES, "Failure.requests")
def failure_of_no_kind(lost: Lost) -> None:
    lost.say("Failure", kind="__import__", message="x", hint=None, requests={}, warnings=[])


@scenario(CLOCK)
def silence(_lost: Lost) -> None:
    time.sleep(600)


@scenario(CLOCK)
def half_a_message(lost: Lost) -> None:
    lost.end.send(b"4")
    lost.end.send(b'{"type":')
    time.sleep(600)


@scenario(CLOCK)
def a_message_in_small_pieces(lost: Lost) -> None:
    lost.end.send(b"60")
    for _ in range(60):
        lost.end.send(b" ")
        time.sleep(0.5)


@scenario(CLOCK)
def requests_without_end(lost: Lost) -> None:
    while True:
        lost.ask("FindTerminal")


@scenario(CLOCK)
def requests_that_are_always_waiting(lost: Lost) -> None:
    """The next one is there before the host side looks whether it should read on."""
    data = json.dumps({"type": "FindTerminal", "value": {}}).encode()
    for _ in range(50):
        lost.raw(data)
    while True:
        for _ in range(int(lost.end.recv(16))):
            lost.end.recv(65536)
        lost.raw(data)


@scenario(CLOCK)
def answers_that_are_not_read(lost: Lost) -> None:
    while True:
        lost.say("FindTerminal")


@scenario(CLOCK)
def addresses_without_end(lost: Lost) -> None:
    while True:
        lost.configure()


@scenario(HARMLESS)
def files_opened_and_dropped(lost: Lost) -> None:
    while True:
        os.close(lost.host.open_image(1))
        lost.host.drop_image(1)


@scenario(CLOCK)
def lines_without_end(_lost: Lost) -> None:
    while True:
        os.write(2, b"x" * 4000 + b"\n")


@scenario(HARMLESS)
def a_file_that_changes_afterwards(lost: Lost) -> None:
    """The client goes on to write when it has said that all is done."""
    descriptor = lost.output("kernel")
    lost.result()
    while True:
        os.pwrite(descriptor, b"changed!", 0)


@scenario(HARMLESS)
def a_file_with_other_rights(lost: Lost) -> None:
    descriptor = lost.output("kernel")
    for change in (
        lambda: os.fchmod(descriptor, 0o4777),
        lambda: os.fchown(descriptor, os.getuid(), os.getgid()),
        lambda: os.setxattr(descriptor, "user.x", b"1"),
        lambda: fcntl.ioctl(descriptor, 0x40086602, (16).to_bytes(8, sys.byteorder)),
    ):
        try:
            lost.tell(repr(change()))
        except OSError as why:
            lost.tell(why.strerror)
    lost.result()


@scenario(HARMLESS)
def a_file_with_other_flags(lost: Lost) -> None:
    """The host side reads by the same open file: not all of it can be read directly."""
    descriptor = lost.output("kernel")
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_RDWR | getattr(os, "O_DIRECT", 0) | os.O_APPEND)
    lost.result()


@scenario(HARMLESS)
def descriptors_with_every_message(lost: Lost) -> None:
    """They stay in the host side's table, or in its queue, if nobody closes them."""
    for _ in range(200):
        lost.raw(b'{"type":"FindTerminal","value":{}}', [0] * 60)
        for _ in range(int(lost.end.recv(16))):
            lost.end.recv(65536)
    lost.tell(len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0)
    lost.output("kernel")
    lost.result()


@scenario(HARMLESS)
def escapes_on_standard_error(lost: Lost) -> None:
    os.write(2, b"\x1b]52;c;ZXZpbA==\x07\x1b[2J raw\xff bytes\r\n")
    os.write(1, b"\x1b[31mto standard output\n")
    lost.output("kernel")
    lost.result(label="\x1b[31m", warnings=["\x1b[2J"], cmdline="x=1 \x1b[31m")


@scenario(HARMLESS)
def standard_input(lost: Lost) -> None:
    """What the administrator types is not the client's to read."""
    lost.tell(os.read(0, 100).decode())
    lost.output("kernel")
    lost.result()


@scenario(HARMLESS)
def a_kernel_of_its_own(lost: Lost) -> None:
    """What the guest boots is the client's to say, as it is the servers'; so is what it sends in its name."""
    lost.configure()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        lost.tell(end.sendto(b"x", ("10.77.0.1", 9)))
    os.write(2, b"handed over as json to standard output after 0.00 s\n")
    lost.output("kernel", b"evil")
    lost.result(cmdline="init=/bin/sh")


scenario(HARMLESS)(whatever_is_in_reach)

SCENARIOS = {**HANDOVER, **MESSAGES, **CLOCK, **HARMLESS}
