"""What is wrong with a PXE site, in sentences: judgements, without input or output, of what was observed."""
