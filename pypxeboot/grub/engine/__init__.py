"""The machine that runs GRUB scripts: language, variables, devices, files."""
