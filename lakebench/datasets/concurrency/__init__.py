"""Several writers at once: what each of them does, and the oracle that says whether the outcome can be explained."""
