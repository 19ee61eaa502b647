"""The datasets of MiraBest (Porter & Scaife 2023, RASTI 2, 293) for PyTorch.

The short names, ``MBFRConfident`` for example, and the numbers of the classes are those of the
original loaders. The names of the classes are those in the published batches: the first digit is 1
for FRI, 2 for FRII and 3 for hybrids, and the second 0 for confident and 1 for uncertain. Not here:
how a dataset is read (``torch.py``).

>>> MiraBest.base_folder, MiraBest.test_list[0][0], len(MiraBest.train_list)
('F_batches', 'test_batch', 7)
>>> issubclass(MBFRConfident, MiraBest), MBFRConfident.url == MiraBest.url
(True, True)
"""

from __future__ import annotations

from mingolotss.loaders.recognition import Expected
from mingolotss.loaders.torch import BinaryDataset, StampDataset

__all__ = [
    "MBFRConfident",
    "MBFRFull",
    "MBFRUncertain",
    "MBHybrid",
    "MiraBest",
    "MiraBestConfident",
    "MiraBestFRI",
    "MiraBestFRII",
    "MiraBestHybrid",
    "MiraBestUncertain",
]


class MiraBest(StampDataset, expected=Expected("mirabest", ("batches",))):
    """MiraBest: 1,256 radio galaxies from FIRST in ten classes; 1,099 for training, 157 for tests.

    It opens the other published versions of MiraBest, too: that of 792 galaxies in two classes, for
    example. The classes below need the ten classes.

    Examples
    --------
    The published files, in a folder or downloaded to it:

    >>> from mingolotss import MiraBest
    >>> train = MiraBest("data", train=True, download=True)  # doctest: +SKIP
    >>> MiraBest.base_folder, len(MiraBest.train_list)
    ('F_batches', 7)
    """


class MBFRFull(BinaryDataset, MiraBest):
    """FRI (0) against FRII (1), confident and uncertain: 1,069 for training, 153 for tests.

    Examples
    --------
    >>> from mingolotss import MBFRFull
    >>> train = MBFRFull("data", train=True, download=True)  # doctest: +SKIP
    >>> MBFRFull.base_folder
    'F_batches'
    """


class MiraBestConfident(MiraBest, merge={"FRI": ("100", "102", "104"), "FRII": ("200", "201")}):
    """FRI (0) against FRII (1), confident ones only: 729 for training, 104 for tests.

    Examples
    --------
    >>> from mingolotss import MiraBestConfident
    >>> train = MiraBestConfident("data", train=True, download=True)  # doctest: +SKIP
    >>> MiraBestConfident.base_folder
    'F_batches'
    """


class MiraBestUncertain(MiraBest, merge={"FRI": ("110", "112"), "FRII": ("210",)}):
    """FRI (0) against FRII (1), uncertain ones only: 340 for training, 49 for tests.

    Examples
    --------
    >>> from mingolotss import MiraBestUncertain
    >>> train = MiraBestUncertain("data", train=True, download=True)  # doctest: +SKIP
    >>> MiraBestUncertain.base_folder
    'F_batches'
    """


class MiraBestHybrid(MiraBest, merge={"300": ("300",), "310": ("310",)}):
    """Hybrids, confident (0) and uncertain (1): 30 for training, 4 for tests.

    Examples
    --------
    >>> from mingolotss import MiraBestHybrid
    >>> train = MiraBestHybrid("data", train=True, download=True)  # doctest: +SKIP
    >>> MiraBestHybrid.base_folder
    'F_batches'
    """


class MiraBestFRI(MiraBest, merge={code: (code,) for code in ("100", "102", "104", "110", "112")}):
    """The five classes of FRI, as labels 0 to 4: 517 for training, 74 for tests.

    Examples
    --------
    >>> from mingolotss import MiraBestFRI
    >>> train = MiraBestFRI("data", train=True, download=True)  # doctest: +SKIP
    >>> MiraBestFRI.base_folder
    'F_batches'
    """


class MiraBestFRII(MiraBest, merge={code: (code,) for code in ("200", "201", "210")}):
    """The three classes of FRII, as labels 0 to 2: 552 for training, 79 for tests.

    Examples
    --------
    >>> from mingolotss import MiraBestFRII
    >>> train = MiraBestFRII("data", train=True, download=True)  # doctest: +SKIP
    >>> MiraBestFRII.base_folder
    'F_batches'
    """


# The names of the original loaders.
MBFRConfident, MBFRUncertain, MBHybrid = MiraBestConfident, MiraBestUncertain, MiraBestHybrid
