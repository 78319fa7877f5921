"""Scripts of lua.c32, bounded."""
