"""The language of pxelinux.cfg, and where its files are looked for."""
