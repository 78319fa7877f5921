"""Domains that are booted anew whenever they start or reboot: who waits for that, and the boots of it."""
