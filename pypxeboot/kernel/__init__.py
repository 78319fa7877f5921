"""Kernels and initrds as files: what a kernel is and who can boot it, its payload, cpio archives."""
