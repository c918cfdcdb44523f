"""Reads the policies of a role out of templates: Terraform's JSON, CloudFormation, SAM."""
