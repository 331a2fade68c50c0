"""The symmetries of the layers of Flax (linen and nnx), Equinox and Haiku, in every precision, and broken ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from eqprop import Pair
from eqprop.properties import by_name
from tests.layers import equinox_nn, flax_linen, flax_nnx, haiku_nn
from tests.layers.statements import (
    NUMBERS,
    Library,
    breaks,
    dropping_is_seen,
    forgetting_is_seen,
    growth,
    judged,
    keeps,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:SelfAttention will be deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types:FutureWarning"),  # nnx's own statistics
]

LIBRARIES: dict[str, Library] = {
    "linen": flax_linen.LIBRARY,
    "nnx": flax_nnx.LIBRARY,
    "equinox": equinox_nn.LIBRARY,
    "haiku": haiku_nn.LIBRARY,
}

WHOLE = ("shift", "length of directions", "size")
"""Claims on a tensor that may be moved or not as a whole."""

QUICK = {
    (library, claim, name)
    for library, dense in (("linen", "Dense"), ("nnx", "Linear"), ("equinox", "Linear"), ("haiku", "Linear"))
    for claim, name in ((f"{dense}, rescaled", "float64"), (f"{dense}, rescaled", "bfloat16"))
} | {
    (library, claim, "float32")
    for library, claim in (
        ("linen", "RNN GRUCell, units"),
        ("nnx", "RNN GRUCell, units"),
        ("equinox", "GRUCell, units"),
        ("haiku", "GRU, units"),
    )
}
"""Those that run by default: of each library a dense layer in the widest and the narrowest type, a cell in float32."""


def cases(*, broken: bool) -> list[Any]:
    """Every claim in every type; all but the quick ones are marked slow."""
    found: list[Any] = []
    for library, table in LIBRARIES.items():
        for claim in table.claims:
            for name, numbers in NUMBERS.items():
                if numbers.inside is None or table.told:
                    quick = (library, claim, name) in QUICK and not (broken and name == "float32")
                    marks = [] if quick else [pytest.mark.slow]
                    found.append(pytest.param(library, claim, name, marks=marks, id=f"{library}: {claim} ({name})"))
    return found


@cache
def claimed(library: str, claim: str, name: str) -> Pair:
    """A layer and its symmetry; made once for the three tests, as a library's initialisation takes its seconds."""
    return LIBRARIES[library].claims[claim](NUMBERS[name])


@pytest.mark.parametrize(("library", "claim", "name"), cases(broken=False))
def test_a_layer_keeps_its_symmetry(library: str, claim: str, name: str) -> None:
    keeps(claimed(library, claim, name), name, stops=claim in LIBRARIES[library].stopping)


@pytest.mark.parametrize(("library", "claim", "name"), cases(broken=True))
def test_a_claim_that_forgets_a_tensor_is_falsified(library: str, claim: str, name: str) -> None:
    forgetting_is_seen(claimed(library, claim, name), name, part=claim.endswith(WHOLE))


@pytest.mark.parametrize(("library", "claim", "name"), cases(broken=True))
def test_a_backward_rule_that_drops_a_term_is_falsified(library: str, claim: str, name: str) -> None:
    dropping_is_seen(claimed(library, claim, name), name)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_layer_that_a_library_has_is_tested_or_out_of_scope_with_a_reason(library: str) -> None:
    table = LIBRARIES[library]
    assert table.exported - table.tested - table.out_of_scope.keys() == set()
    assert table.tested.isdisjoint(table.out_of_scope)
    assert all(table.out_of_scope.values())


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_norm_breaks_the_scale_before_it_in_proportion_to_epsilon(library: str) -> None:
    scaled = LIBRARIES[library].scaled
    assert growth({epsilon: breaks(scaled(epsilon)) for epsilon in (1e-4, 1e-2)}) == pytest.approx(1, abs=0.2)


def test_a_layer_that_computes_in_float32_is_held_to_float32_and_says_so() -> None:
    pair = flax_linen.LIBRARY.claims["Dense, rescaled"](NUMBERS["float32 inside"])
    verdict = judged(pair, (by_name("equivariance"),))["equivariance"]
    assert verdict.precision == "float32"
    assert 1e-9 < verdict.resolution < 1e-4
