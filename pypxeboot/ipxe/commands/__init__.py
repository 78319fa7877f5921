"""The commands of scripts, by subject."""
