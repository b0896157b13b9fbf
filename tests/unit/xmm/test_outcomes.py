import re

import pytest

from ephemera.xmm.outcomes import Caution, ListRejected, Outcome, OutcomeRow


@pytest.mark.parametrize("kind", [Outcome, Caution])
def test_names_are_those_of_the_outcome_table(kind):
    for member in kind:
        assert member.value == member.name.lower()
        assert re.fullmatch(r"[a-z_]+", member.value)
    assert not {o.value for o in Outcome} & {c.value for c in Caution}


def test_a_rejected_list_gives_its_row():
    error = ListRejected(Outcome.SKIPPED_SLEW, "OBS_MODE = 'SLEW'")
    assert str(error) == "skipped_slew: OBS_MODE = 'SLEW'"
    expected = OutcomeRow("0000000001", "a.FTZ", "", Outcome.SKIPPED_SLEW, "OBS_MODE = 'SLEW'")
    assert error.row("0000000001", "a.FTZ") == expected
