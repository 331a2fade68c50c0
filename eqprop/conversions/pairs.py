"""A conversion as a pair: f, f′, and K between their parameters."""

from __future__ import annotations

from collections.abc import Mapping

from eqprop.arguments import flag, got, name_of, texts_of
from eqprop.claims import Model, Pair, Transformation
from eqprop.conversions.checkpoints import check_checkpoint
from eqprop.conversions.mapping import Conversion, Rule, rules_of
from eqprop.errors import InvalidInput
from eqprop.groups import Trivial


def conversion(
    source: Model,
    target: Model,
    mapping: Mapping[str, Rule],
    *,
    unused: tuple[str, ...] = (),
    checkpoint: bool = True,
    name: str = "conversion",
) -> Pair:
    """The claim that a mapping of weights keeps what a model computes: f′(Kθ, x) = f(θ, x), at every θ.

    Both models have the same inputs and outputs; what follows of order 1 and 2 is verified with it. ``mapping`` says of
    each tensor of the target what it is made of: the path of a tensor of the source, or a function with the paths of
    what it is given, of which ``eqprop.conversions`` has the usual ones::

        eqprop.conversion(torch_model, flax_model, {
            "Dense_0/kernel": (transposed, "0.weight"),
            "Dense_0/bias": "0.bias",
        })

    Args:
        source: the model that is converted; its parameters are the checkpoint.
        target: the model that it becomes.
        mapping: path of the target → rule, of every tensor that the target has, state included.
        unused: paths of the source that the target has no use for. Every other one must be used.
        checkpoint: whether the target's parameters are the converted ones: they are compared with what the mapping
            makes of the source's, tensor by tensor. False where they are any.
        name: used in reports.

    Raises:
        InvalidInput: naming the tensor that nothing makes, that is not used, that has another shape, or whose converted
            weights are not what the mapping makes.
    """
    what = f"conversion {name_of(name, 'conversion')!r}"
    for label, model in (("source", source), ("target", target)):
        if not isinstance(model, Model):
            msg = f"{what}: {label} is {got(model)}; expected an eqprop.Model, as eqprop.flax.from_module makes one."
            raise InvalidInput(msg)
    rules = rules_of(source, target, mapping, texts_of(unused, "('0.num_batches_tracked',)", f"{what}: unused"), what)
    convert = Conversion(rules, target, what)
    if flag(checkpoint, f"{what}: checkpoint"):
        check_checkpoint(source, target, convert)
    return Pair(source, Transformation(Trivial(), convert, name=name), target=target)
