"""Terminals: cells, menus and dialogs drawn on them, and keys that come from them."""
