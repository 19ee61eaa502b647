"""``python -m mingolotss``: the command line, of the interpreter that was asked."""

from mingolotss.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
