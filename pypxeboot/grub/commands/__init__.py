"""The commands of GRUB scripts, by subject."""
