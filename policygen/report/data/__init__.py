"""Data: JSON, CSV, pandas."""
