"""Processes of ours: how they start, what they are asked, what they use, and how they end."""
