"""Several writers at once: what each of them does, and the oracle that checks whether the outcome can be explained."""
