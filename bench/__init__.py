"""What things cost, as ratios to a bare reference that the same run measures beside them."""
