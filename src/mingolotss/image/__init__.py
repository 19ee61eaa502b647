"""Arithmetic on pixels: pure functions on arrays of shape (..., ny, nx)."""
