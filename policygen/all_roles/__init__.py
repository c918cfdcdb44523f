"""Every role of an account in one pass over the logs."""
