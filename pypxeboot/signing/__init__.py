"""What files are vouched for by: detached signatures, digests, and the process that judges both."""
