"""Recipes, and the steps that make stamps from cutouts."""
