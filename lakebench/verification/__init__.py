"""Whether an answer is right: in processes that are neither an engine's nor the parent."""
