"""What an output format is asked for, beside the result of the boot."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.guest import Guest


@dataclass(frozen=True)
class OutputRequest:
    """The guest that is to boot: ``form`` is the name of the format, ``guest_type`` pv, pvh or unknown.

    ``disk`` is the path of its disk, None if it has none or nobody said.
    """

    guest: Guest
    form: str = "json"
    guest_type: Optional[str] = None
    disk: Optional[str] = None
