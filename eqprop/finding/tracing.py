"""The axes of a traced program, followed from the parameters through every operation, loops and branches included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

from eqprop.claims import Model
from eqprop.engine import Typed, aval_of, inner_programs, is_foreign, scan_counts, traced
from eqprop.finding.atoms import Atoms, Axes, Axis
from eqprop.finding.opening import opened
from eqprop.finding.rules import RULES, elementwise, shape_of, unknown

Followed = Axes | None
"""The axes of a value; None where it does not depend on the parameters, and so ties nothing together."""


class Piece(NamedTuple):
    """A part of a leaf that is read by itself, ``start`` to ``stop`` along one axis, with axes of its own."""

    axis: int
    start: int
    stop: int
    axes: Axes


def traced_axes(model: Model) -> tuple[Atoms, list[list[Piece]]]:
    """The atoms of a model, joined as its program joins them, and the pieces of every leaf of its parameters."""
    atoms = Atoms()
    params, treedef = jax.tree.flatten(model.params)
    trace = traced(
        lambda leaves, inputs: model.apply(jax.tree.unflatten(treedef, leaves), inputs), params, model.inputs
    )
    program = opened(trace.jaxpr)
    leaves = program.invars[: len(params)]
    pieces = [_pieces(atoms, program, leaf) for leaf in leaves]
    known: dict[Var, Followed] = {}
    for leaf, own in zip(leaves, pieces, strict=True):
        known[leaf] = own[0].axes
        if len(own) > 1:
            ranges = {(piece.start, piece.stop): piece.axes for piece in own}
            known.update((e.outvars[0], ranges[_cut(e)[1:]]) for e in program.eqns if leaf in _variables(e))
    _follow(atoms, program, [None for _ in program.invars], known)
    return atoms, pieces


def _variables(equation: JaxprEqn) -> list[Var]:
    return [operand for operand in equation.invars if not isinstance(operand, Literal)]


def _pieces(atoms: Atoms, program: Jaxpr, leaf: Var) -> list[Piece]:
    """The parts of a leaf that is only ever sliced along one axis (the layers of a Python loop), else all of it."""
    shape = shape_of(leaf)
    used = [equation for equation in program.eqns if leaf in _variables(equation)]
    cuts = {_cut(equation) if equation.primitive.name == "slice" else (-1, 0, 0) for equation in used}
    cuts = sorted(cuts)
    tiles = [cut[1] for cut in cuts] == [0, *(cut[2] for cut in cuts[:-1])]
    if leaf in program.outvars or len({axis for axis, _, _ in cuts}) != 1 or cuts[0][0] < 0 or not tiles:
        return [Piece(0, 0, shape[0] if shape else 1, atoms.fresh(shape))]
    axis, end = cuts[0][0], cuts[-1][2]
    if end < shape[axis]:
        cuts.append((axis, end, shape[axis]))
    return [Piece(a, b, c, atoms.fresh((*shape[:a], c - b, *shape[a + 1 :]))) for a, b, c in cuts]


def _cut(equation: JaxprEqn) -> tuple[int, int, int]:
    """The one axis that a slice cuts, from where to where; −1 where it cuts several, or in steps."""
    params, shape = equation.params, shape_of(equation.invars[0])
    bounds = list(zip(params["start_indices"], params["limit_indices"], strict=True))
    cut = [axis for axis, size in enumerate(shape) if bounds[axis] != (0, size)]
    if len(cut) != 1 or any(step != 1 for step in params["strides"] or ()):
        return -1, 0, 0
    return cut[0], int(bounds[cut[0]][0]), int(bounds[cut[0]][1])


def _follow(
    atoms: Atoms, program: Jaxpr, given: Sequence[Followed], already: Mapping[Var, Followed] | None = None
) -> list[Followed]:
    """The axes of what a program returns; of some variables they are known already."""
    known: dict[Var, Followed] = dict.fromkeys(program.constvars)
    known.update(zip(program.invars, given, strict=True))
    known.update(already or {})

    def axes(atom: Var | Literal) -> Followed:
        return None if isinstance(atom, Literal) else known[atom]

    for equation in program.eqns:
        if already and equation.outvars[0] in already:
            continue
        operands = [axes(operand) for operand in equation.invars]
        inert = all(operand is None for operand in operands)
        out = [None for _ in equation.outvars] if inert else _step(atoms, equation, operands)
        known.update(zip(equation.outvars, out, strict=True))
    return [axes(out) for out in program.outvars]


def _step(atoms: Atoms, equation: JaxprEqn, given: Sequence[Followed]) -> Sequence[Followed]:
    name, inner = equation.primitive.name, inner_programs(equation)
    if is_foreign(equation):
        return _foreign(atoms, equation, given)
    if name == "scan":
        return _scan(atoms, equation, given)
    if name == "while":
        return _while(atoms, equation, given)
    if name == "cond":
        return _cond(atoms, inner, given)
    if inner and len(inner[0].invars) == len(given) and len(inner[0].outvars) == len(equation.outvars):
        return _follow(atoms, inner[0], given)
    return RULES.get(name, elementwise)(atoms, equation, _present(atoms, equation.invars, given))


def _foreign(atoms: Atoms, equation: JaxprEqn, given: Sequence[Followed]) -> Sequence[Followed]:
    """What somebody else evaluates, as far as its outline can be followed."""
    outline = equation.params["function"].outline
    if outline is None:
        _join_by_length(atoms, [axis for axes in given for axis in axes or ()])
        return unknown(atoms, equation, _present(atoms, equation.invars, given))
    avals = [aval_of(variable) for variable in equation.invars]
    shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    return _follow(atoms, jax.make_jaxpr(outline)(*shapes).jaxpr, given)


def _join_by_length(atoms: Atoms, axes: Sequence[Axis]) -> None:
    """All axes that are equally long move together, as far as anybody knows: which of them do is for numbers to say."""
    atoms.guessed = True
    first: dict[int, Axis] = {}
    for axis in axes:
        atoms.join(first.setdefault(atoms.size(axis), axis), axis)


def _present(atoms: Atoms, variables: Sequence[Typed], given: Sequence[Followed]) -> list[Axes]:
    """Axes of all values, new ones of those that depend on no parameter."""
    pairs = zip(variables, given, strict=True)
    return [atoms.fresh(shape_of(variable)) if axes is None else axes for variable, axes in pairs]


def _scan(atoms: Atoms, equation: JaxprEqn, given: Sequence[Followed]) -> list[Followed]:
    """A body whose carried values come in as they go out; the axes of the rounds move together."""
    constants, carried = scan_counts(equation)
    state = _present(atoms, equation.invars[constants : constants + carried], given[constants : constants + carried])
    rows = given[constants + carried :]
    (body,) = inner_programs(equation)
    out = _follow(atoms, body, [*given[:constants], *state, *(None if axes is None else axes[1:] for axes in rows)])
    _join(atoms, state, out[:carried])
    rounds = atoms.new(equation.params["length"])
    for axes in rows:
        if axes is not None:
            atoms.join(rounds, axes[0])
    return [*state, *(None if axes is None else (rounds, *axes) for axes in out[carried:])]


def _while(atoms: Atoms, equation: JaxprEqn, given: Sequence[Followed]) -> list[Followed]:
    before, constants = equation.params["cond_nconsts"], equation.params["body_nconsts"]
    body = getattr(equation.params["body_jaxpr"], "jaxpr", equation.params["body_jaxpr"])
    state = _present(atoms, equation.invars[before + constants :], given[before + constants :])
    _join(atoms, state, _follow(atoms, body, [*given[before : before + constants], *state]))
    return list(state)


def _cond(atoms: Atoms, branches: Sequence[Jaxpr], given: Sequence[Followed]) -> list[Followed]:
    first, *others = [_follow(atoms, branch, given[1:]) for branch in branches]
    for other in others:
        _join(atoms, first, other)
        first = [b if a is None else a for a, b in zip(first, other, strict=True)]
    return first


def _join(atoms: Atoms, first: Sequence[Followed], second: Sequence[Followed]) -> None:
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one or (), other or (), strict=False):
            atoms.join(a, b)
