"""Plans of splits as text: what is written is read again as the same plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mingolotss.dataset.splits import SplitPlan
from mingolotss.errors import InputError


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=5), st.integers(0, 2**63))
def test_a_plan_reads_its_own_text(parts, seed):
    """Whatever the shares are: thirds have 16 digits."""
    shares = {f"part-{index}": part / sum(parts) for index, part in enumerate(parts)}
    plan = SplitPlan("stratified", shares, seed=seed, reach_arcsec=sum(parts) * 100)
    assert SplitPlan.parse(plan.text) == plan


@pytest.mark.parametrize(
    "text", ["stratified:train=nan,test=1", "stratified:train=inf,test=1", "k-fold:folds=2.5",
             "stratified:seed=1e3", "blocks:seed=inf"],
)  # fmt: skip
def test_numbers_that_no_plan_can_have(text):
    with pytest.raises(InputError, match="split"):
        SplitPlan.parse(text)
