"""Bring a dataset back in: plain numpy, PyTorch, Keras.

Each module stands alone; torch and keras are imported only by the modules named after them.
"""
