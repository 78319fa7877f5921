"""Merge what holds for a guest: command line, configuration files, what the toolstack tells, defaults.

In this order, that is; but what the toolstack tells (the domain's MAC, bridge, UUID) counts more than a
section that is not of this guest alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Optional

from pypxeboot.config import files, options, sections
from pypxeboot.config.sections import Section, Setting
from pypxeboot.config.settings import BootSettings, Toolstack, rivals
from pypxeboot.dataclass import replace
from pypxeboot.errors import UsageError
from pypxeboot.guest import is_routed
from pypxeboot.text import printable

_WORDS = {True: ("yes", "on", "true", "1"), False: ("no", "off", "false", "0")}
_YES_OR_NO = {word: value for value, words in _WORDS.items() for word in words}
_DEFAULTS = BootSettings()


def merge(settings: BootSettings, toolstack: Toolstack) -> BootSettings:
    """Return ``settings``, as the command line gave them, with all else that holds for the guest.

    The guest is known by UUID, MAC and name. Raises UsageError with file and line, and what the toolstack
    raises.
    """
    settings = settings.with_toolstack(settings, toolstack.identify(settings))
    database = _Database(settings.config_file)
    if settings.show_config:
        database.check()
    own = database.merge(settings, only_own=True)
    settings = database.merge(settings.with_toolstack(own, toolstack.locate(own)))
    if (
        settings.link == "auto"
        and is_routed(settings.vif)
        and not (settings.bridge or settings.vif.get("bridge"))
    ):
        settings = replace(settings, link="routed")  # from the interface that was named, if one was
    return settings


def format_settings(settings: BootSettings) -> str:
    """Return a line for each option that has a value: key, value, and where it comes from."""
    rows: list[tuple[str, str, str]] = []
    for key, action in options.keys(options.parser()).items():
        value = getattr(settings, action.dest)
        origin = settings.origins.get(action.dest, "default")
        if value in (None, "", ()):
            value = settings.vif.get(key)
            origin = settings.origins.get(action.dest, "toolstack")
        if action.const is not None:  # a switch; two of them may be of one value
            value = value == action.const
        if value is not None and value is not False:
            rows.append((key, _text(value), origin))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "".join(f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}\n" for key, value, origin in rows)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return printable(shlex.join(map(str, value)))
    return "yes" if value is True else printable(f"{value:g}" if isinstance(value, float) else str(value))


class _Database:
    """The files, read; ``given`` as for :func:`files.read`."""

    def __init__(self, given: Optional[str]) -> None:
        self._sections: list[Section] = []
        self._values: dict[tuple[str, Setting], Any] = {}  # those that were looked at
        found = files.read(given)
        if found:
            self._parser = options.parser()
            self._keys = options.keys(self._parser)
        for path, text in found:
            self._sections += sections.parse(path, text, self._keys)

    def check(self) -> None:
        """Look at all values of all guests. Raises UsageError."""
        for section in self._sections:
            for key, setting in section.settings.items():
                self._value(key, setting)

    def merge(self, settings: BootSettings, *, only_own: bool = False) -> BootSettings:
        """Return ``settings`` with what holds for their guest; ``only_own``: what is for this guest alone."""
        merged = settings
        for _ in range(3 if self._sections else 0):  # a name may tell the UUID, and its section the MAC
            guest = merged.identity()
            found = sections.matching(self._sections, *guest)
            merged = self._apply(settings, [s for s in found if s.of_one_guest or not only_own])
            if merged.identity() == guest:
                break
        return merged

    def _apply(self, settings: BootSettings, found: Sequence[Section]) -> BootSettings:
        given, told = settings.given, settings.fields_of_toolstack()
        if is_routed(settings.vif):
            told.add("bridge")  # it has none
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        closed = {*given, *rivals(given)}
        for section in found:
            own: set[str] = set()
            for key, setting in section.settings.items():
                name = self._keys[key].dest
                if name not in closed and (section.of_one_guest or name not in told):
                    own.add(name)
                    values[name], origins[name] = self._value(key, setting), setting.origin
            closed |= own | rivals(own)
        return settings.changed(origins, values)

    def _value(self, key: str, setting: Setting) -> Any:
        """Return the value, as the command line would have it. Raises UsageError."""
        if (key, setting) not in self._values:
            self._values[key, setting] = self._convert(key, setting)
        return self._values[key, setting]

    def _convert(self, key: str, setting: Setting) -> Any:
        action = self._keys[key]
        default = getattr(_DEFAULTS, action.dest)
        if action.const is not None:  # a switch
            if setting.text.lower() not in _YES_OR_NO:
                raise UsageError(f"{setting.origin}: {key} is yes or no, not {setting.text!r}")
            return action.const if _YES_OR_NO[setting.text.lower()] else default
        try:
            words = [setting.text]
            if isinstance(default, tuple):  # may be repeated
                words = shlex.split(setting.text)
            elif "\n" in setting.text:
                raise ValueError("a line that is indented belongs to the value above it")
            parsed = options.settings_of(self._parser.parse_args([f"--{key}={word}" for word in words]))
        except (UsageError, ValueError) as why:
            said = why.message if isinstance(why, UsageError) else str(why)
            said = said.removeprefix(f"argument --{key}: ")
            raise UsageError(
                f"{setting.origin}: {key}: {said}", hint="man pypxeboot.conf lists the keys"
            ) from None
        return getattr(parsed, action.dest)
