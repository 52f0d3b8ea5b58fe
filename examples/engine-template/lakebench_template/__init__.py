"""An engine of lakebench, to copy from."""
