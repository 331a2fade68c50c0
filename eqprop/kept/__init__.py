"""What a project keeps beside its code: the cells that a run must fill."""

from eqprop.kept.ledger_file import LEDGER as LEDGER
from eqprop.kept.ledger_file import KeptLedger as KeptLedger
from eqprop.kept.ledger_file import is_test as is_test
from eqprop.kept.ledger_file import ledger_in as ledger_in
from eqprop.kept.ledger_file import ledger_of as ledger_of
from eqprop.kept.ledger_file import rewritten as rewritten
