"""The DHCP client's states, driven by messages made by hand and numbers for the time."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.dhcp.client import (
    BETTER_OFFER_WAITS,
    DISCOVER_WAITS,
    MAX_RESTARTS,
    REQUEST_WAITS,
    Bound,
    DhcpClient,
    Failed,
    Send,
    State,
)
from pypxeboot.dhcp.message import BadMessage, Type, decode
from pypxeboot.lease import describe
from tests.support.peers.dhcp import ACK, ADDRESS, ESCAPES, NAK, OFFER, SERVER, ip, message, option, standard
from tests.support.samples.dhcp import BOOTABLE, MAC, XID, client, give, of, sent, warnings

OTHER = "10.77.0.4"


def test_discovers_four_times_with_one_xid() -> None:
    """PXE 2.1: 4, 8, 16 and 32 seconds."""
    machine = client()
    steps, now, times, xids = machine.start(100.0), 100.0, [], set()
    for _ in range(4):
        assert sent(steps) == [Type.DISCOVER]
        times.append(now)
        xids |= {step.xid for step in of(steps, Send)}
        assert machine.tick(machine.deadline - 0.01) == [], "nothing before it is due"
        now = machine.deadline
        steps = machine.tick(now)
    assert times == [100, 104, 112, 128] and now == 160 and xids == {XID}
    (failed,) = of(steps, Failed)
    assert machine.state is State.FAILED and "60 s" in failed.reason
    assert machine.tick(1e9) == [] and give(machine, 1e9) == [], "failed is the end"
    assert DISCOVER_WAITS == (4, 8, 16, 32)


def test_seconds_since_the_start_are_told() -> None:
    machine = client()
    assert [step.secs for step in of(machine.start(50.0), Send)] == [0]
    assert [step.secs for step in of(machine.tick(54.5), Send)] == [4]
    assert [step.secs for step in of(machine.tick(1e9), Send)] == [0xFFFF]


def test_what_a_discover_says() -> None:
    (step,) = of(client().start(0.0), Send)
    options = dict(step.options)
    assert len(options) == len(step.options), "no option twice"
    assert set(options) == {53, 55, 57, 60, 93, 94, 97}
    assert step.options[0][0] == 53 and 61 not in options
    assert options[60] == b"PXEClient:Arch:00000:UNDI:002001" and len(options[60]) == 32
    assert (options[57], options[93], options[94]) == (b"\x05\xc0", b"\0\0", b"\x01\x02\x01")
    assert options[97] == bytes.fromhex("00 2e1f3a8c 6d5b 7f4e 9a0b1c2d3e4f5a6b")
    assert {1, 3, 6, 54, 66, 67, 119, 121, 150, 209, 210} <= set(options[55])
    assert not step.broadcast
    assert of(client(broadcast=True).start(0.0), Send)[0].broadcast


def test_request_names_server_and_address() -> None:
    machine = client()
    machine.start(0.0)
    (step,) = of(give(machine, 0.5, **BOOTABLE), Send)
    options = dict(step.options)
    assert (options[53], options[54], options[50]) == (b"\3", ip(SERVER), ip(ADDRESS))
    assert {55, 57, 60, 93, 94, 97} <= set(options) and 61 not in options
    assert step.xid == XID and machine.state is State.REQUESTING


def test_bound_by_the_acknowledgement() -> None:
    machine = client()
    machine.start(0.0)
    give(machine, 0.1, **BOOTABLE)
    steps = give(machine, 0.2, ACK, o67=b"other.0", o51=b"\0\0\0\x3c")
    (bound,) = of(steps, Bound)
    assert (bound.lease.bootfile, bound.lease.seconds) == ("other.0", 60), "what the ACK says counts"
    assert machine.state is State.BOUND
    assert give(machine, 0.3, NAK) == [] and machine.tick(1e9) == []


def test_first_bootable_offer_is_taken_at_once() -> None:
    machine = client()
    machine.start(0.0)
    assert sent(give(machine, 0.1, server=OTHER)) == [], "one without boot information waits"
    (step,) = of(give(machine, 0.2, **BOOTABLE), Send)
    assert dict(step.options)[54] == ip(SERVER)
    assert give(machine, 0.3, server="10.77.0.5", **BOOTABLE) == []


@pytest.mark.parametrize("options", [{"o209": b"conf"}, {"o210": b"/"}])
def test_config_file_or_prefix_is_boot_information(options: dict[str, bytes]) -> None:
    machine = client()
    machine.start(0.0)
    assert sent(give(machine, 0.1, **options)) == [Type.REQUEST]


def test_offer_without_boot_information_waits_for_a_better_one() -> None:
    machine = client()
    machine.start(0.0)
    give(machine, 1.0, server=OTHER)
    give(machine, 1.5, server="10.77.0.5")
    assert machine.deadline == 1.0 + BETTER_OFFER_WAITS[0]
    assert machine.tick(2.9) == []
    assert sent(machine.tick(3.0)) == [Type.DISCOVER], "it can have got lost"
    give(machine, 3.1, server=OTHER)
    assert machine.deadline == 3.0 + BETTER_OFFER_WAITS[1]
    (step,) = of(machine.tick(7.0), Send)
    assert dict(step.options)[54] == ip(OTHER), "the first of equals"


def test_no_wait_at_all() -> None:
    machine = client(better_offer_waits=())
    machine.start(0.0)
    assert sent(give(machine, 0.1)) == [Type.REQUEST]


def test_a_script_waits_only_once_for_a_better_offer() -> None:
    machine = client(better_offer_waits=(2.0,))
    machine.start(0.0)
    give(machine, 3.5)
    assert sent(machine.tick(5.5)) == [Type.REQUEST]


def test_no_wait_where_boot_information_is_not_needed() -> None:
    machine = client(needs_boot_information=False)
    machine.start(0.0)
    assert sent(give(machine, 0.1)) == [Type.REQUEST]


def test_late_answer_to_an_earlier_discover_is_taken() -> None:
    machine = client()
    machine.start(0.0)
    machine.tick(4.0)
    machine.tick(12.0)
    assert sent(give(machine, 12.1, **BOOTABLE)) == [Type.REQUEST]


def requesting(*others: str) -> DhcpClient:
    """A client that has asked SERVER, with offers of ``others`` in hand."""
    machine = client()
    machine.start(0.0)
    for server in others:
        give(machine, 0.1, server=server)
    give(machine, 0.2, **BOOTABLE)
    assert machine.state is State.REQUESTING
    return machine


@pytest.mark.parametrize("kind", [ACK, NAK])
def test_answers_of_servers_that_were_not_chosen_are_ignored(kind: int) -> None:
    machine = requesting(OTHER)
    assert give(machine, 0.3, kind, OTHER, **BOOTABLE) == []
    assert machine.state is State.REQUESTING
    assert of(give(machine, 0.4, ACK, **BOOTABLE), Bound)


def test_request_is_repeated_then_the_next_offer_is_taken() -> None:
    machine = requesting(OTHER)
    times, now = [0.2], 0.2
    for _ in REQUEST_WAITS[1:]:
        now = machine.deadline
        steps = machine.tick(now)
        assert sent(steps) == [Type.REQUEST] and dict(of(steps, Send)[0].options)[54] == ip(SERVER)
        times.append(now)
    assert [round(b - a, 6) for a, b in zip(times, times[1:])] == list(REQUEST_WAITS[:-1])
    steps = machine.tick(machine.deadline)
    assert dict(of(steps, Send)[0].options)[54] == ip(OTHER)
    assert any(SERVER in text for text in warnings(steps))


def test_nak_takes_the_next_offer_then_starts_again() -> None:
    machine = requesting(OTHER)
    steps = give(machine, 0.3, NAK, o56=b"go away" + ESCAPES)
    assert dict(of(steps, Send)[0].options)[54] == ip(OTHER)
    (said,) = warnings(steps)
    assert "go away" in said and said.isprintable()
    steps = give(machine, 0.4, NAK, OTHER)
    assert sent(steps) == [Type.DISCOVER] and machine.state is State.SELECTING
    assert of(steps, Send)[0].xid == machine.xid != XID
    assert give(machine, 0.5, fields={"xid": XID}, **BOOTABLE) == [], "an answer to what was asked before"
    assert machine.deadline == 0.4 + DISCOVER_WAITS[0]


def test_nak_without_server_id_is_of_the_chosen_one() -> None:
    machine = requesting()
    assert sent(give(machine, 0.3, NAK, o54=None)) == [Type.DISCOVER]


def test_restarts_are_bounded() -> None:
    machine = client()
    machine.start(0.0)
    naks, now = 0, 0.0
    while machine.state is not State.FAILED:
        give(machine, now, **BOOTABLE)
        now += BETTER_OFFER_WAITS[0]
        machine.tick(now)
        steps = give(machine, now, NAK)
        naks += 1
        assert naks < 50
    assert naks == MAX_RESTARTS + 1
    assert of(steps, Failed)


def test_refused_leases_lead_to_the_next_offer_and_then_to_failure() -> None:
    machine = requesting(OTHER)
    steps = give(machine, 0.3, ACK, fields={"yiaddr": "127.0.0.1"}, **BOOTABLE)
    assert dict(of(steps, Send)[0].options)[54] == ip(OTHER) and warnings(steps)
    rounds, now, server = 0, 1.0, OTHER
    while machine.state is not State.FAILED:
        give(machine, now, ACK, server, fields={"yiaddr": "224.0.0.1"}, **BOOTABLE)
        server = SERVER
        give(machine, now, **BOOTABLE)
        now += BETTER_OFFER_WAITS[0]
        machine.tick(now)
        rounds += 1
        assert rounds < 50
    assert rounds == MAX_RESTARTS + 1


@pytest.mark.parametrize("how", ["refused", "nak", "silent"])
def test_server_that_failed_is_taken_only_where_no_other_answers(how: str) -> None:
    """It may be the quickest: without that it would be chosen again and again."""
    machine, now = requesting(), 0.3
    if how == "refused":
        give(machine, now, ACK, fields={"yiaddr": "127.0.0.1"}, **BOOTABLE)
    elif how == "nak":
        give(machine, now, NAK)
    while machine.state is State.REQUESTING:
        now = machine.deadline
        machine.tick(now)
    assert machine.state is State.SELECTING
    assert sent(give(machine, now, **BOOTABLE)) == []
    (step,) = of(give(machine, now + 1, server=OTHER, **BOOTABLE), Send)
    assert dict(step.options)[54] == ip(OTHER)
    machine = requesting()
    give(machine, 0.3, NAK)
    give(machine, 0.4, **BOOTABLE)
    (step,) = of(machine.tick(0.4 + BETTER_OFFER_WAITS[0]), Send)
    assert dict(step.options)[54] == ip(SERVER), "it is the only one"


@pytest.mark.parametrize("yiaddr", ["127.0.0.1", "255.255.255.255", SERVER])
def test_offers_that_cannot_be_taken_are_told_once(yiaddr: str) -> None:
    machine = client()
    machine.start(0.0)
    said = [text for _ in range(20) for text in warnings(give(machine, 0.1, fields={"yiaddr": yiaddr}))]
    assert len(said) == 1 and yiaddr in said[0]
    assert sent(give(machine, 0.2, **BOOTABLE)) == [Type.REQUEST]


def test_offer_without_address_is_a_proxys() -> None:
    machine = client()
    machine.start(0.0)
    assert give(machine, 0.1, fields={"yiaddr": "0.0.0.0"}, **BOOTABLE) == []


def test_bootp_reply_is_the_whole_exchange() -> None:
    machine = client()
    machine.start(0.0)
    found = decode(message(option(1, ip("255.255.255.0")), file=b"pxelinux.0"))
    (bound,) = of(machine.receive(found, 0.1), Bound)
    assert (bound.lease.bootfile, str(bound.lease.address), bound.lease.seconds) == (
        "pxelinux.0",
        ADDRESS,
        None,
    )
    assert bound.lease.next_server == SERVER and machine.state is State.BOUND


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"xid": XID ^ 0x80}, {}),
        ({"mac": b"\x52\x54\0\xab\xcd\xee"}, {}),
        ({"hlen": 0}, {}),
        ({"hlen": 16}, {}),
        ({"op": 1}, {}),
        ({}, {"o61": b"\1" + MAC}),
        ({}, {"o53": b"\1"}),
        ({}, {"o53": b"\5"}),
        ({}, {"o53": b"\6"}),
        ({}, {"o53": b"\xff"}),
    ],
)
def test_messages_that_are_not_for_us_change_nothing(
    fields: dict[str, object], options: dict[str, bytes]
) -> None:
    machine = client()
    machine.start(0.0)
    assert give(machine, 0.1, fields=fields, **{**BOOTABLE, **options}) == []
    assert machine.state is State.SELECTING and machine.deadline == 4.0
    machine = requesting()
    before = machine.deadline
    if options not in ({"o53": b"\5"}, {"o53": b"\6"}):
        assert give(machine, 0.3, ACK, fields=fields, **{**BOOTABLE, **options}) == []
        assert machine.state is State.REQUESTING and machine.deadline == before


events = st.tuples(
    st.sampled_from([OFFER, OFFER, ACK, ACK, NAK, 1, 0]),
    st.sampled_from([SERVER, OTHER, "10.77.0.5"]),
    st.sampled_from([ADDRESS, "127.0.0.1", "0.0.0.0"]),
    st.booleans(),
    st.booleans(),
    st.floats(0, 5),
)


@given(st.lists(events, max_size=60))
@settings(max_examples=150)
def test_any_course_of_events_comes_to_an_end(course: list[tuple[int, str, str, bool, bool, float]]) -> None:
    """Whatever comes: no exception, one result, and an end in bounded time once nothing comes any more."""
    machine, now = client(), 0.0
    steps = machine.start(now)
    for kind, server, yiaddr, bootable, is_pxe, pause in course:
        now += pause
        kinds = None if kind == 0 else bytes((kind,))
        options = standard(
            kind,
            server,
            o53=kinds,
            o67=b"pxelinux.0" if bootable else None,
            o60=b"PXEClient" if is_pxe else None,
        )
        steps += machine.receive(decode(message(options, yiaddr=yiaddr, xid=machine.xid)), now)
        steps += machine.tick(now)
    ticks = 0
    while machine.state not in (State.BOUND, State.FAILED):
        assert machine.deadline > now
        now = machine.deadline
        steps += machine.tick(now)
        ticks += 1
        assert ticks < 200
    assert len(of(steps, Bound)) + len(of(steps, Failed)) == 1
    assert len({step.xid for step in of(steps, Send)}) <= MAX_RESTARTS + 1


def test_lease_in_a_line_of_the_log() -> None:
    machine = requesting()
    (bound,) = of(give(machine, 0.3, ACK, o67=b"a.0", o209=ESCAPES, o210=b"pre/"), Bound)
    text = describe(bound.lease)
    assert text.isprintable()
    for piece in (f"{ADDRESS}/24", "a.0", "pre/", SERVER):
        assert piece in text


def test_broken_message_is_not_the_machines_business() -> None:
    with pytest.raises(BadMessage):
        give(client(), 0.0, o54=b"\1")
    assert IPv4Address(SERVER) == decode(message(standard())).server_id
