"""The loaders of the SYSLINUX project."""
