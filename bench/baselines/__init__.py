"""Other ways to read the same logs: plain Python, pandas, DuckDB and jq. Each is a script that prints its counts."""
