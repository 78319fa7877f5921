"""Domains of libvirt: read, changed, started, watched."""
