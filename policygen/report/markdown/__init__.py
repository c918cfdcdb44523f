"""Comments for pull requests."""
