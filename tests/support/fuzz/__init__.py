"""Entry points that take a stranger's bytes, and what feeds them."""
