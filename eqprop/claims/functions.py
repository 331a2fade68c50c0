"""A pair's model and action as functions of floating-point leaves, each traced once for all that asks for it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from eqprop.claims.pair import Pair
from eqprop.engine import jitted


class Functions:
    """f, f′ and K beside the carried leaves of the example.

    Programs of one pair, and what finds out what its transformation is like, are traced one after the other; under one
    ``jit`` what they have in common is traced by the first of them, and so are its derivatives.

    Args:
        pair: is not kept: who asks keeps these as long as the pair.

    Attributes:
        f: (θ, inputs) ↦ outputs of the model.
        f_image: likewise of the image, which is the model itself but for a conversion.
        act: (g, θ) ↦ K_g θ.
    """

    def __init__(self, pair: Pair) -> None:
        apply, of_image, move = pair.model.apply, pair.image.apply, pair.transformation.on_params
        source, image = pair.model.param_leaves, pair.image.param_leaves
        self.f = jitted(lambda theta, inputs: apply(source.join(theta), inputs))
        converts = pair.target is not None
        self.f_image = jitted(lambda theta, inputs: of_image(image.join(theta), inputs)) if converts else self.f
        self.act = jitted(lambda element, theta: image.split(move(element, source.join(theta))))


_known: WeakKeyDictionary[Pair, Functions] = WeakKeyDictionary()


def functions_of(pair: Pair) -> Functions:
    """Those of a pair object, made once."""
    if pair not in _known:
        _known[pair] = Functions(pair)
    return _known[pair]
