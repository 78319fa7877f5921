"""Do once, without a network, what every boot does: for processes that are forked afterwards.

Regular expressions are compiled and types worked out when they are first used. Whoever forks many boots has
that done before.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from pypxeboot.bootsource import BootRequest, kind_of_name
from pypxeboot.client import loaders
from pypxeboot.dhcp import boot_info
from pypxeboot.effects import Fetch, Fetched, Load, Loaded
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease

_CONFIGURATION = b"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND initrd=initrd quiet\n"
_ADDRESS = IPv4Address("192.0.2.2")  # RFC 5737


def rehearse() -> None:
    """Have PXELINUX boot a kernel."""
    kind_of_name("")  # which every rule is tried for
    lease = Lease(address=_ADDRESS, prefix_length=24, next_server="192.0.2.1", bootfile="pxelinux.0")
    request = BootRequest(boot_info.boot_source(lease), Guest(mac="52:54:00:00:00:01"), lease)
    loader = loaders.load("pxelinux").boot(request)
    reply: object = None
    try:
        while True:
            effect = loader.send(reply)
            reply = None
            if isinstance(effect, Fetch):
                found = effect.location.path.endswith("/default")
                reply = Fetched(_CONFIGURATION) if found else Fetched(None, "not-found")
            elif isinstance(effect, Load):
                reply = Loaded(True)
    except StopIteration:
        pass
