"""Sockets of the guest's network: DHCP, raw frames, names, echo requests."""
