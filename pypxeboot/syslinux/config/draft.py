"""A LABEL while its lines are read, and the label that comes of it."""

from __future__ import annotations

from typing import Optional

from pypxeboot.syslinux.config.model import Label, MenuAction


class Draft:
    """A LABEL that is still open: what its lines have said so far, and what holds where they say nothing."""

    kind = "kernel"
    append: Optional[str] = None
    initrd: Optional[str] = None
    title: Optional[str] = None
    help = ""
    action = MenuAction.COMMAND
    tagged = False
    submenu: Optional[int] = None
    password: Optional[str] = None
    immediate: Optional[bool] = None
    indent = 0
    hidden = False
    disabled = False
    separator = False
    default = False

    def __init__(self, name: str, line: str, kernel: str, sysappend: int) -> None:
        self.name, self.line, self.kernel, self.sysappend = name, line, kernel, sysappend

    @classmethod
    def of_separator(cls, *, hidden: bool) -> Draft:
        """Return what stands for a MENU SEPARATOR."""
        draft = cls("", "", "", 0)
        draft.separator, draft.hidden = True, hidden
        return draft

    @property
    def is_off(self) -> bool:
        """Whether nothing can choose it."""
        return self.separator or self.disabled

    def label(self, screen: int, position: int, hotkey: str, append: str, immediate: bool) -> Label:
        """Return the label, which stands at ``position`` of ``screen``.

        ``append`` and ``immediate`` are what holds for labels that do not say so themselves.
        """
        action, off = self.action, self.separator or self.disabled
        title = self.line if self.title is None else self.title
        return Label(
            None if off else self.name,
            None if off else self.line,
            self._command(append),
            self.sysappend if action is MenuAction.COMMAND else 0,
            MenuAction.DISABLED if off else action,
            target="" if action is MenuAction.EXIT and not self.tagged else self.kernel,
            submenu=self.submenu,
            title="" if self.separator else title,
            help=self.help,
            hidden=self.hidden,
            screen=screen,
            position=position,
            hotkey=hotkey,
            indent=self.indent,
            password=None if off else self.password,
            immediate=immediate if self.immediate is None else self.immediate,
        )

    def _command(self, append: str) -> str:
        """Make the command of a label; HELP has its text there, and a timeout does run that."""
        if self.action is not MenuAction.COMMAND:
            return self.kernel
        command = self.kernel if self.kind == "kernel" else f".{self.kind} {self.kernel}"
        if self.append is not None:
            append = self.append
        if append not in ("", "-"):  # "APPEND - = empty"
            command = f"{command} {append}"
        return command if self.initrd is None else f"{command} initrd={self.initrd}"
