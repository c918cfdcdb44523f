"""What a policy is worth: proof, risks, readiness, changes."""
