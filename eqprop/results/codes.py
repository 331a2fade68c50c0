"""A stable code for each way in which a cell can fail, with its usual causes and what mends them."""

from __future__ import annotations

from dataclasses import dataclass

from eqprop.results.verdict import Outcome, Verdict

OF_CALCULUS = ("derivative", "input-derivative", "hessian-symmetry", "hessian-integral")


@dataclass(frozen=True)
class Kind:
    """One way to fail.

    Attributes:
        code: ``EQ`` and three digits; it keeps its meaning for good.
        title: in a few words.
        cause: what it usually comes from.
        mend: what to do.
        said: a part of the reason that tells it from others of its outcome; empty for what no other kind says.
    """

    code: str
    title: str
    cause: str
    mend: str
    said: str = ""


FALSIFIED = {
    "premise": Kind(
        "EQ101",
        "the model is not equivariant",
        "f(K_g θ, X_g x) = T_g f(θ, x) is false at the numbers shown: a tensor that writes or reads the moving units"
        " is not declared (a bias, a gain, a mask), an action has a wrong power, or the model lost its symmetry.",
        "Compare both sides at the counterexample; declare every tensor that the transformation moves; if the model "
        "was to be symmetric, the last change of its forward pass is the first suspect.",
    ),
    "laws": Kind(
        "EQ102",
        "the actions are no action of the group",
        "K_g K_h θ differs from K_gh θ, or K_e θ from θ: a right action declared left, an inverse on the wrong side.",
        "Read the note of the counterexample: where the law holds the other way round, declare side='right'. "
        "eqprop.groups.check_laws looks at the group by itself.",
    ),
    "first": Kind(
        "EQ103",
        "the gradient does not obey the symmetry",
        "The forward pass is equivariant and its gradient is not: a custom backward rule with a dropped or wrong "
        "term, a stopped gradient, a straight-through estimator, a branch that depends on the wrong argument.",
        "Look at custom_vjp and custom_jvp rules, stop_gradient and detach on the way from the tensor that is named;"
        " compare with the same layer without the custom rule.",
    ),
    "calculus": Kind(
        "EQ104",
        "a derivative is not that of its function",
        "What differentiation gives does not add up to the increments of the function, or forward and reverse mode "
        "differ: no symmetry is involved.",
        "The derivative rule of an operation is wrong, by a constant factor perhaps, or not twice differentiable. "
        "Check it against finite differences at the counterexample.",
    ),
    "second": Kind(
        "EQ105",
        "second derivatives do not obey the symmetry",
        "Gradients are right and Hessians are not: a backward rule that approximates, or that is not itself "
        "differentiable.",
        "Write backward rules with operations that JAX differentiates, or give them a rule of their own.",
    ),
    "higher": Kind(
        "EQ106",
        "derivatives of order three or above do not obey the symmetry",
        "As EQ105, one derivative further.",
        "As for EQ105.",
    ),
    "optimizer": Kind(
        "EQ107",
        "a training step does not commute with the symmetry",
        "The optimizer looks at coordinates, scales or θ itself: Adam is equivariant under signed permutations only.",
        "`eqprop optimizers` has the table of what commutes with what; declare it as a known failure where it is "
        "meant.",
    ),
    "expired": Kind(
        "EQ108",
        "a known failure has passed its last day",
        "The baseline excused it until then, and its counterexample still fails.",
        "Mend it, or add it again with a later day: `eqprop baseline add`.",
        "expired on",
    ),
}
INCONCLUSIVE = (
    Kind(
        "EQ205",
        "out of time",
        "The search of the pair was to end before everything was judged.",
        "A longer --max-time, fewer properties, or a smaller example of the model.",
        "out of time",
    ),
    Kind(
        "EQ206",
        "the compiler computes something else than what was traced",
        "Walked operation by operation the program violates the property; compiled it does not.",
        "Verify with --evaluator xla, and see which one you run.",
        "the compiled program does not",
    ),
    Kind(
        "EQ207",
        "nothing was evaluated",
        "No probe was judged.",
        "Look at the errors of the pair; a larger profile.",
        "no probe was evaluated",
    ),
    Kind(
        "EQ204",
        "there is nothing to compare",
        "Both sides vanish at every probe: the tensor is not used, the loss does not depend on it, an activation is "
        "off.",
        "Another example input or parameters with which the layer does something.",
        "there is nothing to compare",
    ),
    Kind(
        "EQ202",
        "results are not finite",
        "An overflow, a negative number under a root, a division by zero, at more than a few probes.",
        "Guard the operation that is named, give the model a loss and inputs in its domain, and say with "
        "Model(domain=...) where its parameters live: a variance, say, that is drawn negative.",
        "not finite",
    ),
    Kind(
        "EQ203",
        "a low precision leaves too few digits",
        "Some operation computes in float32, bfloat16 or float16 in spite of float64 parameters.",
        "Build the model with dtype=float64 for verification: the operation that is named, a softmax in float32, say. "
        "Where that cannot be, verify with precision='model', or allow a share of the probes for that cell "
        "([tool.eqprop.allow_inconclusive], with a reason).",
        "too few digits",
    ),
    Kind(
        "EQ208",
        "the probes lie at a kink",
        "A comparison, a ReLU or a sign, which is named with its line, falls one way at a probe and the other way in a "
        "copy that differs by a rounding: zero biases, inputs of zeros, rows that are alike, a threshold at a value.",
        "Another batch or parameters, off the kink; Model(domain=...) keeps drawn parameters off it. Where kinks are "
        "what the model is made of, allow a share of the probes for that cell ([tool.eqprop.allow_inconclusive]).",
        "at a kink",
    ),
    Kind(
        "EQ201",
        "no digits are left to compare",
        "Ill-conditioning makes the rounding floor as large as the sides at too many probes: large terms that cancel, "
        "what saturates, a function of far too large an argument. The operation, or the input, that makes most of the "
        "floor is named.",
        "Write that operation so that nothing cancels there; take another batch or other parameters, better scaled; "
        "say with Model(domain=...) where parameters live; or allow a share of the probes for that cell "
        "([tool.eqprop.allow_inconclusive], with a reason). `--verbose` shows which properties still tell.",
    ),
)
OTHERS = {
    Outcome.BLOCKED: (
        Kind(
            "EQ301",
            "it rests on what was falsified",
            "Another property that implies it is wrong.",
            "Mend that one first.",
        ),
    ),
    Outcome.MISSING: (
        Kind(
            "EQ303",
            "an expected cell does not apply any more",
            "The ledger has it, and the hypothesis of the property is not met now: another group, loss or "
            "architecture.",
            "Undo the change, or `eqprop ledger update` where it is meant.",
            "does not apply any more",
        ),
        Kind(
            "EQ302",
            "an expected cell was not verified",
            "A target, pair, test or property of the ledger is gone; or the run was interrupted.",
            "Put it back, or `eqprop ledger update` where it is meant.",
        ),
    ),
    Outcome.UNEXPECTED_PASS: (
        Kind(
            "EQ304",
            "a known failure holds",
            "What was to fail was mended, or a negative control is no counterexample any more.",
            "`eqprop baseline prune`, or take it out of known_failures.",
        ),
    ),
    Outcome.ERROR: (
        Kind(
            "EQ305",
            "a known failure is about nothing",
            "Its pair, target or property is misspelt, or gone.",
            "Mend its name, or `eqprop baseline prune`.",
            "known failure of nothing",
        ),
        Kind(
            "EQ307",
            "an allowance is about nothing",
            "The cell that may be inconclusive is misspelt, or its pair, target or property is gone.",
            "Mend its name in [tool.eqprop.allow_inconclusive], or take it away.",
            "allowance of nothing",
        ),
        Kind(
            "EQ306",
            "a known counterexample cannot run",
            "The model has other shapes, the strategy draws otherwise, hypothesis has another version.",
            "Verify without the baseline, and `eqprop baseline add` what is found.",
            "CANNOT RUN",
        ),
        Kind(
            "EQ402",
            "a worker died",
            "The process that searched the pair was killed or ended, often for want of memory.",
            "Fewer --jobs, a smaller example of the model.",
            "the process that searched it",
        ),
        Kind(
            "EQ401",
            "it could not be evaluated",
            "The model, an action or the example raises, or cannot be traced; the reason has the line.",
            "Mend what the reason says; `eqprop.check` evaluates one property alone.",
        ),
    ),
}
USAGE = Kind(
    "EQ501",
    "a command, an option, a file or a target cannot be used",
    "Something that was typed or configured is not what was expected; the message has its value.",
    "Do what the message says.",
)
KINDS = {
    kind.code: kind
    for kind in sorted(
        (*FALSIFIED.values(), *INCONCLUSIVE, *(kind for kinds in OTHERS.values() for kind in kinds), USAGE),
        key=lambda kind: kind.code,
    )
}
"""Code → kind, all of them."""


def code_of(verdict: Verdict) -> str:
    """The code of a cell with which a run cannot succeed; empty for others."""
    if verdict.accepted:
        return ""
    if verdict.outcome is Outcome.FALSIFIED:
        return _falsified(verdict).code
    kinds = INCONCLUSIVE if verdict.outcome is Outcome.INCONCLUSIVE else OTHERS[verdict.outcome]
    return next(kind.code for kind in kinds if kind.said in verdict.reason)


def _falsified(verdict: Verdict) -> Kind:
    name, order = verdict.property.name, verdict.property.order
    if verdict.reason.startswith(FALSIFIED["expired"].said):
        return FALSIFIED["expired"]
    if name == "group-laws":
        return FALSIFIED["laws"]
    if name in OF_CALCULUS:
        return FALSIFIED["calculus"]
    if name.startswith("optimizer-"):
        return FALSIFIED["optimizer"]
    return FALSIFIED[("premise", "first", "second", "higher")[min(order, 3)]]


def code_explained(kind: Kind) -> str:
    """All that is known of a code, as text."""
    return f"{kind.code}: {kind.title}\n  cause       {kind.cause}\n  mend        {kind.mend}"
