"""A boot source."""

from __future__ import annotations

from pypxeboot.dhcp import boot_info
from tests.support.recorded.replay import LEASE

SOURCE = boot_info.boot_source(LEASE)
