"""CloudTrail's digests: check that log files are complete and unchanged."""
