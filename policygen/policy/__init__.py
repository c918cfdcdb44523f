"""The IAM policy language: read, evaluate, generate, compare, pack."""
