"""Two processes, and what passes between them."""
