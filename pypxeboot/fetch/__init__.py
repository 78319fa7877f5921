"""A file by its URL: the clients of all schemes behind one function."""
