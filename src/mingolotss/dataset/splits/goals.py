"""How many sources of each class or tag the splits should have, in whole sources.

>>> strata = Strata.of_labels(np.array([0, 0, 0, 0, 1, 1]), ("FRI", "FRII"))
>>> goals = Goals.of(strata, np.array([0.5, 0.5]))
>>> goals.strata.tolist(), goals.sizes.tolist()
([[2, 1], [2, 1]], [3, 3])
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from mingolotss.dataset.splits.dealing import share_out
from mingolotss.dataset.splits.strata import Strata
from mingolotss.model import Bools, Floats, Ints

__all__ = ["Goals"]


class Goals(NamedTuple):
    """How many sources each split should have.

    Attributes
    ----------
    strata : int64 array, shape (splits, strata)
        Of each stratum.
    sizes : int64 array, shape (splits,)
        Of all.
    exact : float array, shape (splits, strata)
        `strata` before they were rounded.
    of_all : float array, shape (splits,)
        The share of each split of all sources.
    """

    strata: Ints
    sizes: Ints
    exact: Floats
    of_all: Floats

    @classmethod
    def of(
        cls,
        strata: Strata,
        of_all: Floats,
        shares: Floats | None = None,
        counted: Bools | None = None,
    ) -> Self:
        """Return the goals of shares.

        Parameters
        ----------
        strata : Strata
        of_all : float array, shape (splits,)
            The shares of all sources, in sum 1.
        shares : float array, shape (splits, strata), optional
            The shares of each stratum; by default those of all sources.
        counted : bool array, shape (n,), optional
            The sources of which these are shares; by default all.
        """
        totals = strata.totals(counted)
        if shares is None:
            shares = np.tile(of_all[:, None], (1, len(totals)))
        quotas = share_out(totals, shares)
        sizes = quotas.sum(axis=1)
        if not strata.is_exclusive:
            number = len(strata) if counted is None else int(counted.sum())
            sizes = share_out(np.array([number]), of_all[:, None])[:, 0]
        return cls(quotas, sizes, shares * totals, of_all)
