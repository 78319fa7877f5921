"""What fits in a line of -readconfig."""

from __future__ import annotations

MOST = 1023 - len('  append = ""\n')
