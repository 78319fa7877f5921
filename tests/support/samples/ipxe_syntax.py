"""Options of an iPXE command."""

from __future__ import annotations

from pypxeboot.ipxe.engine.options import syntax

SYNTAX = syntax(1, 2, "<what> [<for>]", "keep/k quiet/q+ name/n= timeout/t#")
