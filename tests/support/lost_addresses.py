"""A lost client (``lost_client``) that wants one address after the other, those that ADDRESSES lists.

python -m tests.support.lost_addresses SCENARIO [ARGUMENT OF PYPXEBOOT ...]
"""

from __future__ import annotations

import os
import time

from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_scenarios import HARMLESS, scenario


@scenario(HARMLESS)
def one_address_after_the_other(lost: Lost) -> None:
    for address in os.environ["ADDRESSES"].split():
        lost.tell(lost.configure(address)["value"]["error"])
        time.sleep(1)


if __name__ == "__main__":
    lost_scenarios.SCENARIOS.update(HARMLESS)
    lost_client.main()
