"""GRUB: its configuration over the network, and what it boots."""
