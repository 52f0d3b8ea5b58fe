"""What others wrote: files, JSON and settings, read with care."""
