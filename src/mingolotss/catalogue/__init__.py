"""Which sources there are, and the class of each."""
