"""What PXELINUX does with a configuration, and its COM32 modules."""
