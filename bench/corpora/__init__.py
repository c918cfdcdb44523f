"""Invented logs to measure with. The same seed makes the same bytes."""
