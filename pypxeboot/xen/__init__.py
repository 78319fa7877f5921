"""What libxl, xl and xenstore tell of a domain, and pygrub for its local disk."""
