"""Invented logs to measure with. Made by a seed: the same bytes each time."""
