"""The catalog: which permissions an AWS event needs on which resources, with one data file per service."""
