"""The work of the commands, one module per command."""
