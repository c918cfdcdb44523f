"""The smallest trust policy of a role: who assumed it, with what, and what the logs could not show."""
