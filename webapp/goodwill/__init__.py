"""Exceptions from the refund policy: one person proposes, another agrees, and the customer may apply."""
