"""A small serverless shop that does not exist: its accounts, its roles, and what it did in 45 days."""
