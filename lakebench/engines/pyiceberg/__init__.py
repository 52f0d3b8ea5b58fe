"""PyIceberg."""
