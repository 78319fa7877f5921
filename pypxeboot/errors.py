"""The exceptions of pypxeboot: their class is the cause of a failure, and so the exit code.

    PxeBootError            1   anything else
      InternalError         1   a fault of pypxeboot itself, or of a library
      UsageError            2   the command line or configuration file is wrong
      NoLease               3   no DHCP server gave a usable address
      NoBootSource          4   the network says nothing (usable) about what to boot
      ConfigError           5   a boot configuration is broken, or names what is not there
      FetchError            6   a file could not be fetched
        NotFound            6   the server answered: there is no such file
        ServerError         6   the server answered with an error of its own
      Refused               7   policy or a limit: the thing is there, and will not be used
      Aborted               8   the user or the toolstack ended it
      HandoverError         9   the result cannot be expressed or handed over

Library code raises; only ``commands/command.py`` prints and exits.
"""

from __future__ import annotations

from typing import ClassVar, Optional

from pypxeboot.text import printable

_PACKAGES = {"dns": "dnspython", "lupa.lua52": "lupa", "passlib": "passlib"}
"""What modules are called as packages, where that differs."""


class PxeBootError(Exception):
    """An error that ends a boot: one line what went wrong, and one line (``hint``) what to do about it."""

    code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InternalError(PxeBootError):
    """Something that nobody foresaw, and so a fault of pypxeboot or of a library that it uses."""

    @classmethod
    def of(cls, why: BaseException) -> InternalError:
        """Return the error that tells of ``why``, an exception that is none of the classes here."""
        if isinstance(why, ModuleNotFoundError) and why.name and not why.name.startswith("pypxeboot"):
            module = why.name.partition(".")[0]
            package = _PACKAGES.get(module, module)
            hint = f"install it: apt install python3-{package}, dnf install python3-{package}, or pip"
            return cls(f"the Python module {module} is missing", hint=f"{hint} install {package}")
        kind = type(why)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        what = f"{name}: {printable(str(why))}" if str(why) else name
        return cls(f"internal error: {what}", hint="-vv shows where; please report it")


def joined_hints(*hints: Optional[str]) -> Optional[str]:
    """Join hints, that of the cause first, that of the entry behind it; None if there are none."""
    return "; ".join(filter(None, hints)) or None


class UsageError(PxeBootError):
    """The command line or the configuration file is wrong."""

    code = 2


class NoLease(PxeBootError):
    """No DHCP server gave a usable address."""

    code = 3


class NoBootSource(PxeBootError):
    """The network says nothing usable about what to boot."""

    code = 4


class NoConfiguration(NoBootSource):
    """None of the names under which a loader looks for its configuration is there."""


class ConfigError(PxeBootError):
    """A boot configuration is broken or names something that does not exist."""

    code = 5


class FetchError(PxeBootError):
    """A file could not be fetched: no answer, a broken answer, or an error from the server.

    ``cause`` is one word for it: ``http-403`` and ``tftp-2`` are answers of the server, ``refused``,
    ``unreachable``, ``no-name``, ``no-dns``, ``tls``, ``timeout`` and ``cut`` failures of the network; else
    empty.
    """

    code = 6

    def __init__(self, message: str, *, hint: Optional[str] = None, cause: str = "") -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class NotFound(FetchError):
    """The server answered that there is no such file (or that we may not have it)."""


class ServerError(FetchError):
    """The server answered, but not with the file: an error of its own. To PXELINUX, the file is not there."""


class Refused(PxeBootError):
    """The thing is there, but policy or a limit forbids its use; never retried."""

    code = 7


class TooLarge(Refused):
    """A file has more bytes than the limit that it was asked for with."""


class SignalReceived(BaseException):
    """A signal came that ends the process; ``signals.signals_raise`` turns it into :class:`Aborted`.

    It is not an Exception, so that nothing on the way out takes it for a failure that it can handle.
    """


class Aborted(PxeBootError):
    """The user or the toolstack ended the boot."""

    code = 8


class HandoverError(PxeBootError):
    """The result cannot be expressed in the asked form, or cannot be handed over."""

    code = 9


KINDS: dict[str, type[PxeBootError]] = {
    kind.__name__: kind
    for kind in (
        PxeBootError, InternalError, UsageError, NoLease, NoBootSource, ConfigError, FetchError, NotFound,
        ServerError, Refused, Aborted, HandoverError,
    )
}  # fmt: skip
"""Exception class by name: the closed set that may cross the process boundary."""


def kind_of(error: PxeBootError) -> str:
    """Return the name of the class in :data:`KINDS` that ``error`` is of."""
    return next(kind.__name__ for kind in type(error).__mro__ if KINDS.get(kind.__name__) is kind)
