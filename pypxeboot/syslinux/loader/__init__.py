"""What PXELINUX does with a configuration: run it, or list what it has to choose from."""
