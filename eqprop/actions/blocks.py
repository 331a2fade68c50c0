"""The usual blocks of networks, by the names of their tensors: attention heads, gated units, norms, streams, states.

Each constructor says which group acts, and on which side of which tensors; ``hidden_units`` does the rest. Axes are
given as there: a number, a pair (axis of the copies, axis of the units), or a pattern such as
``"d_in (copies units)"``. Every one raises ``InvalidInput`` as ``hidden_units`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from eqprop.actions.axes import Axes
from eqprop.actions.moves import Move, declared, moves
from eqprop.actions.shifts import softmax_shift
from eqprop.actions.units import hidden_units
from eqprop.errors import InvalidInput
from eqprop.groups.base import Group
from eqprop.groups.discrete import Permutation
from eqprop.groups.linear import GeneralLinear, Orthogonal
from eqprop.groups.product import Power, Product
from eqprop.groups.scaling import ComplexScaling, Scaling
from eqprop.transformation import Transformation

RotaryLayout = Literal["interleaved", "halves"]


def attention_heads(
    heads: int,
    width: int,
    *,
    queries: Axes | None = None,
    keys: Axes | None = None,
    values: Axes | None = None,
    outputs: Axes | None = None,
    rotary: RotaryLayout | None = None,
    group: Group | None = None,
    name: str = "heads",
) -> Transformation:
    """One circuit of attention heads: queries against keys, or values against outputs.

    A softmax sees q·k alone: in each head q ↦ M q and k ↦ M⁻ᵀ k for M ∈ GL(width). What leaves a head is a linear map
    of its values: v ↦ M v and O ↦ O M⁻¹. Rotary positions leave one complex factor for each frequency in place of M.

    Axes are pairs (heads, units), or patterns: ``"d_in (copies units)"`` where heads share an axis. In grouped-query
    attention ``heads`` counts the key-value heads, and queries name the members of a group:
    ``"d_in (copies group units)"``.

    Args:
        heads: how many have keys and values of their own.
        width: of a query and a key, or of a value.
        queries: their projections (biases too), with ``keys``.
        keys: likewise.
        values: likewise, with ``outputs``.
        outputs: the projection behind the heads.
        rotary: the layout of a rotary embedding on all units of queries and keys.
        group: what acts in each head instead (norms on queries and keys leave less, partial rotary positions more).
        name: used in reports and test ids.

    Raises:
        InvalidInput: unless queries and keys are given, or values and outputs, and not both.
    """
    circuits = [(queries, keys), (values, outputs)]
    given = [pair for pair in circuits if pair[0] or pair[1]]
    if len(given) != 1 or not all(given[0]):
        msg = f"attention_heads({name!r}): give queries= and keys=, or values= and outputs=; combined(…) joins them."
        raise InvalidInput(msg)
    if rotary is not None and (values or width % 2):
        msg = f"attention_heads({name!r}): rotary= turns pairs of units of queries and keys; the width is {width!r}."
        raise InvalidInput(msg)
    usual = GeneralLinear(width) if rotary is None else ComplexScaling(width // 2, rotary)
    (writes, reads), per_head = given[0], usual if group is None else group
    return hidden_units(Power(per_head, heads), writes=writes, reads=reads, name=name)


def glu(
    hidden: int, *, up: Axes, down: Axes, gate: Axes | None = None, group: Group | None = None, name: str = "glu"
) -> Transformation:
    """Gated units, (σ(h W_g) ∘ (h W_u)) W_d: a factor on the up-projection is divided out in the down-projection.

    Args:
        hidden: how many units.
        up: the up-projection (its bias too).
        down: the down-projection.
        gate: the gate's projection, where σ is positively homogeneous (ReLU), which has a factor of its own then.
        group: what acts on the units where the gate stays: Scaling by default; Sign and Permutation (with the gate
            among ``up``) are others.
        name: used in reports and test ids.
    """
    if gate is None:
        return hidden_units(Scaling(hidden) if group is None else group, writes=up, reads=down, name=name)
    if group is not None:
        msg = f"glu({name!r}): with gate= the group is Scaling × Scaling; leave out group={group!r}."
        raise InvalidInput(msg)
    both: list[Move] = []
    for factor, written in enumerate((up, gate)):
        both += [*moves(written, factor=factor), *moves(down, dual=True, factor=factor)]
    return declared(Product(Scaling(hidden), Scaling(hidden)), both, name=name, constructor="glu")


def low_rank(
    rank: int, *, writes: Axes, reads: Axes | None = None, group: Group | None = None, name: str = "low-rank"
) -> Transformation:
    """A product of two factors, B A or U Vᵀ, with GL(rank) between them; A ↦ M A and B ↦ B M⁻¹.

    Args:
        rank: the number of components between the factors.
        writes: one factor, with the axis of the components.
        reads: the other; where there is none (U Uᵀ) the group is O(rank).
        group: what acts instead.
        name: used in reports and test ids.
    """
    usual = GeneralLinear(rank) if reads else Orthogonal(rank)
    return hidden_units(usual if group is None else group, writes=writes, reads=reads, name=name)


def experts(count: int, axes: Axes, *, name: str = "experts") -> Transformation:
    """Permutations of experts, heads or members of an ensemble: every tensor of theirs is moved along its axis.

    Args:
        count: how many.
        axes: path or glob pattern → the axis of the experts, the router's included.
        name: used in reports and test ids.
    """
    return hidden_units(Permutation(count), writes=axes, name=name)


def states(
    group: Group,
    *,
    inputs: Axes | None = None,
    outputs: Axes | None = None,
    recurrent: Mapping[str, tuple[int, int]] | None = None,
    name: str = "states",
) -> Transformation:
    """A change of basis of a state s' = A s + B x, y = C s: B ↦ g B, A ↦ g A g⁻¹, C ↦ C g⁻¹.

    Args:
        group: GeneralLinear(n) for a dense linear recurrence, Scaling(n) or ComplexScaling(n) for a diagonal one (whose
            A stays as it is), Permutation(n) and Sign(n) where a nonlinearity allows these.
        inputs: what writes the state: B, biases, the initial state.
        outputs: what reads it: C.
        recurrent: path or glob pattern → (axis that writes, axis that reads), for A.
        name: used in reports and test ids.
    """
    both = recurrent or {}
    written = {**(inputs or {}), **{pattern: axes[0] for pattern, axes in both.items()}}
    read = {**(outputs or {}), **{pattern: axes[1] for pattern, axes in both.items()}}
    return hidden_units(group, writes=written, reads=read, name=name)


def channels(
    count: int,
    *,
    writes: Axes,
    reads: Axes | None = None,
    group: Group | None = None,
    power: float = 1.0,
    name: str = "channels",
) -> Transformation:
    """The channels of a convolution, as ``hidden_units``: Scaling by default, if what follows is homogeneous.

    Args:
        count: how many.
        writes: the kernel (its axis of output channels), and the bias.
        reads: the next kernel (its axis of input channels); of a dense layer behind a flattened image, a pattern such
            as ``"(pixels units) d_out"``; kernels of a depthwise convolution between are neither.
        group: Permutation(count), Sign(count) or what else acts on channels.
        power: as in ``hidden_units``.
        name: used in reports and test ids.
    """
    acting = Scaling(count) if group is None else group
    return hidden_units(acting, writes=writes, reads=reads, power=power, name=name)


def norm_gain(features: int, *, gains: Axes, reads: Axes, name: str = "norm-gain") -> Transformation:
    """The gain of a norm against the layer behind it: (γ, β) ↦ c (γ, β), W ↦ W / c, a factor for each feature.

    Args:
        features: of the norm.
        gains: the gain, and the shift where there is one.
        reads: all that reads the normalised features.
        name: used in reports and test ids.
    """
    return hidden_units(Scaling(features), writes=gains, reads=reads, name=name)


def norm_scale(factors: int, *, writes: Axes, epsilon: Axes | None = None, name: str = "norm-scale") -> Transformation:
    """The scale of what is normalised: (W, b) ↦ c (W, b), which a norm with ε = 0 removes; with ε ↦ c² ε any norm does.

    Args:
        factors: how many there are: one for each feature of a batch norm, one for each group of a group norm (then
            axes are patterns such as ``"d_in (units members)"``), one for each row of a weight norm.
        writes: all that is added up before the norm.
        epsilon: the norm's ε, where it is among the parameters.
        name: used in reports and test ids.
    """
    declarations = [*moves(writes), *moves(epsilon, power=2.0)]
    return declared(Scaling(factors), declarations, name=name, constructor="norm_scale")


def residual_stream(
    width: int,
    *,
    writes: Axes,
    reads: Axes | None = None,
    norm: Literal["none", "rms", "layer"] = "none",
    params: Any = None,
    name: str = "stream",
) -> Transformation:
    """The stream of a residual network, of which the norm in front of its readers leaves a group.

    Without norms a basis change M ∈ GL(width) of every writer, and its inverse in every reader; with RMSNorm (gains
    folded) a rotation or reflection; with LayerNorm before every reader the same may be added to all features of any
    writer.

    Args:
        width: of the stream.
        writes: every tensor that is added to the stream, embeddings and output biases included.
        reads: every tensor that reads it. One that writes as well (a tied embedding, with ``norm="rms"``) is named
            among the writers only: an orthogonal map is its own dual.
        norm: in front of every reader.
        params: example parameters, for ``norm="layer"``: the number of shifts follows from their shapes.
        name: used in reports and test ids.
    """
    if norm == "layer":
        if params is None:
            msg = f"residual_stream({name!r}): norm='layer' needs params=, whose shapes say how many shifts there are."
            raise InvalidInput(msg)
        plain = {pattern: axis for pattern, axis in writes.items() if isinstance(axis, int)}
        if len(plain) < len(writes):
            msg = f"residual_stream({name!r}): with norm='layer' axes are numbers; got {dict(writes)!r}."
            raise InvalidInput(msg)
        return softmax_shift(params, plain, name=name)
    if norm not in ("none", "rms"):
        msg = f"residual_stream({name!r}): norm is {norm!r}; expected 'none', 'rms' or 'layer'."
        raise InvalidInput(msg)
    group = GeneralLinear(width) if norm == "none" else Orthogonal(width)
    return hidden_units(group, writes=writes, reads=reads, name=name)
