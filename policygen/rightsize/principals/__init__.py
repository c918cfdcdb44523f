"""Policies that name principals, made smaller: what trust policies and resource policies have in common."""
