"""Live updates: the bus, the hub process and the tickets that open its streams."""
