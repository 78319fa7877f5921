"""What holds for a guest: the command line, its sections of the configuration files, what the toolstack
tells of it, and defaults.

In this order, that is; but what the toolstack tells (the domain's MAC, bridge, UUID) counts more than a
section that is not of this guest alone.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional

from pypxeboot.config import files as conffiles
from pypxeboot.config import options, sections
from pypxeboot.config.sections import Section, Setting
from pypxeboot.errors import UsageError
from pypxeboot.guest import is_routed, parse_mac, parse_uuid
from pypxeboot.text import printable

_WORDS = {True: ("yes", "on", "true", "1"), False: ("no", "off", "false", "0")}
_YES_OR_NO = {word: value for value, words in _WORDS.items() for word in words}
# Of each pair one excludes the other: who gives one speaks for both.
_RIVALS = {"bridge": "interface", "interface": "bridge", "interactive": "quiet", "quiet": "interactive"}


def complete(
    args: argparse.Namespace, toolstack: Optional[Callable[[argparse.Namespace], None]] = None
) -> None:
    """Put into ``args`` what the configuration files say of the guest; ``args.origins`` tells the places.

    The guest is known by ``args.uuid``, ``args.mac`` (or that in ``args.vif``) and ``args.name``. What is
    in ``args``, not in ``args.given``, and no default, is of the toolstack. ``toolstack`` adds more of that,
    when a section has had its chance to make it needless. Raises UsageError with file and line.
    """
    database = _Database(args.config_file)
    if args.show_config:
        database.check()
    if toolstack is not None:
        database.settle(args, only_own=True)
        toolstack(args)
    database.settle(args)
    if args.link == "auto" and is_routed(args.vif) and not (args.bridge or args.vif.get("bridge")):
        args.link = "routed"  # from the interface that was named, if one was


def shown(args: argparse.Namespace) -> str:
    """A line for each option that has a value: key, value, and where it comes from."""
    top = options.parser()
    defaults = options.defaults_of(top)
    rows: list[tuple[str, str, str]] = []
    for key, action in options.keys(top).items():
        value = getattr(args, action.dest)
        origin = args.origins.get(action.dest)
        if value is None or value in ("", []):
            value = args.vif.get(key)
        if origin is None and action.dest in args.given:
            origin = "command line"
        elif origin is None:
            origin = "default" if value == defaults[action.dest] else "toolstack"
        if action.const is not None:  # a switch; two of them may be of one value
            value = value == action.const
        if value is not None and value is not False:
            rows.append((key, _text(value), origin))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "".join(f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}\n" for key, value, origin in rows)


def _text(value: object) -> str:
    if isinstance(value, list):
        return printable(shlex.join(map(str, value)))
    return "yes" if value is True else printable(f"{value:g}" if isinstance(value, float) else str(value))


class _Database:
    """The files, read."""

    def __init__(self, given: Optional[str]) -> None:
        self._sections: list[Section] = []
        self._before: dict[str, Any] = {}  # what the values from files stand in place of
        files = conffiles.read(given)
        if files:
            self._parser = options.parser()
            self._keys = options.keys(self._parser)
            self._defaults = options.defaults_of(self._parser)
        for path, text in files:
            self._sections += sections.parse(path, text, self._keys)

    def check(self) -> None:
        """Look at all values of all guests. Raises UsageError."""
        for section in self._sections:
            for key, setting in section.settings.items():
                self._converted(key, setting)

    def settle(self, args: argparse.Namespace, *, only_own: bool = False) -> None:
        """Apply what holds; ``only_own``: of what is for this guest alone."""
        if not self._sections:
            return
        for _ in range(3):  # the section by name may tell the UUID, and the section of that the MAC
            guest = _identity(args)
            found = sections.matching(self._sections, *guest)
            self._apply(args, [section for section in found if section.of_one_guest or not only_own])
            if _identity(args) == guest:
                return

    def _apply(self, args: argparse.Namespace, found: Sequence[Section]) -> None:
        for name in args.origins:
            setattr(args, name, self._before[name])
        args.origins.clear()
        told = self._told(args)
        closed: set[str] = set(args.given) | _rivals(args.given)
        for section in found:
            own: set[str] = set()
            for key, setting in section.settings.items():
                name = self._keys[key].dest
                if name not in closed and (section.of_one_guest or name not in told):
                    own.add(name)
                    if name not in args.origins:  # of two switches that exclude each other
                        self._before[name] = getattr(args, name)
                    setattr(args, name, self._converted(key, setting))
                    args.origins[name] = setting.origin
            closed |= own | _rivals(own)

    def _told(self, args: argparse.Namespace) -> set[str]:
        """The names of what the toolstack says."""
        told = {name for name, value in self._defaults.items() if getattr(args, name) != value}
        told |= {name for name in ("mac", "bridge", "vlan") if args.vif.get(name)}
        told |= _rivals(told)
        return {*told, "bridge"} if is_routed(args.vif) else told  # it has none

    def _converted(self, key: str, setting: Setting) -> Any:
        """The value, as the command line would have it. Raises UsageError."""
        action = self._keys[key]
        if action.const is not None:  # a switch
            if setting.text.lower() not in _YES_OR_NO:
                raise UsageError(f"{setting.origin}: {key} is yes or no, not {setting.text!r}")
            return action.const if _YES_OR_NO[setting.text.lower()] else action.default
        try:
            words = [setting.text]
            if isinstance(action.default, list):  # may be repeated
                words = shlex.split(setting.text)
            elif "\n" in setting.text:
                raise ValueError("a line that is indented belongs to the value above it")
            parsed = self._parser.parse_args([f"--{key}={word}" for word in words])
        except (UsageError, ValueError) as why:
            said = why.message if isinstance(why, UsageError) else str(why)
            said = said.removeprefix(f"argument --{key}: ")
            raise UsageError(f"{setting.origin}: {key}: {said}", hint=getattr(why, "hint", None)) from None
        return getattr(parsed, action.dest)


def _identity(args: argparse.Namespace) -> tuple[Optional[str], Optional[str], Optional[str]]:
    """MAC, UUID and name, as far as they are known."""
    mac = args.mac or args.vif.get("mac")
    return mac and parse_mac(mac), args.uuid and parse_uuid(args.uuid), args.name


def _rivals(names: Iterable[str]) -> set[str]:
    return {_RIVALS[name] for name in names if name in _RIVALS}
