"""Ray with a DuckDB in each task."""
