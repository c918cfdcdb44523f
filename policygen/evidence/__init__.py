"""What one role did, and what the logs could have shown."""
