"""What a run needs and has not yet: artifacts, environments, and the cache that keeps them."""
