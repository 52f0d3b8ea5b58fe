"""A phase of lakebench, to copy from."""
