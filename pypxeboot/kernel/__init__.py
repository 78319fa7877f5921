"""What a file is that is to be booted, and what is inside it."""
