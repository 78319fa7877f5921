"""An FTP server that does as its script says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# What a server says to each command, and what it does with the data connection.


class Script:
    """A server on loopback: ``replies`` by command (a list: one after the other), ``data`` for RETR."""

    def __init__(self, data: bytes, replies: dict[str, str], pasv: str, trickle: float) -> None:
        self.data, self.replies, self.pasv, self.trickle = data, replies, pasv, trickle
        self.heard: list[str] = []
        self.control = socket.create_server(("127.0.0.1", 0))
        self.passive = socket.create_server(("127.0.0.1", 0))
        self.port = self.control.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            conn, _ = self.control.accept()
            with conn, conn.makefile("rb") as lines:
                self._say(conn, self.replies.get("", "220 welcome"))
                for line in lines:
                    self.heard.append(line.decode("latin-1").rstrip("\r\n"))
                    self._answer(conn, self.heard[-1].partition(" ")[0])
        except OSError:
            return

    def _answer(self, conn: socket.socket, word: str) -> None:
        port = self.passive.getsockname()[1]
        usual = {"USER": "331 password", "PASS": "230 in", "TYPE": "200 ok", "SIZE": f"213 {len(self.data)}"}
        usual["PASV"] = f"227 here ({self.pasv},{port >> 8},{port & 255})"
        usual["RETR"] = "150 comes"
        self._say(conn, self.replies.get(word, usual.get(word, "500 what")))
        if word == "RETR" and self.replies.get(word, "1").startswith("1"):
            data, _ = self.passive.accept()
            with data:
                data.sendall(self.data)
            self._say(conn, self.replies.get("end", "226 done"))

    def _say(self, conn: socket.socket, text: str) -> None:
        for piece in [text + "\r\n"] if not self.trickle else text:
            conn.sendall(piece.encode("latin-1"))
            time.sleep(self.trickle)

    def close(self) -> None:
        self.control.close()
        self.passive.close()


@contextmanager
def server(
    data: bytes = b"content", pasv: str = "127,0,0,1", trickle: float = 0.0, **replies: str
) -> Iterator[Script]:
    running = Script(
        data, {name.replace("welcome", ""): text for name, text in replies.items()}, pasv, trickle
    )
    try:
        yield running
    finally:
        running.close()
