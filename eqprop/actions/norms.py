"""What norms leave free: their gains, the scale of what they normalise, and the stream that they stand on.

Axes are given as for ``hidden_units``; each constructor raises ``InvalidInput`` as it does.
"""

from __future__ import annotations

from typing import Literal

import jax
import numpy as np

from eqprop.actions.axes import Axes, axes_of
from eqprop.actions.moves import declared, moves
from eqprop.actions.shifts import shifted
from eqprop.arguments import call_of, one_of, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths, matching
from eqprop.errors import InvalidInput
from eqprop.groups import GeneralLinear, Orthogonal, Scaling


def norm_gain(features: int, *, gains: Axes, reads: Axes, name: str = "norm-gain") -> Transformation:
    """The gain of a norm against the layer behind it: (γ, β) ↦ c (γ, β), W ↦ W / c, a factor for each feature.

    Args:
        features: of the norm.
        gains: the gain, and the shift where there is one.
        reads: all that reads the normalised features.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without gains or without readers: a factor that nothing divides out is no symmetry.
    """
    where = call_of("norm_gain", name)
    if not axes_of(gains, f"{where}: gains") or not axes_of(reads, f"{where}: reads"):
        msg = f"{where}: give gains= and reads=; a factor that nothing divides out is no symmetry."
        raise InvalidInput(msg)
    scaling = Scaling(whole_number(features, f"{where}: features is"))
    declarations = [*moves(gains, f"{where}: gains"), *moves(reads, f"{where}: reads", dual=True)]
    return declared(scaling, declarations, name=name, where=where)


def norm_scale(factors: int, *, writes: Axes, epsilon: Axes | None = None, name: str = "norm-scale") -> Transformation:
    """The scale of what is normalised: (W, b) ↦ c (W, b), which a norm with ε = 0 removes; with ε ↦ c² ε any norm does.

    Args:
        factors: how many there are: one for each feature of a batch norm, one for each group of a group norm (then
            axes are patterns such as ``"d_in (units members)"``), one for each row of a weight norm.
        writes: all that is added up before the norm.
        epsilon: the norm's ε, where it is among the parameters.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without writers: nothing would be scaled.
    """
    where = call_of("norm_scale", name)
    if not axes_of(writes, f"{where}: writes"):
        msg = f"{where}: writes= names no tensor; nothing would be scaled."
        raise InvalidInput(msg)
    scaling = Scaling(whole_number(factors, f"{where}: factors is"))
    declarations = [*moves(writes, f"{where}: writes"), *moves(epsilon, f"{where}: epsilon", power=2.0)]
    return declared(scaling, declarations, name=name, where=where)


def residual_stream(
    width: int,
    *,
    writes: Axes,
    reads: Axes | None = None,
    norm: Literal["none", "rms", "layer"] = "none",
    params: Params = None,
    name: str = "stream",
) -> Transformation:
    """The stream of a residual network, of which the norm in front of its readers leaves a group.

    Without norms a basis change M ∈ GL(width) of every writer, and its inverse in every reader; with RMSNorm (gains
    folded) a rotation or reflection; with LayerNorm before every reader the same may be added to all features of any
    writer. The rotations and reflections that LayerNorm leaves as well (gains folded) are those that fix (1, …, 1):
    ``hidden_units(groups.FixingOnes(width), …)``.

    Args:
        width: of the stream.
        writes: every tensor that is added to the stream, embeddings and output biases included.
        reads: every tensor that reads it. One that writes as well (a tied embedding, with ``norm="rms"``) is named
            among the writers only: an orthogonal map is its own dual. With ``norm="layer"`` readers stay as they are.
        norm: in front of every reader.
        params: example parameters, for ``norm="layer"``: the number of shifts follows from their shapes.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without writers, for a norm that is none of these; with ``norm="layer"`` at once for what is wrong
            with a tensor or an axis, otherwise at the first use on parameters.
    """
    where = call_of("residual_stream", name)
    if not axes_of(writes, f"{where}: writes"):
        msg = f"{where}: writes= names no tensor; nothing would move."
        raise InvalidInput(msg)
    width = whole_number(width, f"{where}: width is")
    if one_of(norm, ("none", "rms", "layer"), f"{where}: norm") == "layer":
        return shifted(params, _features(width, writes, params, where), name=name, where=where)
    group = GeneralLinear(width) if norm == "none" else Orthogonal(width)
    declarations = [*moves(writes, f"{where}: writes"), *moves(reads, f"{where}: reads", dual=True)]
    return declared(group, declarations, name=name, where=where)


def _features(width: int, writes: Axes, params: Params, where: str) -> dict[str, int]:
    """The axes of the features, which must be numbers, and as long as the stream is wide."""
    if params is None:
        msg = f"{where}: norm='layer' needs params=, whose shapes say how many shifts there are."
        raise InvalidInput(msg)
    plain = {path: axis for path, axis in axes_of(writes, f"{where}: writes").items() if isinstance(axis, int)}
    if len(plain) < len(writes):
        msg = f"{where}: with norm='layer' axes are numbers; got {dict(writes)!r}."
        raise InvalidInput(msg)
    leaves, paths = jax.tree.leaves(params), leaf_paths(params)
    for pattern, axis in plain.items():
        for i in matching(paths, pattern, role=where):
            shape = np.shape(leaves[i])
            if -len(shape) <= axis < len(shape) and shape[axis] != width:
                msg = f"{where}: {paths[i]!r} of shape {shape} has not the stream's {width} features along axis {axis}."
                raise InvalidInput(msg)
    return plain
