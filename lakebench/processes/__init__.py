"""Processes of ours: how they start, the requests that they answer, what they use, and how they end."""
