"""Polars."""
