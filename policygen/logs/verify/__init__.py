"""CloudTrail's digests: whether log files are whole and as they were delivered."""
