"""Logs in an S3 bucket: a trail's folders, found, listed and fetched."""
