"""The application with all its commands."""

from mingolotss.cli import builds, datasets, deposits, labels, lists, pages
from mingolotss.cli.app import app, main

__all__ = ["app", "builds", "datasets", "deposits", "labels", "lists", "main", "pages"]
