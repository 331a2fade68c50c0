"""Several transformations of one model at once."""

from __future__ import annotations

from eqprop.arguments import call_of, got
from eqprop.claims import Action, Inputs, Params, Transformation, unmoved
from eqprop.engine import Tree
from eqprop.errors import InvalidInput
from eqprop.groups import Algebra, Element, Product


def combined(*transformations: Transformation, name: str = "combined") -> Transformation:
    """G₁ × … × G_k: an element is a tuple, and each component moves the model in its turn, the last one first.

    The transformations must commute, as they do where they move different layers or different sides of a tensor; the
    property ``group-laws`` is falsified where they do not. Where some hold up to a defect, all do up to the sum.

    Raises:
        InvalidInput: without transformations, for something else, or for left and right actions together.
    """
    where = call_of("combined", name)
    wrong = [t for t in transformations if not isinstance(t, Transformation)]
    if not transformations or wrong:
        given = got(wrong[0]) if wrong else "nothing"
        msg = f"{where}: got {given}; expected one or more eqprop.Transformation, each as an argument of its own."
        raise InvalidInput(msg)
    sides = {t.side for t in transformations}
    if len(sides) > 1:
        msg = f"{where}: left and right actions cannot be combined; write K with K_g K_h = K_gh in all."
        raise InvalidInput(msg)

    def acting(field: str) -> Action:
        actions = [getattr(t, field) for t in transformations]
        if all(action is unmoved for action in actions):
            return unmoved

        def act(element: Element, point: Tree) -> Tree:
            for action, component in reversed(list(zip(actions, element, strict=True))):
                point = action(component, point)
            return point

        return act

    defects = [t.defect for t in transformations]

    def defect(algebra: Algebra, params: Params, inputs: Inputs) -> Tree:
        of_parts = zip(defects, algebra, strict=True)
        return sum(bound(part, params, inputs) for bound, part in of_parts if bound is not None)

    return Transformation(
        Product(*(t.group for t in transformations)),
        acting("on_params"),
        acting("on_outputs"),
        acting("on_inputs"),
        name=name,
        side=transformations[0].side,
        isometry=all(t.isometry for t in transformations),
        defect=defect if any(defects) else None,
    )
