"""Organisations: who shares certificates with whom, how people come to a shop, and how they leave."""
