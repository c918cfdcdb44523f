"""Policies against what a role did: what would be denied, what is unused."""
