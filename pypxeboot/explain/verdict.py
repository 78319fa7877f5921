"""What became of a client in a capture, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pypxeboot.explain.conversation import ArpQuestion, Conversation, in_url
from pypxeboot.explain.dhcp import Exchange
from pypxeboot.explain.dhcp6 import Exchange6
from pypxeboot.explain.http_dns import Connection, Question
from pypxeboot.explain.tftp import Transfer


def verdict(own: Sequence[Conversation], end: float) -> tuple[str, bool]:
    """What became of the client whose conversations these are, and whether all was well."""
    exchanges = [one for one in own if isinstance(one, (Exchange, Exchange6))]
    files = sorted(_files(own))
    last_good = max((when for when, _name, came in files if came), default=-1.0)
    unmended = _unmended(own, end)
    troubles = [(one.lines(end)[0][0], one.trouble(end)) for one in (*_telling(exchanges, end), *unmended)]
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
    if unmended:
        return f"{text}; but {unmended[0].trouble(end)}", False
    return f"all went well: {text}", True


def _without_files(exchanges: Sequence[Conversation]) -> tuple[str, bool]:
    leased = [one for one in exchanges if isinstance(one, (Exchange, Exchange6)) and one.address]
    if not leased:
        return "nothing that a boot would do", True
    if any(one.bootfile for one in leased):
        return "it has an address and a boot file, but asks for nothing", False
    return "it has an address, but DHCP names nothing to boot", False


def _telling(exchanges: Sequence[Conversation], end: float) -> list[Conversation]:
    """The DHCP exchanges that count: one of each family, since what came before the last was tried again."""
    known = [one for one in exchanges if isinstance(one, (Exchange, Exchange6))]
    leased = [one for one in known if one.address] or [one for one in known if one.denied]
    last = {type(one): one for one in known}
    return [one for one in leased[-1:] or last.values() if one.trouble(end)]


def _unmended(own: Sequence[Conversation], end: float) -> list[Conversation]:
    """What went wrong with files and names, and did not go well when it was tried once more."""
    tried = [one for one in own if not isinstance(one, (Exchange, Exchange6))]
    went_well = {_subject(one) for one in tried if not one.trouble(end)}
    return [one for one in tried if one.trouble(end) and _subject(one) not in went_well]


def _subject(one: Conversation) -> tuple[str, ...]:
    """What a conversation is about. A name may be asked for with one domain behind it, then another."""
    if isinstance(one, Transfer):
        return "file", one.server, one.name
    if isinstance(one, Connection):
        return "web", one.where
    if isinstance(one, Question):
        return "name", one.what.partition(" ")[2].partition(".")[0].lower()
    return "address", one.address if isinstance(one, ArpQuestion) else one.client


def _files(own: Sequence[Conversation]) -> Iterator[tuple[float, str, bool]]:
    """Each file that was answered for: when it was asked for, its name, whether it came."""
    for one in own:
        if isinstance(one, Transfer) and (one.complete or one.absent):
            yield one.asked.first, f"tftp://{in_url(one.server)}/{one.name}", one.complete
        elif isinstance(one, Connection):
            yield from one.files


def of_all(verdicts: Sequence[tuple[str, str, bool]]) -> str:
    """The last line: ``verdicts`` are client, words, and whether all was well."""
    if not verdicts:
        return "no boot in this capture: no DHCP, TFTP, HTTP or DNS of a client"
    if len(verdicts) == 1:
        return verdicts[0][1]
    failed = [(client, text) for client, text, well in verdicts if not well]
    if not failed:
        return f"all went well for {len(verdicts)} clients"
    client, text = failed[0]
    return f"{len(failed)} of {len(verdicts)} clients did not get through; {client}: {text}"
