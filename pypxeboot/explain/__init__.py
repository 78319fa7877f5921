"""The story of a capture file."""
