"""A traced program evaluated in NumPy, operation by operation, all rows of a batch at once."""
