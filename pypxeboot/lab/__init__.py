"""A PXE site in network namespaces, to try things on."""
