"""The interop features: small programs in neutral operations, their oracle, and their inspector."""
