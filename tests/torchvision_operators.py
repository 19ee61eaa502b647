"""Lets torchvision be imported beside a PyTorch without CUDA.

The torchvision of the package index is compiled for CUDA, and cannot load its operators beside the
small PyTorch of the tests. It is then not imported at all, since it describes two of them. Hyrax
imports torchvision, and the tests use none of its operators, so these two are declared.
"""

from __future__ import annotations

import functools
import importlib.util

__all__ = ["declare_operators"]


@functools.cache
def declare_operators() -> None:
    """Declare the operators whose absence stops the import of torchvision."""
    import torch

    if torch.version.cuda is None and importlib.util.find_spec("torchvision") is not None:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
