"""What to look at before a policy is applied: made once from a plan, and shown by every format."""
