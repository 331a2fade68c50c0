"""Puts a violation into words, runnable Python and a file that replays it."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from pathlib import Path

import jax
import numpy as np

from eqprop.claims import Pair
from eqprop.counterexamples import pycode
from eqprop.counterexamples.notes import notes_on
from eqprop.counterexamples.saving import saved, versions
from eqprop.engine import leaf_paths
from eqprop.evaluation import Program
from eqprop.probes import Probe
from eqprop.properties import Property
from eqprop.properties.optimizers import OptimizerProperty
from eqprop.results import Counterexample, Record
from eqprop.rounding import Judgement

PRINTED_NUMBERS = 120
"""Probes with more numbers to write are not printed but loaded from their file."""

PICTURED_NUMBERS = 256
"""Sides of more numbers are not kept: nobody would see one of them in a picture."""

FIELD_WORDS = {
    "params": "θ",
    "inputs": "x",
    "element": "g",
    "element2": "h",
    "algebra": "ξ",
    "algebra2": "η",
    "tangent": "u",
    "tangent2": "v",
    "cotangent": "w",
    "targets": "t, the targets",
    "involution": "g with g·g = e",
    "rates": "η, λ, β: step size, weight decay, momentum",
    "shortness": "σ: how short the segment is, from 0 to 1",
}


LIKE_PARAMS = frozenset({"params", "tangent", "tangent2"})
"""The fields whose tensors have the parameters' paths."""


def by_path(pair: Pair, field: str, value: object) -> dict[str, np.ndarray]:
    """A probe's field as arrays by pytree path; fields that are like the parameters by the parameters' paths.

    Args:
        pair: whose parameters have the paths.
        field: of the probe, by its name.
        value: of the field: a tree of arrays, of one probe (without an axis of probes).
    """
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(value)]
    paths = pair.model.param_leaves.float_paths if field in LIKE_PARAMS else leaf_paths(value)
    return dict(zip(paths, leaves, strict=True))


def counterexample(
    program: Program,
    prop: Property,
    probe: Probe,
    judged: Judgement,
    *,
    target: str,
    task: str,
    blob: str,
    before: Probe,
    seed: int,
    save: Path | None,
    notes: tuple[str, ...] = (),
) -> Counterexample:
    """The counterexample at a (shrunk) probe.

    Args:
        program: evaluates the property on the shrunk architecture.
        prop: what is violated.
        probe: where, without a leading axis, only the fields that the property reads.
        judged: what the last look said there, of this one probe.
        target: where a replay finds the pair; empty for a Python object.
        task: the name of what was searched.
        blob: rebuilds the architecture.
        before: the probe as it was found, before shrinking.
        seed: of the search.
        save: the folder for its file; None saves none.
        notes: what else there is to say of it.
    """
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe)
    arrays = {
        f.name: by_path(program.pair, f.name, getattr(probe, f.name))
        for f in fields(probe)
        if getattr(probe, f.name) is not None
    }
    recipe = {
        "format": 1,
        "target": target,
        "subject": task,
        "pair": program.pair.name,
        "property": prop.name,
        "loss": program.loss.name,
        "precision": program.precision,
        "structure": blob,
        **({"optimizer": prop.found_at} if isinstance(prop, OptimizerProperty) else {}),
        "seed": seed,
        "claim": {"order": prop.order, "statement": prop.statement, "formula": prop.formula},
        "versions": versions(),
        "probe": {name: {path: _plain(array) for path, array in found.items()} for name, found in arrays.items()},
    }
    file, not_saved = saved(recipe, save)
    numbers = _count(probe)
    found = Counterexample(
        pair=program.pair.name,
        property=prop.name,
        order=prop.order,
        statement=prop.statement,
        formula=prop.formula,
        **_disagreement(program, prop, probe, judged),
        architecture={key: repr(value) for key, value in program.pair.architecture.items()},
        code="",
        numbers=numbers,
        shrunk=_shrunk(before, probe),
        notes=(*notes, *notes_on(program, prop, batch, judged), *not_saved),
        replay=_replay_line(target, task, prop, seed, file),
        file=file,
        recipe=recipe,
    )
    return replace(found, code=_code(found, prop, arrays))


def _disagreement(program: Program, prop: Property, probe: Probe, judged: Judgement) -> Record:
    """Where the two sides differ most: the leaf, the entry, both values, the residual and its floor."""
    comparison = program.compare(prop.name, probe)
    leaf = int(judged.worst_leaf[0])
    difference = np.abs(comparison.lhs[leaf] - comparison.rhs[leaf])
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(difference)), difference.shape))
    return {
        "residual": float(judged.residual[0, leaf]),
        "floor": float(judged.floor[0, leaf]),
        "margin": judged.bar.margin,
        "leaf": comparison.names[leaf],
        "index": index,
        "lhs": float(comparison.lhs[leaf][index]),
        "rhs": float(comparison.rhs[leaf][index]),
        **_shown_whole(comparison.lhs[leaf], comparison.rhs[leaf]),
    }


def _shown_whole(left: np.ndarray, right: np.ndarray) -> Record:
    """Both sides, where a picture can show them."""
    if left.size > PICTURED_NUMBERS:
        return {}
    return {"shape": left.shape, "left": tuple(np.ravel(left).tolist()), "right": tuple(np.ravel(right).tolist())}


def _count(probe: Probe) -> int:
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(probe))


def _shrunk(before: Probe, after: Probe) -> str:
    """From how many numbers to how many; where no tensor became smaller, how many of them are not zero."""
    earlier, numbers = _count(before), _count(after)
    if numbers < earlier:
        return f"from {earlier} numbers to {numbers}"
    nonzero = [sum(int(np.count_nonzero(leaf)) for leaf in jax.tree.leaves(probe)) for probe in (before, after)]
    if nonzero[1] < nonzero[0]:
        return f"{nonzero[0] - nonzero[1]} of {numbers} numbers made zero"
    return f"{numbers} numbers, none to spare"


def _plain(array: np.ndarray) -> Record:
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": np.ravel(array).tolist()}


def _replay_line(target: str, task: str, prop: Property, seed: int, file: str) -> str:
    # An optimiser that was passed as an object is found by no command; the pair is, by the code above.
    findable = target and not (isinstance(prop, OptimizerProperty) and not prop.found_at)
    if findable and file:
        return f"eqprop replay {shlex.quote(file)}"
    if findable:
        match = "" if _is_single(target, task) else f" --match {shlex.quote(task)}"
        return f"eqprop verify {shlex.quote(target)}{match} --property {prop.name} --seed {seed}{_option(prop)}"
    optimizer = f", optimizer={_optimizer_text(prop)}" if isinstance(prop, OptimizerProperty) else ""
    return f"eqprop.verify(pair, properties=[{prop.name!r}], seed={seed}{optimizer})"


def _optimizer_text(prop: OptimizerProperty) -> str:
    """As Python: where it is found, or the name of the variable that the code of a counterexample gives it."""
    return repr(prop.found_at) if prop.found_at else "optimizer"


def _option(prop: Property) -> str:
    return f" --optimizer {shlex.quote(prop.found_at)}" if isinstance(prop, OptimizerProperty) else ""


def _is_single(target: str, task: str) -> bool:
    """Whether the target has no other pair than this one: an entry of the catalog, or a mutant of one."""
    return target == f"catalog:{task}"


def _code(found: Counterexample, prop: Property, arrays: dict[str, dict[str, np.ndarray]]) -> str:
    """The probe as Python that runs where ``pair`` can be had: from its target, or the object that the user passed."""
    recipe = found.recipe
    if recipe["target"]:
        arguments = [repr(recipe["target"])]
        arguments += [] if _is_single(recipe["target"], recipe["subject"]) else [repr(recipe["subject"])]
        arguments += [f"structure={pycode.text(recipe['structure'])}"] if recipe["structure"] else []
        lines = pycode.call("pair = eqprop.load", arguments)
    else:
        lines = [f"pair = ...  # {found.pair}, as it was passed to eqprop"]
    if isinstance(prop, OptimizerProperty) and not prop.found_at:
        lines.append(f"optimizer = ...  # {prop.optimizer_name}, as it was passed to eqprop")
    if sum(pycode.written(leaf) for leaves in arrays.values() for leaf in leaves.values()) > PRINTED_NUMBERS:
        where = f"in {found.file}" if found.file else "not kept: pass save= (a folder) to keep them"
        return "\n".join(["import eqprop", "", *lines, f"# The {found.numbers} numbers are {where}."])
    for name, leaves in arrays.items():
        lines += pycode.assigned(name, leaves, FIELD_WORDS[name])
    arguments = ["pair", repr(found.property)]
    arguments += [f"loss={recipe['loss']!r}"] if "targets" in arrays else []
    arguments += [f"precision={recipe['precision']!r}"] if recipe["precision"] != "float64" else []
    if isinstance(prop, OptimizerProperty):
        arguments.append(f"optimizer={_optimizer_text(prop)}")
    lines += pycode.call("eqprop.check", [*arguments, *(f"{name}={name}" for name in arrays)])
    header = ["import eqprop", pycode.imports(lines)]
    return "\n".join([*(line for line in header if line), "", *lines])
