"""Boots from within libvirt's own start of a domain: its hook, and what has to be done once that is over."""
