"""The command line: parse, call the library, print.

Exit codes: 0 done; 1 finished, but more sources were rejected than `--max-rejected` allows, or
`verify`, `compare` or `audit` found something; 2 an argument or an input file is wrong; 3 a remote
service failed.
"""

from mingolotss.cli import builds, datasets, deposits, labels, lists, pages
from mingolotss.cli.app import app, main

__all__ = ["app", "builds", "datasets", "deposits", "labels", "lists", "main", "pages"]
