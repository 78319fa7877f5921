"""What tests of several files make their cases of."""
