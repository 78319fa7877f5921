"""Web servers that do what their script says, on loopback or in a site, and what the client makes of them.

    python -m tests.support.peers.http ADDRESS SCRIPT

It stands at port 80 of ADDRESS then, with one of SCRIPTS.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional, Union

import pytest

from pypxeboot.errors import NotFound, PxeBootError
from pypxeboot.fetch.http import client

LIMIT = 1 << 20

Script = Callable[[socket.socket, bytes], None]


class Peer:
    """A server that reads one request a connection, keeps it in ``requests`` and hands over to ``script``."""

    def __init__(
        self,
        script: Union[Script, bytes],
        tls: Optional[ssl.SSLContext] = None,
        place: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.requests: list[bytes] = []
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(place)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        # shutdown() wakes the accept() of the thread; close() alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(sock, server_side=True) if self._tls else sock as conn:
                request = b""
                while b"\r\n\r\n" not in request and request[:1] != b"\x16":  # a TLS hello, in vain
                    more = conn.recv(65536)
                    if not more:
                        return
                    request += more
                self.requests.append(request)
                if isinstance(self._script, bytes):
                    conn.sendall(self._script)
                else:
                    self._script(conn, request)
        except OSError:
            pass  # the client hung up on a hostile answer


@contextmanager
def peer(script: Union[Script, bytes], tls: Optional[ssl.SSLContext] = None) -> Iterator[Peer]:
    server = Peer(script, tls)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"", status: str = "200 OK", *lines: str, length: Optional[str] = "auto") -> bytes:
    """An answer that is right, but for what the arguments make wrong."""
    head = [f"HTTP/1.1 {status}", "Connection: close", *lines]
    if length is not None:
        head.append(f"Content-Length: {len(body) if length == 'auto' else length}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def redirect(place: str, status: str = "302 Found") -> bytes:
    return answer(b"", status, f"Location: {place}")


def drip(data: bytes, pause: float) -> Script:
    """Sends ``data`` byte by byte."""

    def script(conn: socket.socket, request: bytes) -> None:
        for index in range(len(data)):
            conn.sendall(data[index : index + 1])
            time.sleep(pause)

    return script


def endless(start: bytes, piece: bytes) -> Script:
    """Sends ``start``, then ``piece`` until the client hangs up."""

    def script(conn: socket.socket, request: bytes) -> None:
        conn.sendall(start)
        while True:
            conn.sendall(piece)

    return script


def pages(table: dict[str, bytes]) -> Script:
    """Answers by the target of the request line."""

    def script(conn: socket.socket, request: bytes) -> None:
        target = request.split(b" ", 2)[1].decode("latin-1")
        conn.sendall(table.get(target, answer(b"", "404 Not Found")))

    return script


def certificate(folder: Path, name: str, *, expired: bool = False) -> tuple[Path, Path]:
    """A self-signed certificate for ``name`` (``IP:127.0.0.1``) and its key, made by openssl."""
    cert, key, config = folder / "cert.pem", folder / "key.pem", folder / "openssl.cnf"
    config.write_text(
        f"[req]\ndistinguished_name=dn\n[dn]\n[ext]\nsubjectAltName={name}\nbasicConstraints=CA:TRUE\n"
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        "default_md=sha256\npolicy=any\nx509_extensions=ext\n[any]\ncommonName=supplied\n"
    )
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    openssl = f"openssl req -config {config} -new -newkey rsa:2048 -nodes -keyout {key} -subj /CN=test"
    subprocess.run([*openssl.split(), "-out", f"{folder}/request"], check=True, capture_output=True)
    # Only "openssl ca" takes dates that are past, in every version.
    dates = "-startdate 20200101000000Z -enddate 20200201000000Z" if expired else "-days 2"
    openssl = f"openssl ca -config {config} -batch -selfsign -keyfile {key} -out {cert} -notext {dates}"
    subprocess.run([*openssl.split(), "-in", f"{folder}/request"], check=True, capture_output=True)
    return cert, key


def tls(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@contextmanager
def nginx(folder: Path, root: Path, extra: str = "") -> Iterator[str]:
    """A real nginx that serves ``root``; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error; events {{}}\n"
        f"http {{ access_log {folder}/access; {temporary} sendfile on; {extra}\n"
        f"server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )
    program = shutil.which("nginx") or "nginx"
    command = [program, "-p", str(folder), "-e", str(folder / "error"), "-c", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as sock:
                if not sock.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def fetch(url: str, **options: Any) -> bytes:
    data = bytearray()
    seconds = options.pop("seconds", 10.0)
    options.setdefault("limit", LIMIT)
    client.get(url, data.extend, deadline=time.monotonic() + seconds, **options)
    return bytes(data)


def failure(url: str, kind: type[PxeBootError], **options: Any) -> str:
    """The message of the error that ``url`` gives: one line, nothing in it that steers a terminal."""
    with pytest.raises(kind) as caught:
        fetch(url, **options)
    assert isinstance(caught.value, NotFound) == (kind is NotFound)  # NotFound is a FetchError too
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 700
    return caught.value.message


SCRIPTS = {
    "27-separator-in-length": answer(b"x" * 49, length="\x1f49"),
    "27-underscore-in-length": answer(b"x" * 49, length="4_9"),
    "27-underscore-in-status": answer(b"x" * 49, "2_00 OK"),
    "27-separator-in-chunks": answer(
        b"\x1f1\r\nx\r\n0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked", length=None
    ),
    "27-number-without-end": answer(b"x", length="1" * 5000),
    "27-line-in-head": answer(b"x", "200 OK", "no field \x1b[2J", "X: y"),
    "28-redirect-to-bad-brackets": redirect("http://[::1/k"),
    "28-redirect-to-user-of-bytes": redirect("http://u\xff@10.77.0.3/gone"),
}
"""Answers with digits and names that only Python takes; numbers are of the table of bad inputs."""


def main() -> None:
    """Serve SCRIPT at ADDRESS until somebody ends it."""
    address, name = sys.argv[1:]
    Peer(SCRIPTS[name], place=(address, 80))
    print(f"serving {name}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
