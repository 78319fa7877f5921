"""The boot loaders by name: one row each.

A new loader is a package with a module ``boot.py``, which has the two functions of
:class:`~pypxeboot.bootsource.Loader`, a row here, and a :class:`~pypxeboot.bootsource.Kind` with a rule by
which its boot file is recognised.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from pypxeboot.bootsource import Loader

LOADERS: Mapping[str, str] = {
    "pxelinux": "pypxeboot.syslinux.loader.boot",
    "uboot": "pypxeboot.uboot.boot",
    "ipxe": "pypxeboot.ipxe.boot",
    "grub": "pypxeboot.grub.boot",
}
"""The modules of the loaders. A name is the value of a :class:`~pypxeboot.bootsource.Kind`, or what
``--dialect`` says of who reads the files of PXELINUX."""


def load(name: str) -> Loader:
    """Import the loader called ``name``: a boot imports those alone that it uses."""
    return cast(Loader, importlib.import_module(LOADERS[name]))
