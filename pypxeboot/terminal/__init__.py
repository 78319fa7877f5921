"""Terminals: menus and dialogs as pictures, how a picture is painted, and how bytes become keys."""
