"""What the commands beside ``run`` do, one module a command."""
