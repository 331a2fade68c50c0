"""Laws of training, on runs that are short."""

from __future__ import annotations

import jax
import pytest

from benchmarks.laws import ALLOWED, LAWS, Law, page

pytestmark = pytest.mark.checkout


@pytest.mark.parametrize("law", LAWS[:2], ids=lambda law: law.__name__)
def test_training_follows_to_the_last_digits_the_law_of(law):
    with jax.enable_x64(True):
        assert law(40).miss < ALLOWED


def test_a_page_has_the_claim_the_figures_and_the_pictures_of_each_law():
    written = page([Law("Title", "the claim", "the figures", 0.0, {"name": "<svg/>"})])
    assert "## Title\n\nthe claim\n\nthe figures\n\n![name](laws/name.svg)" in written
