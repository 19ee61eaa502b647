"""The datasets of FR-DEEP (Tang, Scaife & Leahy 2019, MNRAS 488, 3358) for PyTorch.

The names are those of the original loaders. Not here: how a dataset is read (``torch.py``).

>>> FRDEEPF.base_folder, FRDEEPF.train_list[0][0], FRDEEPN.base_folder
('FIRST', 'train_batch', 'NVSS')
"""

from __future__ import annotations

from mingolotss.loaders.recognition import Expected
from mingolotss.loaders.torch import StampDataset

__all__ = ["FRDEEPF", "FRDEEPN"]

_FIRST = Expected("frdeep-first", ("FIRST_PNG_dataset",))
_NVSS = Expected("frdeep-nvss", ("NVSS_PNG_dataset",))


class FRDEEPF(StampDataset, expected=_FIRST):
    """FR-DEEP from FIRST, FR I (0) and FR II (1): 460 for training, 198 for tests.

    This is version 2. Version 1, of 600 galaxies in a folder ``FIRST_PNG_dataset``, opens, too.

    Examples
    --------
    >>> from mingolotss import FRDEEPF
    >>> train = FRDEEPF("data", train=True, download=True)  # doctest: +SKIP
    >>> FRDEEPF.base_folder
    'FIRST'
    """


class FRDEEPN(StampDataset, expected=_NVSS):
    """FR-DEEP from NVSS, FR I (0) and FR II (1): the same galaxies as `FRDEEPF`.

    Version 1, in a folder ``NVSS_PNG_dataset``, opens, too.

    Examples
    --------
    >>> from mingolotss import FRDEEPN
    >>> train = FRDEEPN("data", train=True, download=True)  # doctest: +SKIP
    >>> FRDEEPN.base_folder
    'NVSS'
    """
