"""Hypothesis strategies: architectures for catalog entries, and what tests of your own draw."""

from eqprop.strategies.activations import ACTIVATIONS as ACTIVATIONS
from eqprop.strategies.activations import Activation as Activation
from eqprop.strategies.activations import activations as activations
from eqprop.strategies.activations import homogeneous_activations as homogeneous_activations
from eqprop.strategies.activations import nonlinear_activations as nonlinear_activations
from eqprop.strategies.activations import odd_activations as odd_activations
from eqprop.strategies.activations import skip_activations as skip_activations
from eqprop.strategies.activations import smooth_activations as smooth_activations
from eqprop.strategies.architectures import dense_net as dense_net
from eqprop.strategies.architectures import hidden_layer as hidden_layer
from eqprop.strategies.conjugates import conjugate as conjugate
from eqprop.strategies.conjugates import conjugates as conjugates
from eqprop.strategies.elements import algebra_elements as algebra_elements
from eqprop.strategies.elements import elements as elements
from eqprop.strategies.inputs import inputs as inputs
from eqprop.strategies.losses import losses as losses
from eqprop.strategies.parameters import families as families
from eqprop.strategies.parameters import parameters as parameters
from eqprop.strategies.surroundings import Block as Block
from eqprop.strategies.surroundings import Embedded as Embedded
from eqprop.strategies.surroundings import batches as batches
from eqprop.strategies.surroundings import embedded as embedded
from eqprop.strategies.surroundings import widths as widths
