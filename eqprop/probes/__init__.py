"""Where a claim is evaluated: probes, as pure functions of a family, a seed and shapes."""

from eqprop.probes.dtypes import cast_example as cast_example
from eqprop.probes.dtypes import cast_probe as cast_probe
from eqprop.probes.dtypes import output_shapes as output_shapes
from eqprop.probes.losses import DRAWN_LOSSES as DRAWN_LOSSES
from eqprop.probes.losses import SQUARED_ERROR as SQUARED_ERROR
from eqprop.probes.losses import Loss as Loss
from eqprop.probes.losses import output_factor as output_factor
from eqprop.probes.losses import suitable_losses as suitable_losses
from eqprop.probes.losses import user_loss as user_loss
from eqprop.probes.losses import widened as widened
from eqprop.probes.probe import Probe as Probe
from eqprop.probes.sampling import FAMILIES as FAMILIES
from eqprop.probes.sampling import GIVEN as GIVEN
from eqprop.probes.sampling import NEARBY as NEARBY
from eqprop.probes.sampling import READABLE as READABLE
from eqprop.probes.sampling import gaussian as gaussian
from eqprop.probes.sampling import inputs_of as inputs_of
from eqprop.probes.sampling import params_of as params_of
from eqprop.probes.sampling import probes_of as probes_of
from eqprop.probes.sampling import tangents_of as tangents_of
