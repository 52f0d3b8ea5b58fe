"""lakebench's own writer."""
