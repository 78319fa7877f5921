"""COM32 modules (``menu.c32``, ``linux.c32``, ...) by what they mean: nothing of their code is run."""
