"""Recorded boots of the real loaders, and their replay."""
