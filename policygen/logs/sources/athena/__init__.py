"""Logs as a table of Athena; the counting runs there."""
