"""How cases become records: the context of a run, blocks, measurement, and what the machine has for it."""
