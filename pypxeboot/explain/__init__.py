"""The timeline of a capture file: what each client in it asked, what it got, and what went wrong."""
