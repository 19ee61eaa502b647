"""Load a dataset: as numpy arrays, with PyTorch, with Keras; download one.

PyTorch and Keras are imported only by the modules named after them (and by ``collate`` for
PyTorch). Every module can be imported without them.
"""
