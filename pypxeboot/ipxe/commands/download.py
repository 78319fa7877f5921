"""Images that an iPXE script has downloaded (usr/imgmgmt.c): from where, and with what in the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from pypxeboot.effects import Download, Form, ScriptFile, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine import images
from pypxeboot.ipxe.engine import status as ipxestatus
from pypxeboot.ipxe.engine import uri as ipxeuri
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.setting_types import uri_escape
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.text import encode, printable
from pypxeboot.url import SCHEMES, Location

# What a download counts for: a thousand without a key pressed are enough for anybody.
_STEPS = 50


def acquire(
    machine: Machine, text: str, seconds: Optional[float] = None, quiet: bool = False
) -> Steps[tuple[Optional[Image], int]]:
    """The image "whose name equals the whole argument", else one that is downloaded."""
    image = machine.images.find(text)
    if image is not None:
        return image, ipxestatus.OK
    return (yield from download(machine, text, seconds, quiet))


def download(
    machine: Machine, text: str, seconds: Optional[float] = None, quiet: bool = False
) -> Steps[tuple[Optional[Image], int]]:
    """Download and register an image; the image, or the status of the failure."""
    given = ipxeuri.parse(text)
    form = _form(machine, given)
    uri = ipxeuri.resolve(machine.cwuri, given)
    status = _openable(uri)
    if status:
        return None, (yield from machine.fail("Could not start download", status))
    if not quiet:
        yield from machine.say(f"{given.shown}...", end="")
    kept = yield from _fetched(machine, uri, form, seconds)
    if kept.handle is None or kept.location is None:
        status, words = _why_not(uri, kept, seconds is not None)
        machine.failure = f"{given.shown}: {words if kept.error == 'not-found' else printable(kept.error)}"
        yield from machine.say(f"{given.shown}... {words}" if quiet else f" {words}")
        return None, status
    if not quiet:
        yield from machine.say(" ok")
    image = Image(uri.name or "img", uri, kept.location, kept.handle, kept.size, kept.head)
    if kept.location != _place(machine, uri):
        image.uri = ipxeuri.of(kept.location)  # where redirects have led is where it lies
    machine.images.add(image)
    return image, ipxestatus.OK


def _openable(uri: Uri) -> int:
    """Whether there is anything that could be asked for it (core/open.c and the protocols)."""
    scheme = uri.scheme.lower()
    if scheme not in SCHEMES:
        return ipxestatus.NO_SUCH_SCHEME
    if uri.authority is not None and (uri.path or scheme != "tftp"):
        return ipxestatus.OK
    return ipxestatus.TFTP_NO_LOCATION if scheme == "tftp" else ipxestatus.HTTP_NO_LOCATION


def _fetched(machine: Machine, uri: Uri, form: Optional[Form], seconds: Optional[float]) -> Steps[ScriptFile]:
    """The file, or why there is none."""
    if len(machine.images.registered) >= images.COUNT_LIMIT:
        return ScriptFile(None, error="too many images", cause="full")
    try:
        location = _place(machine, uri)
    except ConfigError as why:
        return ScriptFile(None, error=why.message, cause="no-uri")
    machine.step(_STEPS)
    yield from machine.settle(machine)
    kept: ScriptFile = yield Download(location, form, seconds)
    return kept if kept.handle is None else replace(kept, location=kept.location or location)


_CAUSES = {
    "full": ipxestatus.NO_SPACE,
    "no-uri": ipxestatus.INVALID,
    "http-401": ipxestatus.HTTP_UNAUTHORIZED,
    "http-403": ipxestatus.HTTP_FORBIDDEN,
    "http-404": ipxestatus.HTTP_NOT_FOUND,
    "tftp-1": ipxestatus.TFTP_NOT_FOUND,
    "tftp-2": ipxestatus.TFTP_DENIED,
    "tftp-4": ipxestatus.TFTP_ILLEGAL,
    "tftp": ipxestatus.TFTP_ERROR,
    "refused": ipxestatus.CONNECTION_REFUSED,
    "unreachable": ipxestatus.UNREACHABLE,
    "no-name": ipxestatus.NO_NAME_SERVER,
}


def _why_not(uri: Uri, kept: ScriptFile, limited: bool) -> tuple[int, str]:
    """The status for what went wrong, and the words for it; ``limited`` by the command's own timeout."""
    tftp = uri.scheme.lower() == "tftp"
    cause = kept.cause
    if not cause and kept.error == "not-found":
        cause = "tftp-1" if tftp else "http-404"
    status = _CAUSES.get(cause) or _CAUSES.get(cause.partition("-")[0]) or ipxestatus.IO_ERROR
    if cause == "timeout":
        own = ipxestatus.TFTP_TIMED_OUT if tftp else ipxestatus.CONNECTION_TIMED_OUT
        status = ipxestatus.JOB_TIMED_OUT if limited else own
    elif cause.startswith("http-") and cause not in _CAUSES:
        status = ipxestatus.HTTP_CLIENT_ERROR if cause < "http-5" else ipxestatus.HTTP_SERVER_ERROR
    known = status & 0xFFFFFF or not kept.error
    return status, ipxestatus.text(status) if known else printable(kept.error)


def _place(machine: Machine, uri: Uri) -> Location:
    """Where ``uri`` is, with the user of the settings where it names none and HTTP may ask for one."""
    location = ipxeuri.locate(uri)
    user = machine.settings.show("username")
    if not user or location.user is not None or location.scheme == "tftp":
        return location
    return replace(location, user=user, password=machine.settings.show("password") or "")


def _form(machine: Machine, uri: Uri) -> Optional[Form]:
    """The parameters that a request takes with it; they are used up."""
    found = None if uri.params is None else machine.parameters.pop(uri.params, None)
    if found is None:
        return None
    headers = list(found.headers)
    body = encode("&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in found.fields))
    if body:
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    return Form(found.method, tuple(headers), body)


def _escaped(text: str) -> str:
    return uri_escape(encode(text))
