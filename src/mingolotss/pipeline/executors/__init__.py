"""Executors: where the parts of a build run."""
