"""Images that an iPXE script has downloaded (usr/imgmgmt.c): from where, and with what in the request."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import replace
from pypxeboot.effects import Download, Form, KeepData, ScriptFile, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.status import Status, error_text
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.text import printable
from pypxeboot.url import SCHEMES

# What a download counts for: a thousand without a key pressed are enough for anybody.
_STEPS = 50


def acquire(
    machine: Machine, text: str, seconds: Optional[float] = None, quiet: bool = False
) -> Steps[tuple[Optional[Image], int]]:
    """Find the image "whose name equals the whole argument", else download one."""
    image = machine.images.find(text)
    if image is not None:
        return image, Status.OK
    return (yield from download(machine, text, seconds, quiet))


def download(
    machine: Machine, text: str, seconds: Optional[float] = None, quiet: bool = False
) -> Steps[tuple[Optional[Image], int]]:
    """Download and register an image; the image, or the status of the failure."""
    given = Uri.parse(text)
    form = None if given.params is None else machine.parameters.take(given.params)
    uri = given.resolve(machine.builtin.cwuri)
    status = _openable(uri)
    if status:
        if status == Status.NO_SUCH_SCHEME:
            words = f"{given.for_display}: {uri.scheme} is no scheme that is known here"
            machine.failure.explain(words, f"serve the file over one of {', '.join(SCHEMES)}")
        return None, (yield from machine.fail("Could not start download", status))
    if not quiet:
        yield from machine.say(f"{given.for_display}...", end="")
    file = yield from _fetch(machine, uri, form, seconds)
    if file.handle is None or file.location is None:
        status, words = _why_not(uri, file, seconds is not None)
        machine.failure.explain(
            f"{given.for_display}: {words if file.error == 'not-found' else printable(file.error)}",
            file.hint,
        )
        yield from machine.say(f"{given.for_display}... {words}" if quiet else f" {words}")
        return None, status
    if not quiet:
        yield from machine.say(" ok")
    image = Image(uri.name, uri, file.location, file.handle, file.size, file.head)
    if file.location != uri.locate():
        image.uri = Uri.of(file.location)  # where redirects have led is where it lies
    machine.images.add(image)
    return image, Status.OK


def _openable(uri: Uri) -> int:
    """Whether there is anything that could be asked for it (core/open.c and the protocols)."""
    scheme = uri.scheme.lower()
    if scheme == "data":
        return Status.OK if uri.data is not None else Status.INVALID
    if scheme not in SCHEMES:
        return Status.NO_SUCH_SCHEME
    if uri.authority is not None and (uri.path or scheme != "tftp"):
        return Status.OK
    return Status.TFTP_NO_LOCATION if scheme == "tftp" else Status.HTTP_NO_LOCATION


def _fetch(machine: Machine, uri: Uri, form: Optional[Form], seconds: Optional[float]) -> Steps[ScriptFile]:
    """Download a file; it says why there is none.

    User and password are those of the URI alone. The settings of those names are for iSCSI and EAP: any
    server that answers 401 would be told them.
    """
    if machine.images.is_full:
        return ScriptFile(None, error="too many images", cause="full")
    if uri.port == 0:  # which nothing listens on
        cause = "timeout" if uri.scheme.lower() == "tftp" else "refused"
        return ScriptFile(None, error="there is no port 0", cause=cause)
    try:
        location = uri.locate()
    except ConfigError as why:
        return ScriptFile(None, error=why.message, cause="no-uri")
    machine.quota.step(_STEPS)
    file: ScriptFile
    if uri.data is not None and location.scheme == "data":
        file = yield KeepData(uri.data, location)
    else:
        yield from machine.network.settle()
        file = yield Download(location, form, seconds)
    return file if file.handle is None else replace(file, location=file.location or location)


_CAUSES = {
    "full": Status.NO_SPACE,
    "no-uri": Status.INVALID,
    "http-401": Status.HTTP_UNAUTHORIZED,
    "http-403": Status.HTTP_FORBIDDEN,
    "http-404": Status.HTTP_NOT_FOUND,
    "tftp-1": Status.TFTP_NOT_FOUND,
    "tftp-2": Status.TFTP_DENIED,
    "tftp-4": Status.TFTP_ILLEGAL,
    "tftp": Status.TFTP_ERROR,
    "refused": Status.CONNECTION_REFUSED,
    "unreachable": Status.UNREACHABLE,
    "no-name": Status.NO_NAME_SERVER,
    "no-dns": Status.NO_NAME_SERVER,
}
_CLASSES = {"http-4": Status.HTTP_CLIENT_ERROR, "http-5": Status.HTTP_SERVER_ERROR}


def _why_not(uri: Uri, file: ScriptFile, limited: bool) -> tuple[int, str]:
    """Get the status for what went wrong, and the words for it; ``limited`` by the command's own timeout."""
    tftp = uri.scheme.lower() == "tftp"
    cause = file.cause
    if not cause and file.error == "not-found":
        cause = "tftp-1" if tftp else "http-404"
    status = _CAUSES.get(cause) or _CAUSES.get(cause.partition("-")[0]) or Status.IO_ERROR
    if cause in ("timeout", "unreachable-host"):  # iPXE takes no answer to ARP, or ICMP's, for silence
        own = Status.TFTP_TIMED_OUT if tftp else Status.CONNECTION_TIMED_OUT
        status = Status.JOB_TIMED_OUT if limited else own
    elif cause == "http-401" and "@" not in (uri.authority or ""):
        status = Status.HTTP_NO_LOGIN  # there is nobody to log in
    elif cause.startswith("http-") and cause not in _CAUSES:
        status = _CLASSES.get(cause[:6], Status.HTTP_OTHER)
    known = status & 0xFFFFFF or not file.error
    return status, error_text(status) if known else printable(file.error)
