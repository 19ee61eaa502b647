"""Positions on the sky: angles, WCS and neighbours."""
