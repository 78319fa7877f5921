"""DHCP without a socket: messages, the states of the clients, what a PXE client says of itself."""
