"""The usual blocks of networks, by the names of their tensors: attention heads, gated units, experts, channels, states.

Each constructor says which group acts, and on which side of which tensors; ``hidden_units`` does the rest. Axes are
given as there: a number, a pair (axis of the copies, axis of the units), or a pattern such as
``"d_in (copies units)"``. Every one raises ``InvalidInput`` as ``hidden_units`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from eqprop.actions.axes import Axes, Axis, axes_of
from eqprop.actions.moves import Move, declared, moves
from eqprop.actions.units import units_between
from eqprop.arguments import call_of, got, mapping_of, one_of, whole_number
from eqprop.claims import Transformation
from eqprop.errors import InvalidInput
from eqprop.groups import ComplexScaling, GeneralLinear, Group, Orthogonal, Permutation, Power, Product, Scaling

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
    where = call_of("attention_heads", name)
    roles = {"queries": queries, "keys": keys, "values": values, "outputs": outputs}
    named = {role: axes_of(axes, f"{where}: {role}") for role, axes in roles.items()}
    circuits = [({a: named[a]}, {b: named[b]}) for a, b in (("queries", "keys"), ("values", "outputs"))]
    given = [(writes, reads) for writes, reads in circuits if any((*writes.values(), *reads.values()))]
    if len(given) != 1 or not all((*given[0][0].values(), *given[0][1].values())):
        msg = f"{where}: give queries= and keys=, or values= and outputs=; combined(…) joins them."
        raise InvalidInput(msg)
    heads = whole_number(heads, f"{where}: heads is", least=1)
    width = whole_number(width, f"{where}: width is")
    if rotary is not None and (named["values"] or width % 2):
        msg = f"{where}: rotary= turns pairs of units of queries and keys; the width is {width!r}."
        raise InvalidInput(msg)
    if rotary is not None:
        one_of(rotary, ("interleaved", "halves"), f"{where}: rotary")
    usual = GeneralLinear(width) if rotary is None else ComplexScaling(width // 2, rotary)
    per_head = usual if group is None else group
    return units_between(*given[0], Power(per_head, heads), name=name, constructor="attention_heads")


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

    Raises:
        InvalidInput: for tensors that are not named (a factor would not be divided out), or a group beside ``gate``.
    """
    where = call_of("glu", name)
    roles = {"up": up, "down": down, "gate": gate}
    named = {role: axes_of(axes, f"{where}: {role}") for role, axes in roles.items()}
    if not (named["up"] and named["down"]) or (gate is not None and not named["gate"]):
        msg = f"{where}: up is {up!r}, down is {down!r}, gate is {gate!r}; name tensors in each that is given."
        raise InvalidInput(msg)
    scaling = Scaling(whole_number(hidden, f"{where}: hidden is"))
    if gate is None:
        acting = scaling if group is None else group
        return units_between({"up": up}, {"down": down}, acting, name=name, constructor="glu")
    if group is not None:
        msg = f"{where}: with gate= the group is Scaling × Scaling; leave out group={group!r}."
        raise InvalidInput(msg)
    both: list[Move] = []
    for factor, (role, written) in enumerate({"up": up, "gate": gate}.items()):
        both += moves(written, f"{where}: {role}", factor=factor)
        both += moves(down, f"{where}: down", dual=True, factor=factor)
    return declared(Product(scaling, scaling), both, name=name, where=where)


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
    where = call_of("low_rank", name)
    rank, read = whole_number(rank, f"{where}: rank is"), axes_of(reads, f"{where}: reads")
    acting = group if group is not None else GeneralLinear(rank) if read else Orthogonal(rank)
    return units_between({"writes": writes}, {"reads": reads}, acting, name=name, constructor="low_rank")


def experts(count: int, axes: Axes, *, name: str = "experts") -> Transformation:
    """Permutations of experts, heads or members of an ensemble: every tensor of theirs is moved along its axis.

    Args:
        count: how many.
        axes: path or glob pattern → the axis of the experts, the router's included.
        name: used in reports and test ids.
    """
    acting = Permutation(whole_number(count, f"{call_of('experts', name)}: count is"))
    return units_between({"axes": axes}, {}, acting, name=name, constructor="experts")


def states(
    group: Group,
    *,
    inputs: Axes | None = None,
    outputs: Axes | None = None,
    recurrent: Mapping[str, tuple[Axis, Axis]] | None = None,
    name: str = "states",
) -> Transformation:
    """A change of basis of a state s' = A s + B x, y = C s: B ↦ g B, A ↦ g A g⁻¹, C ↦ C g⁻¹.

    Args:
        group: GeneralLinear(n) for a dense linear recurrence, Scaling(n) or ComplexScaling(n) for a diagonal one (whose
            A stays as it is), Permutation(n) and Sign(n) where a nonlinearity allows these.
        inputs: what writes the state: B, biases, the initial state.
        outputs: what reads it: C.
        recurrent: path or glob pattern → (axis that writes, axis that reads), for A; where gates share a kernel one of
            them is a pattern, as in ``("(gates units) hidden", 1)``.
        name: used in reports and test ids.

    Raises:
        InvalidInput: for an A without a pair of axes, or one that is named among the inputs or outputs too.
    """
    where = call_of("states", name)
    both = {} if recurrent is None else mapping_of(recurrent, "{'a': (0, 1)}", f"{where}: recurrent")
    once = {**axes_of(inputs, f"{where}: inputs"), **axes_of(outputs, f"{where}: outputs")}
    for pattern, axes in both.items():
        if not isinstance(axes, tuple) or len(axes) != 2:
            msg = f"{where}: recurrent[{pattern!r}] is {got(axes)}; expected (axis that writes, axis that reads)."
            raise InvalidInput(msg)
        if pattern in once:
            msg = f"{where}: {pattern!r} is among recurrent and inputs or outputs; name it once."
            raise InvalidInput(msg)
    written, read = ({pattern: axes[side] for pattern, axes in both.items()} for side in (0, 1))
    return units_between(
        {"inputs": inputs, "recurrent": written},
        {"outputs": outputs, "recurrent": read},
        group,
        name=name,
        constructor="states",
    )


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
            as ``"(pixels units) d_out"``. A depthwise kernel between commutes with scalings and signs and is neither;
            permutations move it, among ``writes``.
        group: Permutation(count), Sign(count) or what else acts on channels.
        power: as in ``hidden_units``.
        name: used in reports and test ids.
    """
    acting = group if group is not None else Scaling(whole_number(count, f"{call_of('channels', name)}: count is"))
    roles = ({"writes": writes}, {"reads": reads})
    return units_between(*roles, acting, power=power, name=name, constructor="channels")
