"""Load a dataset: as numpy arrays, with PyTorch, with Keras; download one.

PyTorch and Keras are imported only by the modules named after them, and PyTorch by those that help
them (``pyproject.toml`` lists them). Every module can be imported without either.
"""
