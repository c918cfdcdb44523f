"""Log sources behind a paged AWS API: CloudTrail's event history and CloudWatch Logs."""
