"""Reproducible tables, with queries and reference answers, or with a list of operations."""
