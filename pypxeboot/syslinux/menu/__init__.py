"""menu.c32, and the ``boot:`` prompt."""
