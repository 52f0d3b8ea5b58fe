"""What a run leaves behind, and what it is held against."""
