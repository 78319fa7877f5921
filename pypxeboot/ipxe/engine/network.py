"""The network as a script has it: the lease, and what the script has changed of its address."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import Log, SetAddress, Steps
from pypxeboot.ipxe.engine import initial_settings
from pypxeboot.ipxe.engine.settings import Settings, parse_name
from pypxeboot.lease import Lease, default_route
from pypxeboot.text import printable

_CARD = re.compile(r"net0(-([0-9]{1,4}))?")


def vlan_tag(card: str) -> int:
    """Return the VLAN tag of a card, 0 for the untagged one."""
    match = _CARD.fullmatch(card)
    return int(match[2]) if match and match[2] else 0


@dataclass
class NetworkState:
    """The lease that the guest's card has now; ``offered`` is how DHCP gave it.

    ``settings`` has what the script has set beside it, and which card is meant by ``netX``.
    """

    settings: Settings
    lease: Lease
    offered: Lease

    @property
    def is_leased(self) -> bool:
        """Whether the address is still that of DHCP."""
        name = "ip" if self.lease.address.version == 4 else "ip6"
        return str(self.lease.address) == self.settings.show(f"net0.dhcp/{name}")

    def find_card(self, name: str) -> Optional[str]:
        """Return the card that ``name`` means, None if it is not there."""
        card = self.settings.card if name == "netX" else name
        return card if _CARD.fullmatch(card) and card in self.settings.root.children else None

    def renew(self, card: str, lease: Lease) -> None:
        """Put another lease of ``card`` in the place of the one before."""
        self.lease = self.offered = lease
        initial_settings.relet(self.settings, card, lease)

    def settle(self) -> Steps[None]:
        """Give the guest the address that the settings say, if it is not the one it has.

        iPXE does so with every setting that changes (net/ipv4.c, ipv4_create_routes()); here it is done
        before the network is used.
        """
        wanted = self._requested_lease()
        if wanted is None or wanted == self.lease:
            return
        why: str = yield SetAddress(wanted, vlan_tag(self.settings.card))
        self.lease = wanted
        if why:
            yield Log(f"the address that the script sets cannot be used: {printable(why)}", warning=True)

    def _requested_lease(self) -> Optional[Lease]:
        """Return the lease with what the script has changed of it, None if it has set what is no address."""
        lease, card = self.offered, self.settings.card
        given = self._script_addresses(f"{card}/ip")
        if lease.address.version == 6 and not given:
            return lease
        address = given or (lease.address,)
        mask = self._script_addresses(f"{card}/netmask") or (lease.netmask or "255.255.255.0",)
        routers = self._script_addresses(f"{card}/gateway")
        servers = self._script_addresses("dns")
        try:
            prefix = IPv4Network(f"0.0.0.0/{mask[0]}").prefixlen
        except ValueError:
            return None
        changed = replace(lease, address=address[0], prefix_length=prefix, dns=servers or lease.dns)
        if routers and routers != lease.routers:
            changed = replace(changed, routers=routers, routes=default_route(routers[0]))
        return changed

    def _script_addresses(self, text: str) -> tuple[IPv4Address, ...]:
        """Return the addresses of a setting that the script has set: what DHCP gave is in the lease."""
        value, block = self.settings.find(parse_name(text))
        if value is None or block.endswith(".dhcp") or len(value.raw) % 4:
            return ()
        return tuple(IPv4Address(value.raw[at : at + 4]) for at in range(0, len(value.raw), 4))
