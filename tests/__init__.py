"""The tests; which folder holds what stands in README.md."""
