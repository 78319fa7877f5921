"""U-Boot's reading of the same files."""
