"""A real Chromium that looks at a page: what it shows as text, and the colours of its picture."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

from tests.support.ground import tools

Colour = tuple[int, int, int]


def _run(place: Path, *args: str, dark: bool = False) -> bytes:
    """What Chromium prints; it has no network but its own loopback."""
    program = tools.need("chromium")
    argv = ["unshare", "--net", program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    argv += [f"--user-data-dir={place / 'profile'}", "--disable-dev-shm-usage", "--virtual-time-budget=2000"]
    argv += [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    done = subprocess.run([*argv, *args], capture_output=True, timeout=240, cwd=place)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    shutil.rmtree(place / "profile", ignore_errors=True)
    return done.stdout


def picture(page: Path, place: Path, *, height: int = 1400, dark: bool = False) -> dict[Colour, int]:
    """The colours of the page as it is painted 1200 pixels wide, and how many pixels have each."""
    shot = place / "shot.png"
    _run(place, f"--screenshot={shot}", f"--window-size=1200,{height}", page.as_uri(), dark=dark)
    return colours(shot.read_bytes())


def colours(png: bytes) -> dict[Colour, int]:
    """Count the pixels of a PNG (8 bits of RGB or RGBA, not interlaced) by colour."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind, _c, _f, interlaced = struct.unpack(">IIBBBBB", png[16:29])
    assert depth == 8 and kind in (2, 6) and not interlaced
    at, packed = 8, b""
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + size] if name == b"IDAT" else b""
        at += size + 12
    data, step = zlib.decompress(packed), 3 if kind == 2 else 4
    row, found = bytearray(width * step), {}
    for y in range(height):
        start = y * (width * step + 1)
        row = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + width * step]), row, step)
        for x in range(0, len(row), step):
            colour = (row[x], row[x + 1], row[x + 2])
            found[colour] = found.get(colour, 0) + 1
    return found


def _unfiltered(kind: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    for x in range(len(row)):
        left, up = row[x - step] if x >= step else 0, above[x]
        corner = above[x - step] if x >= step else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            ahead = left + up - corner
            guess = min((left, up, corner), key=lambda value: abs(ahead - value))
        else:
            break
        row[x] = (row[x] + guess) & 255
    return row


def texts(page: Path, place: Path) -> str:
    """The document as Chromium has understood it."""
    return _run(place, "--dump-dom", page.as_uri()).decode()
