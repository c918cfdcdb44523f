"""The IAM language: ARNs, patterns, documents, conditions, evaluation, grants, and what exists in IAM."""
