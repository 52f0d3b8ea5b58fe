"""Files, JSON and settings that others wrote, read with care."""
