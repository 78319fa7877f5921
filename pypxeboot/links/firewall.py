"""Read from nft and iptables which chains of the host's firewall drop what a bridge forwards.

Frames between ports of a bridge pass the bridge family's forward chains, and with br_netfilter
(bridge-nf-call-iptables) those of IPv4 as well, whose policy Docker and many firewalls set to drop.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pypxeboot.dataclass import dataclass


@dataclass(frozen=True)
class Chain:
    """A base chain that drops what none of its rules accepts; ``hook`` is forward or input."""

    name: str
    hook: str
    bridged: bool  # it is of the bridge family: frames pass it in any case


def parse_nft(text: str) -> list[Chain]:
    """Return the dropping chains of what ``nft -j list ruleset`` prints; none if it is not understood."""
    try:
        items: Any = json.loads(text)["nftables"]
        chains = [item["chain"] for item in items if "chain" in item]
    except (ValueError, KeyError, TypeError):
        return []
    return [
        Chain("{family} {table} {name}".format(**chain), chain["hook"], chain["family"] == "bridge")
        for chain in chains
        if chain.get("policy") == "drop"
        and chain.get("hook") in ("forward", "input")
        and chain["family"] in ("bridge", "inet", "ip")
    ]


def parse_iptables(text: str) -> list[Chain]:
    """Return the dropping chains of what ``iptables -S`` prints."""
    found = re.findall(r"^-P (FORWARD|INPUT) (?:DROP|REJECT)$", text, re.MULTILINE)
    return [Chain(f"ip filter {name}", name.lower(), bridged=False) for name in found]
