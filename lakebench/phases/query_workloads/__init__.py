"""Phases of queries: ClickBench, the user's own, and what all phases of queries share."""
