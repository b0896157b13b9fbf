import pytest

from ephemera.words import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 deliveries"), (1, "1 delivery"), (2000, "2,000 deliveries")]
)
def test_numbers_with_nouns(number, text):
    assert counted(number, "delivery", "deliveries") == text
    assert counted(number, "run") == f"{number:,} run{'' if number == 1 else 's'}"
