"""A package that adds two entries to the catalog of eqprop."""
