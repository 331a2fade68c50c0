"""The networks of ``digits`` keep their symmetries after training: one test for each pair and property."""

import eqprop
from examples.digits import pairs


@eqprop.parametrize(*pairs())
def test_trained_networks_keep_their_symmetries(case):
    case.verify()
