"""Run the Lua scripts of lua.c32, within limits of memory, steps and time."""
