"""Servers that misbehave: one module a protocol."""
