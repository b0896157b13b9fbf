import pytest

from ephemera.transfer import Web


@pytest.fixture
def pauses(monkeypatch):
    """Pauses are not made, only noted."""
    real, noted = Web.__init__, []

    def patched(self, *arguments, **options):
        real(self, *arguments, **{**options, "pause": noted.append})

    monkeypatch.setattr(Web, "__init__", patched)
    return noted
