"""Recorded boots of iPXE that end otherwise on purpose, and their initrds."""

from __future__ import annotations

from tests.support.recorded.boots import Case

DIFFERENCES = {
    "menu-choose-no-timeout": "a menu that waits for ever takes what Enter would boot",
    "no-shebang": "a file of text is refused: the real one ran it as a boot program, and hung",
    "http-params": "that build had no params; the newer one, which this follows, sends them",
}
"""Cases that end otherwise on purpose, and why."""

REQUEST_DIFFERENCES = {
    **DIFFERENCES,
    "set-next-server-relative": "until 1.21.1 relative names followed next-server; those of 2.0.0 do not",
}
"""Cases that ask for other files on purpose, and why."""

Request = tuple[str, str, str, str, tuple[tuple[str, str], ...], str]
"""Scheme, server, path, method, headers and body, as far as they were recorded."""


def requests(case: Case) -> list[Request]:
    """What the real iPXE asked for, until a PXELINUX took over; older cases had but plain GETs."""
    observed = case.raw["observed"]
    plain = [[""] * len(observed["requests"])] * 2
    methods, bodies = observed.get("methods", plain[0]), observed.get("bodies", plain[1])
    headers = observed.get("headers", [[] for _ in observed["requests"]])
    found: list[Request] = []
    for (scheme, host, path, _), method, fields, body in zip(observed["requests"], methods, headers, bodies):
        sent = tuple((name, value) for name, value in fields)
        found.append((scheme, host, path, (method or "GET") if scheme == "http" else "", sent, body))
    return until_pxelinux(found)


def until_pxelinux(found: list[Request]) -> list[Request]:
    """``found`` up to a PXELINUX, which asks for files of its own."""
    ends = [at for at, request in enumerate(found) if request[2].endswith("pxelinux.0")]
    return found[: ends[0] + 1] if ends else found


def ramdisk(case: Case) -> bytes:
    """The recorded ramdisk; where a kernel is in it, with the file that stands for it here."""
    if case.name != "two-kernels":
        return case.expected.initrd or b""
    recorded, file = case.expected.initrd or b"", case.files["vmlinuz"]
    return recorded[:54] + b"%08x" % len(file) + recorded[62:116] + file
