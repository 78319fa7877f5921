"""What nobody on the network says, typed by the person at the terminal. None of it is remembered."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, ip_address, ip_interface
from typing import Optional, TypeVar

from pypxeboot import bootsource
from pypxeboot.dataclass import replace
from pypxeboot.effects import FindTerminal, Print, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.lease import Address, Lease, is_host, static_lease
from pypxeboot.picture import Terminal
from pypxeboot.plan import Plan
from pypxeboot.terminal import dialogs
from pypxeboot.terminal.input import User
from pypxeboot.text import printable
from pypxeboot.url import parse

T = TypeVar("T")

_TRIES = 10  # of one answer; who sits there has stopped reading what is wrong with it


class _GivenUp(Exception):
    """Whoever sits there does not want to."""


def lease(why: str) -> Steps[Optional[Lease]]:
    """Get the address and what belongs to it; None where nobody is there, or gives none. ``why`` is shown."""
    terminal: Optional[Terminal] = yield FindTerminal()
    if terminal is None:
        return None
    user = User(terminal)
    yield Print(f"{printable(why, 1000)}\nThe guest's address by hand (Esc gives up):\n")
    try:
        address, prefix = yield from _ask(user, "address, as 192.0.2.5/24: ", _interface)
        if address is None:
            return None
        if not prefix:
            prefix = yield from _ask(user, "netmask, as 255.255.255.0: ", _prefix_length)

        def of_the_family(text: str) -> Optional[Address]:
            found = _address(text)
            if found is not None and found.version != address.version:
                raise ValueError(f"it is not of IPv{address.version}")
            return found

        gateway = yield from _ask(user, "gateway (none): ", of_the_family)
        server = yield from _ask(user, "name server (none): ", _address)
    except _GivenUp:
        return None
    return static_lease(address, prefix, gateway, () if server is None else (server,))


def boot_file(why: str, plan: Plan) -> Steps[Optional[Plan]]:
    """``plan`` with a URL to boot from; None where nobody is there, or gives none. ``why`` is shown."""
    terminal: Optional[Terminal] = yield FindTerminal()
    if terminal is None:
        return None
    yield Print(f"{printable(why, 1000)}\nWhat to boot by hand (Esc gives up):\n")
    prompt = "URL of a kernel, script or configuration: "
    try:
        url = yield from _ask(User(terminal), prompt, _url)
    except _GivenUp:
        return None
    return None if url is None else plan_with_url(plan, url)


def plan_with_url(plan: Plan, url: str) -> Plan:
    """Return ``plan`` with ``url`` to boot from.

    Of a configuration by its name, server and path prefix are those of the URL, too.
    """
    if not url.endswith(".cfg") and f"/{bootsource.CONFIG_DIRECTORY}/" not in url:
        return replace(plan, bootfile=url)
    server, prefix = bootsource.server_and_prefix(url)
    return replace(plan, config=url, server=plan.server or server, path_prefix=plan.path_prefix or prefix)


def _ask(user: User, prompt: str, meaning: Callable[[str], T]) -> Steps[T]:
    """Ask until an answer means something; return that."""
    text = ""
    for _ in range(_TRIES):
        answer = yield from dialogs.ask(user, prompt, text)
        if not isinstance(answer, str):
            break
        text = answer.strip()
        try:
            return meaning(text)
        except ConfigError as error:
            yield Print(f"{error.message}\n")
        except ValueError as error:
            yield Print(f"{printable(str(error))}\n")
    raise _GivenUp


def _interface(text: str) -> tuple[Optional[Address], int]:
    """Address and prefix length; 0 for one that is yet to be said."""
    if not text:
        return None, 0
    found = ip_interface(text)
    if not is_host(found.ip):
        raise ValueError(f"{found.ip} cannot be the address of a guest")
    if "/" in text and not found.network.prefixlen:
        raise ValueError(f"{text} has a prefix of no bits")
    if "/" not in text and found.version == 6:
        return found.ip, 64  # what every network with IPv6 has, but for odd ones (RFC 7421)
    return found.ip, found.network.prefixlen if "/" in text else 0


def _prefix_length(text: str) -> int:
    length = IPv4Network((0, text)).prefixlen
    if not length:
        raise ValueError(f"{text} is not a netmask")
    return length


def _address(text: str) -> Optional[Address]:
    if not text:
        return None
    found = ip_address(text)
    if not is_host(found):
        raise ValueError(f"{found} cannot be the address of a host")
    return found


def _url(text: str) -> Optional[str]:
    if text:
        if "://" not in text:
            raise ValueError("that is not a URL: tftp://server/name, http://server/name")
        parse(text)
    return text or None
