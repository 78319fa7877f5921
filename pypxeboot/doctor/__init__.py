"""What is wrong with a site, in sentences: pure judgements of what was seen."""
