"""The memory a job asks for."""

import pytest

from memory import memory


@pytest.mark.parametrize(("megabytes", "asked"), [(0, 500), (40, 500), (50.5, 505), (3000, 30_000)])
def test_it_follows_the_size_of_all_inputs(tmp_path, megabytes, asked):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        with path.open("wb") as handle:
            handle.truncate(int(megabytes / 2 * 2**20))
    assert memory(least=500, per_input=10)(None, [str(path) for path in paths]) == asked


def test_it_is_not_known_while_an_input_is_not_there(tmp_path):
    from snakemake.exceptions import is_file_not_found_error

    inputs = [str(tmp_path / "nothing")]
    with pytest.raises(FileNotFoundError) as caught:
        memory(least=500, per_input=10)(None, inputs)
    # This is how Snakemake tells an input that is not there yet from a mistake in the function.
    assert is_file_not_found_error(caught.value, inputs)
