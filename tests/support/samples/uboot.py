"""A device tree, and what U-Boot is told."""

from __future__ import annotations

DTB = b"\xd0\x0d\xfe\xed a tree"
BOOTIF = "BOOTIF=01-52-54-00-ab-cd-ef"
