"""Images that an iPXE script has downloaded (usr/imgmgmt.c): from where, and with what in the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from pypxeboot import ipxeimages, ipxestatus, ipxeuri
from pypxeboot.effects import Download, Form, Kept, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.ipxeimages import Image
from pypxeboot.ipxemachine import Machine
from pypxeboot.ipxeuri import Uri
from pypxeboot.settingtypes import uri_escape
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
    kept, words, status = yield from _fetched(machine, uri, form, seconds)
    if kept is None or kept.handle is None or kept.location is None:
        machine.failure = f"{given.shown}: {words}"
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
    """Whether there is anything that could be asked for it (core/open.c, net/tcp/httpcore.c)."""
    if uri.scheme.lower() not in SCHEMES:
        return ipxestatus.NO_SUCH_SCHEME
    return ipxestatus.OK if uri.authority is not None and uri.path else ipxestatus.NO_LOCATION


def _fetched(
    machine: Machine, uri: Uri, form: Optional[Form], seconds: Optional[float]
) -> Steps[tuple[Optional[Kept], str, int]]:
    """The file, or why there is none, in words and as a status."""
    if len(machine.images.registered) >= ipxeimages.COUNT_LIMIT:
        return None, "too many images", ipxestatus.NO_SPACE
    try:
        location = _place(machine, uri)
    except ConfigError as why:
        return None, why.message, ipxestatus.INVALID
    machine.step(_STEPS)
    yield from machine.settle(machine)
    kept: Kept = yield Download(location, form, seconds)
    if kept.handle is not None:
        return replace(kept, location=kept.location or location), "", ipxestatus.OK
    if kept.error == "not-found":
        tftp = location.scheme == "tftp"
        status = ipxestatus.TFTP_NOT_FOUND if tftp else ipxestatus.HTTP_NOT_FOUND
        return None, ipxestatus.text(status), status
    return None, printable(kept.error) or ipxestatus.text(ipxestatus.IO_ERROR), ipxestatus.IO_ERROR


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
