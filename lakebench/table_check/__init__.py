"""The user's own tables: what they are, and whether every engine reads them alike. They are never written to."""
