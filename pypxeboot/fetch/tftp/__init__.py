"""The TFTP client."""
