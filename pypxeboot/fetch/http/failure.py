"""What went wrong with a web server: errors of sockets, TLS and HTTP as one of ours, with what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Optional

from pypxeboot import text
from pypxeboot.errors import FetchError
from pypxeboot.fetch.http.message import Address

_TOO_OLD = "the server must speak TLS 1.2 or newer"
_NO_TLS = (
    "does it speak TLS on that port? http:// is for a server that does not, https:// wants TLS 1.2 or newer"
)
# Of a certificate (verify_result of OpenSSL's x509_vfy.h). Who signed it is not the question there.
_NOT_YET, _EXPIRED, _NAMES = 9, 10, (62, 64)
OTHER_NAME = _NAMES[0]
_CLOCK = "is the clock of this host right (date)? if so, the certificate is to be renewed"
_OTHER_NAME = (
    "the certificate is for another name: write the URL with the name that it has, or have one made with "
    "this name or address in it (subjectAltName)"
)


def of(address: Address, error: BaseException, received: int = 0) -> FetchError:
    """Return ``error`` as one of ours, after so many bytes of the file."""
    hint, cause = None, ""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint, cause = _hint_of_certificate(error), "tls"
    elif isinstance(error, ssl.SSLError):
        plain = error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
        hint = _NO_TLS if plain else _TOO_OLD
    elif isinstance(error, socket.timeout):
        cause = "timeout"
    elif isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        cause = "cut"
    said = reason(error)
    if received:
        silent = "the server has fallen silent" if cause == "timeout" else said
        said = f"{silent} ({text.size_text(received)} received)"
    return FetchError(f"{address}: {said}", hint=hint, cause=cause)


def _hint_of_certificate(error: ssl.SSLCertVerificationError) -> Optional[str]:
    """Return what to do about a certificate, where it is not a matter of who signed it."""
    code = getattr(error, "verify_code", 0)
    if code in _NAMES:
        return _OTHER_NAME
    return _CLOCK if code in (_NOT_YET, _EXPIRED) else None


def reason(error: BaseException) -> str:
    """Say in words why nothing came."""
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {text.printable(error.verify_message)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {text.printable((error.reason or str(error)).lower().replace('_', ' '))}"
    if isinstance(error, http.client.LineTooLong):
        return "a line of the answer is too long"
    if isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        return "the server closed the connection"
    if isinstance(error, OSError) and error.strerror:
        return text.printable(error.strerror)
    return f"no proper HTTP answer: {text.printable(str(error) or type(error).__name__)}"
