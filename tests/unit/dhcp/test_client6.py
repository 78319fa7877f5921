"""The states of the DHCPv6 client, driven by messages made by hand and numbers for the time."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any, Optional, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.dhcp import message6, neighbor
from pypxeboot.dhcp.client import MAX_OFFERS, MAX_RESTARTS, Bound, Failed, Note
from pypxeboot.dhcp.client6 import (
    REQUEST_WAITS,
    ROUTER_TRIES,
    ROUTER_WAIT,
    SOLICIT_WAITS,
    AskRouters,
    Dhcp6Client,
    Multicast,
    State6,
    Step,
)
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import MessageType6, Option
from tests.support.peers import dhcp6 as peers
from tests.support.peers.dhcp6 import (
    ADDRESS,
    ADVERTISE,
    DUID,
    ESCAPES,
    MAC,
    NO_ADDRESS,
    REPLY,
    ROUTER,
    SERVER,
    URL,
)

OTHER, OTHER_DUID = IPv6Address("fe80::77"), b"\0\3\0\1\2\0\0\0\0\x77"
IDENTITY = {16: b"\0\0\1\x57\0\1x", 61: b"\0\7", 62: b"\1\3\x0a"}
BEST = peers.option(7, b"\xff")

Kind = TypeVar("Kind", Multicast, AskRouters, Bound, Failed, Note)


def client(**changed: Any) -> Dhcp6Client:
    return Dhcp6Client(MAC, DUID, 0x123456, IDENTITY, **changed)


def of(steps: list[Step], kind: type[Kind]) -> list[Kind]:
    return [step for step in steps if isinstance(step, kind)]


def sent(steps: list[Step]) -> list[message6.Message6]:
    return [message6.decode(step.payload) for step in of(steps, Multicast)]


def types(steps: list[Step]) -> list[int]:
    return [message.type for message in sent(steps)]


def give(
    machine: Dhcp6Client, now: float, kind: int, source: IPv6Address = SERVER, **changed: Any
) -> list[Step]:
    """Hand a server's message to the machine."""
    if source == OTHER:
        changed.setdefault("server", OTHER_DUID)
    xid = changed.pop("xid", machine.xid)
    return machine.receive(message6.decode(peers.message(kind, xid, **changed)), source, now)


def hear(machine: Dhcp6Client, now: float, flags: int = 0x80, options: Optional[bytes] = None) -> list[Step]:
    """Hand a router's advertisement to it."""
    packet = peers.advertisement(flags, peers.prefix() if options is None else options)
    return machine.receive_advertisement(neighbor.decode(packet, ROUTER, 255), now)


def lease_in(steps: list[Step]) -> Any:
    (bound,) = of(steps, Bound)
    return bound.lease


def run(machine: Dhcp6Client, start: float = 0.0, until: float = 1000.0) -> tuple[list[Step], float]:
    """Let the time go on until something ends it: the last steps, and when."""
    now, steps = start, machine.start(start)
    while machine.deadline < until and not of(steps, Bound) and not of(steps, Failed):
        now = machine.deadline
        steps = machine.tick(now)
    return steps, now


# Addresses by DHCP.


def test_four_messages_and_a_router() -> None:
    machine = client()
    steps = machine.start(10.0)
    assert len(of(steps, AskRouters)) == 1 and types(steps) == [MessageType6.SOLICIT]
    (solicit,) = sent(steps)
    assert solicit.first(Option.CLIENT_ID) == DUID
    assert solicit.first(Option.IA_NA) == MAC[-4:] + bytes(8)
    assert solicit.first(Option.REQUESTED) == bytes((0, 59, 0, 60, 0, 23, 0, 24))
    assert {code: solicit.first(code) for code in IDENTITY} == IDENTITY
    assert hear(machine, 10.1) and types(give(machine, 10.2, ADVERTISE)) == []
    (request,) = sent(machine.tick(11.0))
    assert (request.type, request.first(Option.SERVER_ID)) == (MessageType6.REQUEST, peers.SERVER_DUID)
    assert IPv6Address(ADDRESS).packed in (request.first(Option.IA_NA) or b"")
    assert request.first(Option.ELAPSED_TIME) == (100).to_bytes(2, "big")
    assert request.xid != solicit.xid
    lease = lease_in(give(machine, 11.1, REPLY))
    assert (str(lease.address), lease.routers, lease.bootfile) == (ADDRESS, (ROUTER,), URL.decode())


def test_the_first_second_is_for_all_servers() -> None:
    """RFC 8415 18.2.1; the one with a boot file counts, then the one that is preferred."""
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, ADVERTISE, url=None, more=peers.option(7, b"\xfe"))
    give(machine, 0.2, ADVERTISE, OTHER)
    (request,) = sent(machine.tick(machine.deadline))
    assert request.first(Option.SERVER_ID) == OTHER_DUID and machine.deadline <= 2.0
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, ADVERTISE, more=peers.option(7, b"\5"))
    give(machine, 0.2, ADVERTISE, OTHER, more=peers.option(7, b"\6"))
    assert sent(machine.tick(1.0))[0].first(Option.SERVER_ID) == OTHER_DUID


def test_the_best_server_is_not_waited_for() -> None:
    machine = client()
    machine.start(0.0)
    assert types(give(machine, 0.1, ADVERTISE, more=BEST)) == [MessageType6.REQUEST]


def test_the_best_server_without_a_boot_file_waits_for_others() -> None:
    machine = client()
    machine.start(0.0)
    assert types(give(machine, 0.1, ADVERTISE, url=None, more=BEST)) == []
    assert types(client_with(needs=False, now=0.1)) == [MessageType6.REQUEST]


def client_with(*, needs: bool, now: float) -> list[Step]:
    machine = client(needs_boot_information=needs)
    machine.start(0.0)
    return give(machine, now, ADVERTISE, url=None, more=BEST)


def test_after_the_first_second_the_first_good_one_is_taken() -> None:
    machine = client()
    machine.start(0.0)
    machine.tick(1.0)
    assert types(give(machine, 1.5, ADVERTISE)) == [MessageType6.REQUEST]


def test_an_offer_without_a_boot_file_waits_two_seconds() -> None:
    machine = client()
    machine.start(0.0)
    machine.tick(1.0)
    assert types(give(machine, 1.5, ADVERTISE, url=None)) == []
    assert types(machine.tick(3.4)) == [] and types(machine.tick(3.5)) == [MessageType6.REQUEST]


NOT_FOR_US: dict[str, dict[str, Any]] = {
    "wrong-xid": {"xid": 0x654321},
    "another-client": {"duid": DUID + b"\0"},
    "no-client": {"duid": None},
    "no-server": {"server": None},
    "no-address": {"ia": b""},
    "another-association": {"ia": peers.association(peers.address(), b"none")},
}


@pytest.mark.parametrize("case", NOT_FOR_US)
def test_what_is_not_for_us_changes_nothing(case: str) -> None:
    machine = client()
    machine.start(0.0)
    machine.tick(1.0)
    steps = give(machine, 1.5, ADVERTISE, **NOT_FOR_US[case])
    assert not types(steps) and machine.state is State6.SOLICITING
    assert types(give(machine, 1.5, ADVERTISE)) == [MessageType6.REQUEST]
    changed = {"server": OTHER_DUID} if case == "no-address" else NOT_FOR_US[case]
    if case != "another-association":
        assert not of(give(machine, 1.6, REPLY, **changed), Bound)
    assert machine.state is State6.REQUESTING or case == "another-association"


def test_an_answer_of_the_wrong_kind_is_none() -> None:
    machine = client()
    machine.start(0.0)
    assert not give(machine, 0.1, REPLY)
    machine.tick(1.0)
    give(machine, 1.5, ADVERTISE)
    assert not give(machine, 1.6, ADVERTISE, OTHER)


def test_a_server_that_takes_its_word_back() -> None:
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, ADVERTISE, OTHER)
    give(machine, 0.1, ADVERTISE)
    machine.tick(1.0)
    denied = peers.association(peers.status(NO_ADDRESS))
    steps = give(machine, 1.1, REPLY, OTHER, ia=denied)
    assert sent(steps)[0].first(Option.SERVER_ID) == peers.SERVER_DUID
    hear(machine, 1.1)
    assert of(give(machine, 1.2, REPLY), Bound)


def test_servers_that_never_keep_their_word() -> None:
    machine, steps, now, rounds = client(), [], 0.0, 0
    machine.start(now)
    while not of(steps, Failed):
        now = machine.deadline
        steps = machine.tick(now) or []
        if machine.state is State6.SOLICITING:
            rounds += 1
            steps += give(machine, now, ADVERTISE)
        if machine.state is State6.REQUESTING:
            steps += give(machine, now, REPLY, ia=peers.association(peers.status(NO_ADDRESS)))
    assert rounds == MAX_RESTARTS + 1


def test_nobody_answers() -> None:
    steps, now = run(client(), 5.0)
    (failed,) = of(steps, Failed)
    assert now == 5.0 + sum(SOLICIT_WAITS)
    assert failed.reason == f"no DHCPv6 offer, and no router in 63 s ({len(SOLICIT_WAITS)} SOLICITs)"


def test_the_request_is_not_answered() -> None:
    machine, steps, asked = client(), [], []
    machine.start(0.0)
    hear(machine, 0.1)
    give(machine, 0.1, ADVERTISE)
    while not asked or machine.state is State6.REQUESTING:
        steps = machine.tick(machine.deadline)
        asked += types(steps)
    assert asked == [MessageType6.REQUEST] * len(REQUEST_WAITS) + [MessageType6.SOLICIT]
    assert "does not answer the REQUEST" in of(steps, Note)[0].text


def test_many_servers() -> None:
    """What is kept is bounded, and a good one is still taken."""
    machine = client()
    machine.start(0.0)
    for number in range(1000):
        give(machine, 0.1, ADVERTISE, url=None, server=b"\0\3\0\1" + number.to_bytes(6, "big"))
    assert len(machine._offers) == MAX_OFFERS
    assert types(give(machine, 0.2, ADVERTISE, OTHER, more=BEST)) == [MessageType6.REQUEST]


def test_what_servers_say_cannot_fill_the_log() -> None:
    machine = client()
    machine.start(0.0)
    notes: list[Note] = []
    for number in range(100):
        text = ESCAPES + str(number).encode()
        notes += of(give(machine, 0.1, ADVERTISE, ia=peers.association(peers.status(2, text))), Note)
    assert 0 < len(notes) < 10 and all(note.text.isprintable() for note in notes)


# Routers.


def test_routers_are_asked_three_times() -> None:
    machine = client()
    count = len(of(machine.start(0.0), AskRouters))
    while machine.deadline < 60.0:
        count += len(of(machine.tick(machine.deadline), AskRouters))
    assert count == ROUTER_TRIES


def test_a_lease_waits_for_a_router() -> None:
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, ADVERTISE, more=BEST)
    assert not of(give(machine, 0.2, REPLY), Bound)
    assert lease_in(hear(machine, 3.0)).prefix_length == 64
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, ADVERTISE, more=BEST)
    give(machine, 0.2, REPLY)
    assert machine.deadline == ROUTER_WAIT
    lease = lease_in(machine.tick(ROUTER_WAIT))
    assert (lease.routers, lease.prefix_length) == ((), 64)


def test_stateless() -> None:
    """The router says that hosts make their own addresses, and that DHCP knows the rest."""
    machine = client()
    machine.start(0.0)
    (question,) = sent(hear(machine, 0.3, 0x40))
    assert (question.type, question.first(Option.IA_NA)) == (MessageType6.INFORMATION_REQUEST, None)
    assert {code: question.first(code) for code in IDENTITY} == IDENTITY
    lease = lease_in(give(machine, 0.4, REPLY, ia=b""))
    assert (str(lease.address), lease.bootfile) == ("2001:db8:77:0:5054:ff:feab:cdef", URL.decode())


def test_an_offer_counts_more_than_the_flags_of_a_router() -> None:
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, ADVERTISE)
    assert types(hear(machine, 0.2, 0x40)) == []
    assert types(machine.tick(1.0)) == [MessageType6.REQUEST]


def test_no_dhcp_at_all() -> None:
    """An address of one's own, for who knows what to boot; else a server may still know it."""
    machine = client(needs_boot_information=False)
    machine.start(0.0)
    assert str(lease_in(hear(machine, 0.1, 0)).address).endswith("5054:ff:feab:cdef")
    machine = client()
    machine.start(0.0)
    assert not types(hear(machine, 0.1, 0))
    steps: list[Step] = []
    asked = []
    while not of(steps, Bound):
        steps = machine.tick(machine.deadline)
        asked += types(steps)
    assert asked == [
        MessageType6.SOLICIT,
        MessageType6.SOLICIT,
        MessageType6.INFORMATION_REQUEST,
        MessageType6.INFORMATION_REQUEST,
    ]
    assert lease_in(steps).bootfile == ""


def test_a_server_without_addresses_where_one_can_make_ones_own() -> None:
    machine = client()
    machine.start(0.0)
    hear(machine, 0.1, 0xC0)
    give(machine, 0.2, ADVERTISE, ia=peers.association(peers.status(NO_ADDRESS)))
    assert types(machine.tick(1.0)) == [MessageType6.INFORMATION_REQUEST]
    assert lease_in(give(machine, 1.1, REPLY, ia=b"")).bootfile == URL.decode()


def test_a_server_without_addresses() -> None:
    machine = client()
    machine.start(0.0)
    denied = peers.association(peers.status(NO_ADDRESS, b"the pool is empty"))
    give(machine, 0.2, ADVERTISE, ia=denied)
    assert "no address (the pool is empty)" in machine.describe_progress(9.0)


def test_a_flood_of_routers() -> None:
    machine = client()
    machine.start(0.0)
    for number in range(1, 1000):
        packet = peers.advertisement(0x80, peers.prefix())
        machine.receive_advertisement(neighbor.decode(packet, IPv6Address(f"fe80::{number:x}"), 255), 0.1)
    assert len(machine.advertisements) < 10


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=80), st.floats(0, 5)), max_size=30))
def test_whatever_comes_it_ends(events: list[tuple[int, bytes, float]]) -> None:
    """Any messages at any time: no exception, and never more than a few minutes of waiting."""
    machine, now = client(), 0.0
    machine.start(now)
    for kind, data, wait in events:
        now += wait
        try:
            if kind == 3:
                packet = peers.advertisement(data[0] if data else 0, peers.prefix() + data)
                machine.receive_advertisement(neighbor.decode(packet, ROUTER, 255), now)
            else:
                message = peers.message((ADVERTISE, REPLY, 99)[kind], machine.xid, more=data)
                machine.receive(message6.decode(message), SERVER, now)
        except BadMessage:
            pass
        machine.tick(now)
    for _ in range(200):
        if machine.deadline == float("inf"):
            break
        now = max(now, machine.deadline)
        machine.tick(now)
    assert machine.state in (State6.BOUND, State6.FAILED) and now < 1000
