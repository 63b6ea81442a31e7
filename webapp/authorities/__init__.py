"""Certificate authorities: the port, the built-in authority and its public endpoints."""
