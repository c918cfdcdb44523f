"""Log source "athena": a table of logs, counted by Athena."""
