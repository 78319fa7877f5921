"""The ``pxelinux.cfg`` files as U-Boot reads and boots them."""
