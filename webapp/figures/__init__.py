"""Figures for whoever runs the desk: how much was done, how fast against the promise, and what it cost."""
