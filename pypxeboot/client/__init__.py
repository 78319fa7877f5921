"""The unprivileged process: a boot from the first DISCOVER to the last byte."""
