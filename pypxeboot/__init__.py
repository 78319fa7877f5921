"""pypxeboot: the PXE client of guests that have no firmware, run on the hypervisor host."""

__version__ = "0.2.0"
