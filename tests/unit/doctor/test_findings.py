"""What the doctor makes of what it sees, where that takes no network: offers, rules, servers, words."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp.client import Heard
from pypxeboot.doctor import boot, offers
from pypxeboot.doctor.boot import BootProgress, TftpStatistics
from pypxeboot.doctor.findings import (
    Finding,
    Level,
    exit_code,
    fail,
    format_line,
    json_document,
    ok,
    verdict,
    warn,
)
from pypxeboot.errors import FetchError, NoLease
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.links import firewall
from pypxeboot.plan import Plan
from pypxeboot.result import Request
from tests.support.peers.dhcp import message, standard


def heard(
    seconds: float = 0.01, server: str = "10.77.0.66", *, yiaddr: str = "10.77.0.150", **changed: Any
) -> Heard:
    data = message(standard(server=server, **changed), yiaddr=yiaddr, siaddr=server)
    return Heard(dhcp.decode(data), seconds)


def told(*answers: Heard) -> list[Finding]:
    return offers.findings(answers, "br0", 12.0)


def levels(found: list[Finding]) -> str:
    return " ".join(finding.level.value for finding in found)


def test_one_server() -> None:
    assert levels(told(heard(o67=b"pxelinux.0"))) == "ok"
    assert "pings" in told(heard(1.0, o67=b"pxelinux.0"))[0].text
    assert levels(told(heard(3.0, o67=b"pxelinux.0"))) == "ok warn"
    assert levels(told(heard(o67=b"a"), heard(4.0, o67=b"a"))) == "ok", "one answer to each DISCOVER"


def test_nobody_and_nobody_of_use() -> None:
    assert levels(told()) == "fail" and "12 s" in told()[0].text
    refused = told(heard(o1=b"\x00\x00\x00\x01"))
    assert levels(refused) == "warn fail" and "netmask" in refused[0].text
    menu = b"\x09\x0a\x80\x00\x07Install\xff"
    proxy = told(heard(yiaddr="0.0.0.0", o60=b"PXEClient", o43=menu, o67=b"x.0"))
    assert "boot file x.0" in proxy[0].text and "PXE menu: Install" in proxy[0].text
    assert levels(proxy) == "ok fail" and "proxy" in proxy[1].text
    assert exit_code(proxy) == NoLease.code


def test_servers_that_do_not_agree() -> None:
    one, other = heard(o67=b"pxelinux.0"), heard(server="10.77.0.67", o67=b"evil.0")
    assert "10.77.0.66 and 10.77.0.67" in told(one, other)[-1].text
    silent = heard(server="10.77.0.67")
    assert "10.77.0.67 offers addresses, but nothing to boot" in told(one, silent)[-1].text
    assert "no offer says what to boot" in told(silent)[-1].text
    same = replace(
        one, message=replace(one.message, options={**one.message.options, 54: bytes((10, 77, 0, 67))})
    )
    assert levels(told(one, same)) == "ok ok", "a pair of servers for one site"


def test_what_is_offered_is_printable() -> None:
    found = told(heard(o67=b"\x1b[2Jevil\n", o209=b"\x07", o60=b"\xff\xfe"))
    assert all(text.isprintable() for finding in found for text in format_line(finding).splitlines())


RULESET = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "bridge", "name": "filter"}},
        {"chain": {"family": "bridge", "table": "f", "name": "fw", "hook": "forward", "policy": "drop"}},
        {"chain": {"family": "inet", "table": "f", "name": "in", "hook": "input", "policy": "drop"}},
        {"chain": {"family": "ip", "table": "f", "name": "out", "hook": "output", "policy": "drop"}},
        {"chain": {"family": "ip6", "table": "f", "name": "fw", "hook": "forward", "policy": "drop"}},
        {"chain": {"family": "ip", "table": "f", "name": "fine", "hook": "forward", "policy": "accept"}},
        {"chain": {"family": "ip", "table": "f", "name": "DOCKER"}},
    ]
}


def test_rules() -> None:
    chains = firewall.parse_nft(json.dumps(RULESET))
    assert [(chain.name, chain.hook, chain.bridged) for chain in chains] == [
        ("bridge f fw", "forward", True),
        ("inet f in", "input", False),
    ]
    assert [chain.hook for chain in firewall.parse_iptables("-P INPUT ACCEPT\n-P FORWARD DROP\n")] == [
        "forward"
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nftables": 1}', '{"nftables": [1]}', "nonsense"])
def test_rules_that_are_not_understood(text: str) -> None:
    assert firewall.parse_nft(text) == []


PLAN = Plan(Guest(mac="52:54:00:ab:cd:ef"))
TAKEN = TftpStatistics(
    "10.0.0.1", 100 << 20, tsize=True, blksize=1468, windowsize=1, seconds=50.0, retransmits=0
)


def course(*requests: Request, taken: TftpStatistics = TAKEN) -> list[Finding]:
    return boot.findings(BootProgress(PLAN, None, None, requests, [taken], None))


def large(seconds: float, scheme: str = "tftp") -> Request:
    return Request(f"{scheme}://10.0.0.1/initrd", "ok", 100 << 20, seconds)


def test_speed() -> None:
    assert "HTTP" in course(large(50.0))[-1].hint, "slow TFTP: there is a way out"
    assert levels(course(large(2.0))) == "ok ok"
    assert "links" in course(large(50.0, "http"))[-1].hint
    assert levels(course(large(2.0), taken=replace(TAKEN, blksize=512))) == "ok warn ok"
    assert levels(course(large(2.0), taken=replace(TAKEN, retransmits=5000))) == "ok warn ok"


def test_a_server_that_never_answers() -> None:
    url = "tftp://10.0.0.9/x"
    asked = Request(url, "no answer from TFTP server 10.0.0.9 (asked 7 times)", 0, 30.0)
    failures = {url: FetchError(asked.result, hint="what the boot says")}
    found = boot.findings(BootProgress(PLAN, None, None, (asked,), (), None, failures=failures))
    assert levels(found) == "fail" and found[0].hint == "what the boot says" and exit_code(found) == 6


def test_a_boot_server_that_nothing_leads_to() -> None:
    lease = Lease(IPv4Address("10.0.0.5"), 24, next_server="10.9.9.9")
    found = boot.findings(BootProgress(PLAN, lease, None, (), (), None))
    assert levels(found) == "ok warn" and "10.9.9.9" in found[1].text
    routed = replace(lease, routes=((IPv4Network("0.0.0.0/0"), IPv4Address("10.0.0.1")),))
    assert levels(boot.findings(BootProgress(PLAN, routed, None, (), (), None))) == "ok"
    assert (
        levels(
            boot.findings(BootProgress(PLAN, replace(lease, next_server="tftp.example"), None, (), (), None))
        )
        == "ok"
    )


def test_lines() -> None:
    findings = [
        ok("bridge", "up"),
        warn("STP", "slow", "do this"),
        fail("DHCP", NoLease("none", hint="look")),
    ]
    assert "".join(map(format_line, findings)) == (
        "OK    bridge     up\n"
        "WARN  STP        slow\n"
        "                 -> do this\n"
        "FAIL  DHCP       none\n"
        "                 -> look\n"
    )
    assert verdict(findings) == "it fails at DHCP: none"
    assert verdict(findings[:2]) == "it boots, with 1 warning" and verdict(findings[:1]) == "all is well"
    parsed = json.loads(json_document(findings))
    assert (parsed["schema"], parsed["code"], len(parsed["findings"])) == (1, 3, 3)
    assert parsed["findings"][2]["mend"] == "look"


def test_long_lines_are_folded_for_a_terminal() -> None:
    folded = format_line(warn("DHCP", "word " * 40, "mend " * 40), 80).splitlines()
    assert len(folded) > 4 and all(len(text) <= 80 for text in folded)
    assert all(text.startswith(" " * 17) for text in folded[1:])
    assert Level.WARN.value.upper() == folded[0].split()[0]
