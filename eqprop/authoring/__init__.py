"""What an author of entries and properties needs: the check of an entry, a skeleton of one, the references."""

from eqprop.authoring.expected import applying as applying
from eqprop.authoring.explain import explanation as explanation
from eqprop.authoring.explain import listing as listing
from eqprop.authoring.kills import own_entries as own_entries
from eqprop.authoring.scaffold import address as address
from eqprop.authoring.scaffold import check_of as check_of
from eqprop.authoring.scaffold import write as write
from eqprop.authoring.selfcheck import LEAST_ARCHITECTURES as LEAST_ARCHITECTURES
from eqprop.authoring.selfcheck import LEAST_USABLE as LEAST_USABLE
from eqprop.authoring.selfcheck import check_entry as check_entry
from eqprop.authoring.selfcheck import usable as usable
