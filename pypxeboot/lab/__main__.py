"""``python -m pypxeboot.lab``."""

from pypxeboot.lab.main import run

run()
