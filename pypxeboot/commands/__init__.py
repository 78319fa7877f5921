"""The programs: what each does with its arguments, and its exit code."""
