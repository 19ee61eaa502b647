"""A dataset made ready for the archives that keep and distribute it."""
