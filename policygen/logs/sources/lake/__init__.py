"""Log source "lake": an event data store, counted by CloudTrail Lake."""
