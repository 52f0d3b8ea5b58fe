"""DuckLake: what its documents name, as features with steps, expected rows and physical proofs."""
