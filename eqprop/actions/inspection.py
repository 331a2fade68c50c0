"""What a model is made of, and which constructors its tensors could go with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from eqprop.actions.layers import Layer, Shapes, layers_of, parent_of
from eqprop.arguments import got
from eqprop.claims import Model
from eqprop.errors import InvalidInput

CIRCUITS = (
    (("query", "q_proj", "query_proj", "wq", "to_q"), ("key", "k_proj", "key_proj", "wk", "to_k"), "queries", "keys"),
    (
        ("value", "v_proj", "value_proj", "wv", "to_v"),
        ("out", "o_proj", "output_proj", "out_proj", "wo", "attention_output"),
        "values",
        "outputs",
    ),
)
"""Names of projections of attention heads, in the libraries there are, with the roles that they have."""


PROJECTIONS = frozenset(name for writers, readers, *_ in CIRCUITS for name in (*writers, *readers))


def inspect(model: Model) -> None:
    """Print the tensors of a model, their shapes, and the constructors that they could go with.

    Suggestions are read off shapes and names, each as the call to be typed: whether it is a symmetry of the model is
    what ``eqprop.verify`` says.

    Args:
        model: an ``eqprop.Model``, one that an adapter made perhaps.

    Raises:
        InvalidInput: for anything else.
    """
    if not isinstance(model, Model):
        msg = f"eqprop.inspect: model is {got(model)}; expected an eqprop.Model, as eqprop.flax.from_module makes one."
        raise InvalidInput(msg)
    print(inspected(model))  # noqa: T201 - it is what it is for


def inspected(model: Model) -> str:
    """What ``inspect`` prints."""
    leaves = model.param_leaves
    width = max(map(len, leaves.paths), default=0)
    rows = zip(leaves.paths, leaves.shapes, leaves.dtypes, leaves.floating, strict=True)
    tensors = [
        f"  {path:{width}}  {shape!s:14} {dtype}{'' if floating else '  (not differentiated)'}"
        for path, shape, dtype, floating in rows
    ]
    calls = [f"  {call}" for call in suggested(dict(zip(leaves.paths, leaves.shapes, strict=True)))]
    said = "could go with, by shapes and names; eqprop.verify(eqprop.Pair(model, …)) says whether it holds:"
    return "\n".join([repr(model), *tensors, *([said, *calls] if calls else ["no constructor is suggested"])])


def suggested(shapes: Shapes) -> list[str]:
    """Calls of constructors, as Python, that fit the shapes of these tensors."""
    layers = layers_of(shapes)
    plain = [layer for layer in layers if _name(layer) not in PROJECTIONS]
    return [*_units(plain), *_gains(plain), *_heads(layers), *_logits(plain)]


def _units(layers: list[Layer]) -> Iterator[str]:
    """Units between a layer and the next that reads as many, norms between them included."""
    for i, layer in enumerate(layers):
        reader = _next_reader(layers, i)
        if layer.kernel and reader is not None and len(layer.shape) == len(reader.shape):
            between = [norm for norm in layers if _between(norm, layer, reader, layers)]
            writes = {path: axis for one in (layer, *between) for path, axis in one.writes.items()}
            group = f"groups.Permutation({layer.width})"
            yield f"eqprop.hidden_units({group}, writes={_python(writes)}, reads={_python(reader.reads)})"


def _between(norm: Layer, writer: Layer, reader: Layer, layers: list[Layer]) -> bool:
    inside = layers[layers.index(writer) + 1 : layers.index(reader)]
    return not norm.kernel and norm.width == writer.width and (norm in inside or _beside(norm, writer, layers))


def _beside(norm: Layer, writer: Layer, layers: list[Layer]) -> bool:
    """Whether a norm, or its statistics in another collection, can belong to no other writer."""
    return [layer for layer in layers if layer.kernel and layer.width == norm.width] == [writer]


def _gains(layers: list[Layer]) -> Iterator[str]:
    """The gain of a norm against what reads it."""
    for i, norm in enumerate(layers):
        reader = None if norm.kernel else _next_reader(layers, i)
        gains = {path: 0 for path in norm.vectors if not re.search("mean|var", path)}
        if reader is not None and gains:
            yield f"eqprop.norm_gain({norm.width}, gains={_python(gains)}, reads={_python(reader.reads)})"


def _next_reader(layers: list[Layer], i: int) -> Layer | None:
    """The next layer that reads what this one writes; where names do not count, any other one that does."""
    before = () if re.search(r"\d", layers[i].path) else layers[:i]
    candidates = [layer for layer in (*layers[i + 1 :], *before) if layer.kernel]
    return next((layer for layer in candidates if layer.shape[layer.read] == layers[i].width), None)


def _heads(layers: list[Layer]) -> Iterator[str]:
    """Circuits of attention heads, where projections have names of their own."""
    for layer in layers:
        beside = {_name(other): other for other in layers if parent_of(other.path) == parent_of(layer.path)}
        for writers, readers, first, second in CIRCUITS:
            found = next((beside[reader] for reader in readers if reader in beside), None)
            if _name(layer) in writers and found is not None:
                yield _circuit(layer, found, first, second)


def _name(layer: Layer) -> str:
    """The last name of a layer's path."""
    return layer.path.removeprefix(parent_of(layer.path)).lstrip("/.")


def _circuit(writer: Layer, reader: Layer, first: str, second: str) -> str:
    """A call: with numbers where heads have an axis of their own, else with patterns and the product to be split."""
    if len(writer.shape) == 3:
        heads, width = writer.shape[1:]
        written, matched = _of_heads(writer), _of_heads(reader)
        axes = matched if second == "keys" else {reader.kernel: (0, 1)}
        return f"eqprop.attention_heads({heads}, {width}, {first}={_python(written)}, {second}={_python(axes)})"
    patterns = {path: _pattern(writer, path, axis) for path, axis in writer.writes.items()}
    kept = reader.writes if second == "keys" else reader.reads
    against = {path: _pattern(reader, path, axis) for path, axis in kept.items()}
    call = f"eqprop.attention_heads(heads, width, {first}={_python(patterns)}, {second}={_python(against)})"
    return f"{call}  # heads * width = {writer.width}"


def _of_heads(layer: Layer) -> dict[str, tuple[int, int]]:
    return {layer.kernel: (1, 2), **dict.fromkeys(layer.shared, (0, 1))}


def _pattern(layer: Layer, path: str, axis: int) -> str:
    """Heads that share an axis, which is the last of a vector."""
    names = ["d"] * len(layer.shape) if path == layer.kernel else ["d"]
    return " ".join("(copies units)" if i == axis else f"{name}{i}" for i, name in enumerate(names))


def _logits(layers: list[Layer]) -> Iterator[str]:
    """What a softmax behind the last layer does not see."""
    last = [layer for layer in layers if layer.kernel][-1:]
    for layer in last:
        if len(layer.shape) == 2:
            yield f"eqprop.softmax_shift(model.params, {_python(layer.writes)})  # where a softmax follows"


def _python(axes: Mapping[str, object]) -> str:
    """A declaration as it is typed."""
    return "{" + ", ".join(f'"{path}": {_quoted(axis)}' for path, axis in axes.items()) + "}"


def _quoted(axis: object) -> str:
    return f'"{axis}"' if isinstance(axis, str) else repr(axis)
