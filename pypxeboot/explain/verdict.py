"""Says in one line what became of the boot of a client in a capture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pypxeboot.explain.conversation import ArpRequest, Conversation, in_url
from pypxeboot.explain.dhcp import DhcpExchange
from pypxeboot.explain.dhcp6 import Dhcp6Exchange
from pypxeboot.explain.http_dns import DnsQuery, HttpConnection
from pypxeboot.explain.tftp import TftpTransfer


def client_verdict(own: Sequence[Conversation], end: float) -> tuple[str, bool]:
    """Return what became of the client whose conversations these are, and whether all was well."""
    exchanges = [one for one in own if isinstance(one, (DhcpExchange, Dhcp6Exchange))]
    files = sorted(_files(own))
    last_good = max((when for when, _name, came in files if came), default=-1.0)
    unresolved = _failures(own, end)
    troubles = [(one.lines(end)[0][0], one.trouble(end)) for one in (*_decisive(exchanges, end), *unresolved)]
    ending = [text for when, text in sorted(troubles) if when >= last_good]
    if ending:
        return ending[0], False
    if not files:
        return _without_files(exchanges)
    _when, name, came = files[-1]
    count = sum(came for _when, _name, came in files)
    if not came:
        return f"the last file that it asked for is not there: {name}", False
    text = f"{count} file{'' if count == 1 else 's'} came, the last is {name}"
    if unresolved:
        return f"{text}; but {unresolved[0].trouble(end)}", False
    return f"all went well: {text}", True


def _without_files(exchanges: Sequence[Conversation]) -> tuple[str, bool]:
    leased = [one for one in exchanges if isinstance(one, (DhcpExchange, Dhcp6Exchange)) and one.address]
    if not leased:
        return "nothing that a boot would do", True
    if any(one.bootfile for one in leased):
        return "it has an address and a boot file, but asks for nothing", False
    return "it has an address, but DHCP names nothing to boot", False


def _decisive(exchanges: Sequence[Conversation], end: float) -> list[Conversation]:
    """Return the DHCP exchanges that count, if they had trouble.

    That is the last one with a lease, else the last of each family: what failed before was tried again.
    """
    known = [one for one in exchanges if isinstance(one, (DhcpExchange, Dhcp6Exchange))]
    leased = [one for one in known if one.address] or [one for one in known if one.is_denied]
    last = {type(one): one for one in known}
    return [one for one in leased[-1:] or last.values() if one.trouble(end)]


def _failures(own: Sequence[Conversation], end: float) -> list[Conversation]:
    """Return what went wrong with files and names, and did not go well when it was tried once more."""
    tried = [one for one in own if not isinstance(one, (DhcpExchange, Dhcp6Exchange))]
    went_well = {_subject(one) for one in tried if not one.trouble(end)}
    return [one for one in tried if one.trouble(end) and _subject(one) not in went_well]


def _subject(one: Conversation) -> tuple[str, ...]:
    """Return what a conversation is about: the same if it is tried again.

    A host name counts without its domain, since resolvers try one search domain after the other.
    """
    if isinstance(one, TftpTransfer):
        return "file", one.server, one.name
    if isinstance(one, HttpConnection):
        return "web", one.where
    if isinstance(one, DnsQuery):
        return "name", one.what.partition(" ")[2].partition(".")[0].lower()
    return "address", one.address if isinstance(one, ArpRequest) else one.client


def _files(own: Sequence[Conversation]) -> Iterator[tuple[float, str, bool]]:
    """Yield each file that was answered for: when it was asked for, its URL, whether it came."""
    for one in own:
        if isinstance(one, TftpTransfer) and (one.complete or one.not_found):
            yield one.asked.first, f"tftp://{in_url(one.server)}/{one.name}", one.complete
        elif isinstance(one, HttpConnection):
            yield from one.files


def total_verdict(verdicts: Sequence[tuple[str, str, bool]]) -> str:
    """Return the last line, about all clients.

    ``verdicts`` are client, text, and whether all was well, as of :func:`client_verdict`.
    """
    if not verdicts:
        return "no boot in this capture: no DHCP, TFTP, HTTP or DNS of a client"
    if len(verdicts) == 1:
        return verdicts[0][1]
    failed = [(client, text) for client, text, well in verdicts if not well]
    if not failed:
        return f"all went well for {len(verdicts)} clients"
    client, text = failed[0]
    return f"{len(failed)} of {len(verdicts)} clients did not get through; {client}: {text}"
