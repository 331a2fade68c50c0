"""K of a conversion: each tensor of the target, made of tensors of the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from eqprop.arguments import got, mapping_of, suggestion
from eqprop.claims import Model, Params
from eqprop.engine import Array, Tree, is_floating, leaf_paths, unexpected
from eqprop.errors import EqpropError, InvalidInput
from eqprop.groups import Element

Rule = str | tuple[Any, ...]
"""A path of the source, whose tensor is taken as it is; or a function and the paths of what it is given."""


@dataclass(frozen=True)
class Made:
    """What one tensor of the target is made of.

    Attributes:
        change: of the tensors of the source.
        paths: of these.
    """

    change: Callable[..., Tree]
    paths: tuple[str, ...]


def rules_of(source: Model, target: Model, mapping: object, unused: tuple[str, ...], what: str) -> dict[str, Made]:
    """What each tensor of the target is made of, in the order of its leaves.

    Args:
        source: the model that is converted.
        target: the model that it becomes.
        mapping: target path → rule.
        unused: paths of the source that the target has no use for.
        what: the conversion in messages.

    Raises:
        InvalidInput: naming the tensor of the target that nothing makes, the one of the source that is not used, and
            any path that is in neither.
    """
    rules = {path: _rule(rule, f"{what}[{path!r}]") for path, rule in mapping_of(mapping, EXAMPLE, what).items()}
    theirs, ours = source.param_leaves.paths, target.param_leaves.paths
    for path in rules:
        _known(path, ours, f"{what}: the target {target.name!r}")
    for path in (*(path for made in rules.values() for path in made.paths), *unused):
        _known(path, theirs, f"{what}: the source {source.name!r}")
    missing = [path for path in ours if path not in rules]
    if missing:
        shown = ", ".join(map(repr, missing))
        msg = f"{what}: nothing makes {shown} of the target {target.name!r}; add it to the mapping."
        raise InvalidInput(msg)
    used = {path for made in rules.values() for path in made.paths} | set(unused)
    left = [path for path in theirs if path not in used]
    if left:
        msg = (
            f"{what}: {', '.join(map(repr, left))} of the source {source.name!r} is not used; map it, or say so with "
            f"unused={tuple(left)!r}."
        )
        raise InvalidInput(msg)
    return {path: rules[path] for path in ours}


EXAMPLE = "{'Dense_0/kernel': (transposed, '0.weight'), 'Dense_0/bias': '0.bias'}"


def _rule(rule: object, what: str) -> Made:
    if isinstance(rule, str):
        return Made(lambda leaf: leaf, (rule,))
    if isinstance(rule, tuple) and len(rule) > 1 and callable(rule[0]) and all(isinstance(p, str) for p in rule[1:]):
        return Made(rule[0], rule[1:])
    msg = f"{what} is {got(rule)}; expected a path of the source, or a tuple of a function and the paths it is given."
    raise InvalidInput(msg)


def _known(path: str, paths: tuple[str, ...], where: str) -> None:
    if path not in paths:
        every = f"It has {', '.join(paths)}."
        msg = f"{where} has no tensor {path!r}. {suggestion(path, paths, otherwise=every)}"
        raise InvalidInput(msg)


@dataclass(frozen=True)
class Conversion:
    """θ ↦ Kθ, as ``on_params`` takes it.

    Attributes:
        rules: target path → what it is made of.
        target: the model whose tree is filled.
        what: the conversion in messages.
    """

    rules: Mapping[str, Made]
    target: Model
    what: str

    def __call__(self, element: Element, params: Params) -> Params:
        """The target's parameters.

        Raises:
            InvalidInput: naming the tensor whose function raises, or gives another shape.
        """
        del element
        by_path = dict(zip(leaf_paths(params), jax.tree.leaves(params), strict=True))
        leaves = self.target.param_leaves
        made = [
            self._made(path, shape, dtype, by_path)
            for path, shape, dtype in zip(leaves.paths, leaves.shapes, leaves.dtypes, strict=True)
        ]
        return jax.tree.unflatten(leaves.treedef, made)

    def _made(self, path: str, shape: tuple[int, ...], dtype: DTypeLike, by_path: Mapping[str, Tree]) -> Array:
        rule = self.rules[path]
        given = [jnp.asarray(by_path[source]) for source in rule.paths]
        of = ", ".join(f"{p!r} of shape {np.shape(leaf)}" for p, leaf in zip(rule.paths, given, strict=True))
        try:
            found = jnp.asarray(rule.change(*given))
        except InvalidInput as error:
            msg = f"{self.what}: what makes {path!r} of {of}: {error}"
            raise InvalidInput(msg) from error
        except EqpropError:
            raise
        except Exception as error:
            msg = f"{self.what}: what makes {path!r} of {of} raised {unexpected(error)}."
            raise InvalidInput(msg) from error
        if found.shape != shape:
            differs = f"{path!r} has shape {shape}, and what is made of {of} has {found.shape}"
            msg = f"{self.what}: {differs}.{_fit(found, shape)}"
            raise InvalidInput(msg)
        wide = jnp.result_type(float) == np.float64 and is_floating(found)
        return found if wide else found.astype(dtype)


def _fit(found: Array, shape: tuple[int, ...]) -> str:
    """What would fit, where it is another order of axes."""
    if found.ndim == 2 and found.shape[::-1] == shape:
        return " Its transpose fits: (transposed, …)."
    return " The same axes in another order fit: (permuted(…), …)." if sorted(found.shape) == sorted(shape) else ""
