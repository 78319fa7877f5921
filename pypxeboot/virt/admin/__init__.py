"""What an administrator asks about domains that boot from the network, and has done with them."""
