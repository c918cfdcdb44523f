"""Log source "s3": logs in a bucket, found, listed and fetched."""
