"""The images of a source: which there are, which is chosen, what a person decided."""
