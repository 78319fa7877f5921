"""The guest database: the sections of /etc/pypxeboot.conf, and which of them hold for a guest.

    [defaults]                               every guest
    [00:16:3e:*]                             guests whose MAC begins so
    [web1]                                   the guest of that name
    [00:16:3e:01:02:03]                      the guest with that MAC
    [8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b]   the guest with that UUID

The lower in this list, the more a section counts, and the longer prefix more than the shorter. Keys are the
long options of the command line. Source of the syntax: Python's configparser, without interpolation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError
from pypxeboot.guest import parse_mac, parse_uuid

DEFAULTS, PREFIX, NAME, MAC, UUID = range(5)  # kinds of sections, by how much they count
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PREFIX = re.compile(r"(([0-9a-fA-F]{1,2}[:-]){1,5})\*")
# What was meant to be a MAC must not silently become a name that no guest has.
_LIKE_A_MAC = re.compile(
    r"([0-9a-fA-F]{0,2}:){2,}.*|([0-9a-fA-F]{1,2}-){5}[0-9a-fA-F]{1,2}|([0-9a-fA-F]{4}\.?){3}|.*\*.*"
)
_ONE_GUEST = {"mac", "uuid", "ip"}  # no two guests may have the same
_ALL_GUESTS = {"max-boots"}  # it is the host's


@dataclass(frozen=True)
class Setting:
    """The text of a value, and where it stands: ``/etc/pypxeboot.conf:12``."""

    text: str
    origin: str


@dataclass(frozen=True)
class Section:
    """One section: its ``kind``, whom it is ``of`` (a MAC, the first octets of one, ...), its settings."""

    kind: int
    of: str
    settings: Mapping[str, Setting]

    @property
    def of_one_guest(self) -> bool:
        """Whether somebody wrote it for this very guest."""
        return self.kind >= NAME

    def holds(self, mac: Optional[str], uuid: Optional[str], name: Optional[str]) -> bool:
        """Whether it is of the guest with these."""
        if self.kind == PREFIX:
            return mac is not None and mac.startswith(self.of)
        return self.kind == DEFAULTS or self.of == {NAME: name, MAC: mac, UUID: uuid}[self.kind]


def matching(
    sections: Sequence[Section],
    mac: Optional[str],
    uuid: Optional[str],
    name: Optional[str],
    former_name: Optional[str] = None,
) -> list[Section]:
    """Return the sections of a guest, the one that counts most first; of two alike, the later one.

    That of its ``former_name`` holds while there is none of its name.
    """
    if former_name is not None and not any(s.kind == NAME and s.of == name for s in sections):
        name = former_name
    found = [section for section in reversed(sections) if section.holds(mac, uuid, name)]
    return sorted(found, key=lambda section: (section.kind, len(section.of)), reverse=True)


def parse(path: str, text: str, keys: Collection[str]) -> list[Section]:
    """Return the sections of a file, which may have ``keys``. Raises UsageError with file and line."""
    import configparser  # three milliseconds that a site without a file does not pay

    lines = _Lines(text)
    reader = configparser.RawConfigParser(
        default_section="",  # which no header can name: [defaults] is one like the others
        delimiters=("=",),
        empty_lines_in_values=False,
    )
    reader.optionxform = lines.key  # type: ignore[method-assign, assignment]
    try:
        reader.read_file(lines, path)
    except configparser.MissingSectionHeaderError as why:
        raise UsageError(f"{path}:{why.lineno}: a line before the first [section]") from None
    except configparser.DuplicateSectionError as why:
        raise UsageError(f"{path}:{why.lineno}: a second section [{why.section}]") from None
    except configparser.DuplicateOptionError as why:
        raise UsageError(f"{path}:{why.lineno}: {why.option} stands twice in [{why.section}]") from None
    except configparser.ParsingError as why:
        number = why.errors[0][0] if why.errors else lines.number
        raise UsageError(f"{path}:{number}: neither KEY = VALUE nor [SECTION]") from None
    origins = iter(tuple(lines.of_keys))  # configparser keeps the order, and keys call lines.key below, too
    sections: list[Section] = []
    seen: set[tuple[int, str]] = set()
    for header in reader.sections():
        where = f"{path}:{lines.of_headers[header]}"
        kind, of = _parse_header(header, where)
        if (kind, of) in seen:
            raise UsageError(f"{where}: a second section of {of or header}")
        seen.add((kind, of))
        settings = {
            key: Setting(value, f"{path}:{next(origins)}") for key, value in reader.items(header, raw=True)
        }
        for key, setting in settings.items():
            _check(key, setting, kind, keys)
        sections.append(Section(kind, of, settings))
    return sections


class _Lines(Iterable[str]):
    """The lines of a text for configparser, which keeps no numbers: those of its keys are noted here."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self.number = 0
        self.of_keys: list[int] = []
        self.of_headers: dict[str, int] = {}
        for number, line in enumerate(self._lines, 1):
            text = line.strip()
            if text.startswith("["):
                for end in (text.find("]"), text.rfind("]")):  # of which Python 3.13 takes the second
                    self.of_headers.setdefault(text[1:end], number)

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, 1):
            self.number = number
            yield line

    def key(self, text: str) -> str:
        """Return a key as it is looked up; configparser asks for it while it is at that line."""
        self.of_keys.append(self.number)
        return text.strip().lower()


def _parse_header(header: str, where: str) -> tuple[int, str]:
    """Return the kind of a section, and whom it is of. Raises UsageError."""
    text = header.strip()
    if text == "defaults":
        return DEFAULTS, ""
    if text.lower() in ("default", "defaults"):  # else it would be of a guest of that name
        raise UsageError(f"{where}: [{text}] is written [defaults]")
    if _UUID.fullmatch(text):
        return UUID, parse_uuid(text)
    prefix = _PREFIX.fullmatch(text)
    if prefix is not None:
        octets = re.findall("[0-9a-fA-F]+", prefix[1])
        return PREFIX, "".join(f"{octet.zfill(2).lower()}:" for octet in octets)
    if _LIKE_A_MAC.fullmatch(text):
        try:
            return MAC, parse_mac(text)
        except UsageError:
            raise UsageError(
                f"{where}: [{text}] is neither a MAC address nor the beginning of one",
                hint="write [00:16:3e:01:02:03], or [00:16:3e:*]",
            ) from None
    return NAME, text


def _check(key: str, setting: Setting, kind: int, keys: Collection[str]) -> None:
    if key not in keys:
        raise UsageError(
            f"{setting.origin}: there is no key {key!r}",
            hint="keys are the long options without --; pypxeboot.conf(5) lists them",
        )
    if key in _ALL_GUESTS and kind != DEFAULTS:
        raise UsageError(f"{setting.origin}: {key} is for [defaults]: it is one for the whole host")
    if key in _ONE_GUEST and (kind < NAME or (key, kind) in (("mac", MAC), ("uuid", UUID))):
        raise UsageError(
            f"{setting.origin}: {key} is for the section of one guest",
            hint="a section is headed by the guest's name, MAC address or UUID",
        )
