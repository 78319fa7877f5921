"""The menus of GRUB: what boots when nobody chooses, and what somebody sees and types."""
