"""Logs in CloudTrail Lake; the counting runs there."""
