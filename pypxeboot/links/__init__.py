"""Ways onto the guest's network: one module a kind of link."""
