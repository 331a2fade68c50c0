"""That steps of an optimiser commute with a transformation, and what an optimiser is asked."""

from eqprop.properties.optimizers.steps import CHARGE as CHARGE
from eqprop.properties.optimizers.steps import STEP as STEP
from eqprop.properties.optimizers.steps import STEPS as STEPS
from eqprop.properties.optimizers.steps import TRAJECTORY as TRAJECTORY
from eqprop.properties.optimizers.steps import OptimizerProperty as OptimizerProperty
from eqprop.properties.optimizers.steps import charge_drift as charge_drift
from eqprop.properties.optimizers.steps import optimizer_charge as optimizer_charge
from eqprop.properties.optimizers.steps import optimizer_properties as optimizer_properties
