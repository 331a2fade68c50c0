"""What is wrong with a pair, said before anything is compiled: one sentence that names the thing and how to mend it."""

from __future__ import annotations

from eqprop.claims import Pair
from eqprop.engine import Precision, numbers_context
from eqprop.groups import check_form
from eqprop.probes import cast_example
from eqprop.validation.actions import check_action, check_alike, check_charge, check_defect, check_finite, check_state
from eqprop.validation.examples import check_inputs, check_params
from eqprop.validation.models import check_domain, check_model, why_no_derivative


def check_pair(pair: Pair, precision: Precision) -> str:
    """Everything that must be true before a verdict means something.

    Each function is traced twice and compiled once: state shows between two traces, and op-by-op evaluation would
    compile every operation of the model by itself.

    Returns:
        Why a model of the pair has no first derivative, which everything beyond the premise needs; empty where it has.

    Raises:
        InvalidInput: naming the part of the pair, what it did, what was expected, and how to mend it.
    """
    with numbers_context(precision):
        for model in {id(model): model for model in (pair.model, pair.image)}.values():
            check_inputs(model)
            check_params(model)
            check_domain(model)
        check_form(pair.transformation.group)
        params, inputs = cast_example(pair, precision)
        # Where no example numbers are probed they need not lie where the model is defined.
        probed = pair.model.trained
        outputs = check_model(pair.model, params, inputs, finite=probed)
        missing = why_no_derivative(pair.model, params, inputs)
        move_params = check_action(pair, "on_params", params, precision)
        check_state(pair, params)
        check_charge(pair, params)
        check_defect(pair, params, inputs)
        move_outputs = check_action(pair, "on_outputs", outputs, precision)
        move_inputs = check_action(pair, "on_inputs", inputs, precision)
        for field, move in (("on_params", move_params), ("on_inputs", move_inputs), ("on_outputs", move_outputs)):
            if probed:
                check_finite(pair, field, move())
        if pair.target is not None:
            found = check_model(pair.target, move_params(), move_inputs(), finite=probed)
            check_alike(f"target model {pair.target.name!r}: apply, beside the source model,", outputs, found)
            missing = missing or why_no_derivative(pair.target, move_params(), move_inputs())
        return missing
