"""Access requests in, grants and policy documents out."""
