"""The command: subcommands, exit codes, and nothing imported that is not asked for."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from ephemera.command import COMMANDS, CommandError, main


@pytest.mark.parametrize("words", list(COMMANDS), ids=" ".join)
def test_every_subcommand_explains_itself(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    module = import_module(COMMANDS[words][0])
    assert module.__doc__.splitlines()[0] in text


def test_without_words_the_subcommands_are_named(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(words[0] in text for words in COMMANDS)


def test_a_question_without_sense_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert main(["versions", "list", "--results", str(tmp_path / "none")]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("ephemera: there is no folder")
    assert errors.count("\n") == 1
    assert issubclass(CommandError, Exception)


def test_listing_versions_imports_neither_pyarrow_nor_astropy(tmp_path):
    code = (
        "import sys; from ephemera.command import main; main(['versions', 'list', '--results', sys.argv[1]]);"
        "sys.exit(bool({'pyarrow', 'astropy', 'pandas', 'scipy', 'snakemake'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0


def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    # Python keeps the words to itself until it ends, when the reader has long gone.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    code = "import sys; from ephemera.command import main; sys.exit(main(sys.argv[1:]))"
    command = (
        f"{sys.executable} -c '{code}' versions list --results {tmp_path} | true; echo ${{PIPESTATUS[0]}}"
    )
    answer = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "0\n"
    assert answer.stderr == ""
