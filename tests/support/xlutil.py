"""The real reader of xl.cfg, libxlutil, as xl uses it: what our own has to agree with."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, Optional

from tests.support.ground import tools

_PLACES = ("usr/lib/*/libxlutil.so.*", "usr/lib64/libxlutil.so.*")

Found = dict[str, Any]
"""Strings by name, and lists of them, in which None stands for a list."""


@cache
def _library() -> Any:
    found = sorted(path for place in _PLACES for path in Path("/").glob(place))
    if not found:
        tools.missing("libxlutil (of Xen)")
    library = ctypes.CDLL(str(found[-1]))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    library.xlu_cfg_init.restype = pointer
    library.xlu_cfg_init.argtypes = [pointer, text]
    library.xlu_cfg_destroy.argtypes = [pointer]
    library.xlu_cfg_readdata.argtypes = [pointer, text, number]
    library.xlu_cfg_get_string.argtypes = [pointer, text, ctypes.POINTER(text), number]
    lists = [ctypes.POINTER(pointer), ctypes.POINTER(number)]
    library.xlu_cfg_get_list.argtypes = [pointer, text, *lists, number]
    library.xlu_cfg_get_listitem.restype = text
    library.xlu_cfg_get_listitem.argtypes = [pointer, number]
    return library


@cache
def _silence() -> Any:
    """A stream of C for what the library has to say."""
    c = ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    c.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    return c.fopen(b"/dev/null", b"w")


def read(text: str, names: tuple[str, ...]) -> Optional[Found]:
    """What xl makes of ``text``: the settings of these names; None where it refuses it."""
    library = _library()
    data = text.encode()
    config = library.xlu_cfg_init(_silence(), b"a test")
    try:
        if library.xlu_cfg_readdata(config, data, len(data)):
            return None
        found: Found = {}
        for name in names:
            items, count, value = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_char_p()
            of = name.encode()
            if library.xlu_cfg_get_list(config, of, ctypes.byref(items), ctypes.byref(count), 1) == 0:
                strings = (library.xlu_cfg_get_listitem(items, number) for number in range(count.value))
                found[name] = [None if item is None else item.decode() for item in strings]
            elif library.xlu_cfg_get_string(config, of, ctypes.byref(value), 1) == 0:
                found[name] = (value.value or b"").decode()
        return found
    finally:
        library.xlu_cfg_destroy(config)
