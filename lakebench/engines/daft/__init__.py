"""Daft."""
