"""What the methods of a group give, before any law is looked at: elements, made of their arguments alone.

Nothing is compiled: it is asked of the group of every model that is verified, the user's own included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from eqprop.arguments import as_index, got, short
from eqprop.engine import Tree, explained
from eqprop.errors import InvalidInput
from eqprop.groups.base import Element, Group, LieGroup, resting

REACHES = (0.1, 1.0, *np.linspace(0.2, 0.9, 14).tolist())
"""Near and far; and more, where both elements are the identity."""


def check_form(group: Group) -> None:
    """Everything that ``Group`` and ``LieGroup`` ask of single methods.

    Raises:
        InvalidInput: naming the group and the method, where it raises, cannot be traced by JAX, gives something else
            than elements (or algebra elements), or draws from elsewhere than its generator.
    """
    if not isinstance(group, Group):
        msg = f"check_form: got {short(group)}; expected a Group such as groups.Scaling(3)."
        raise InvalidInput(msg)
    if group.size is not None and as_index(group.size) is None:
        msg = f"{group!r}: size is {got(group.size)}; expected the length of the axis that act acts on, or None."
        raise InvalidInput(msg)
    identity = explained(f"{group!r}: identity()", group.identity)
    element = _element(group, identity)
    _check_traced(group, "compose(g, h)", lambda g: group.compose(g, g), element, identity)
    _check_traced(group, "inverse(g)", group.inverse, element, identity)
    simple = explained(f"{group!r}: simple()", lambda: list(islice(group.simple(), 2)))
    alike(group, "simple()", simple, identity, "identity()")
    if isinstance(group, LieGroup):
        _check_algebra(group, identity)


def _element(group: Group, identity: Element) -> Element:
    """An element other than e, drawn as a search draws them."""

    def drawn(count: int) -> list[Element]:
        rng = np.random.default_rng(0)
        return [explained(f"{group!r}: sample(rng, reach)", lambda r=r: group.sample(rng, r)) for r in REACHES[:count]]

    once = drawn(2)
    alike(group, "sample", once, identity, "identity()")
    if not all(same(a, b) for a, b in zip(once, drawn(2), strict=True)):
        msg = f"{group!r}: sample drew different elements from equal generators; take every number from rng."
        raise InvalidInput(msg)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(once)):
        msg = f"{group!r}: sample gives {text(once)}; expected finite numbers."
        raise InvalidInput(msg)
    if not group.trivial and all(same(element, identity) for element in once):
        more = drawn(len(REACHES))
        if all(same(element, identity) for element in more):
            every = f"all {len(more)} elements that sample drew are the identity"
            msg = f"{group!r}: {every}; draw others, or set trivial to True."
            raise InvalidInput(msg)
    return once[0]


def _check_algebra(group: LieGroup, identity: Element) -> None:
    zero = explained(f"{group!r}: zero()", group.zero)
    algebra = explained(f"{group!r}: sample_algebra(rng)", lambda: group.sample_algebra(np.random.default_rng(0)))
    alike(group, "sample_algebra", [algebra], zero, "zero()")
    simple = explained(f"{group!r}: simple_algebra()", lambda: list(islice(group.simple_algebra(), 2)))
    alike(group, "simple_algebra()", simple, zero, "zero()")
    _check_traced(group, "exp(xi)", group.exp, algebra, identity)
    _check_traced(group, "tangent(xi)", group.tangent, algebra, resting(identity))  # integers do not move


def _check_traced(group: Group, method: str, call: Callable[[Tree], Tree], argument: Tree, identity: Element) -> None:
    """A method that JAX traces, and that gives elements."""
    given = jax.tree.map(np.asarray, argument)
    found = explained(f"{group!r}: {method}", lambda: jax.eval_shape(lambda tree: call(tree), given))  # noqa: PLW0108
    if form(found) != form(identity):
        left, right = (jax.tree.map(jnp.shape, tree) for tree in (found, identity))
        msg = f"{group!r}: {method} gives shapes {left}; expected what is like identity(), of shapes {right}."
        raise InvalidInput(msg)


# -- trees ------------------------------------------------------------------------------------------------------------


def alike(group: Group, origin: str, trees: Iterable[Tree], example: Tree, of: str) -> None:
    """Each tree has the structure, the shapes and the kinds of number of the example.

    Args:
        group: named in the message.
        origin: the method that gave the trees.
        trees: what it gave.
        example: what they should be like.
        of: where the example is from.

    Raises:
        InvalidInput: naming the method that gave another.
    """
    for tree in trees:
        if form(tree) != form(example):
            like = text(example)
            msg = f"{group!r}: {origin} gives {text(tree)}; expected the structure, shapes and kinds of {of}, {like}."
            raise InvalidInput(msg)


def form(tree: Tree) -> tuple[Tree, ...]:
    """Structure, shapes and kinds of number."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((jnp.shape(leaf), is_real(leaf)) if is_number(leaf) else type(leaf) for leaf in leaves)


def is_number(leaf: ArrayLike) -> bool:
    """Whether a leaf is an array or a number, or stands for one in a trace."""
    return hasattr(leaf, "dtype") or isinstance(leaf, int | float)


def is_real(leaf: ArrayLike) -> bool:
    """Whether a leaf is floating point."""
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))


def same(a: Tree, b: Tree) -> bool:
    """Whether two trees of one form have equal entries; NaN equals NaN."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y, equal_nan=is_real(x)) for x, y in pairs)


def text(tree: Tree) -> str:
    """A tree of arrays as nested lists."""
    return str(jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), tree))
