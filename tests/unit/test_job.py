"""The end of a job's process."""

import subprocess
import sys

#: An object that would speak when Python takes it apart.
CODE = """
import atexit, logging, sys
from ephemera.job import leave
logging.basicConfig(filename=sys.argv[1], level=logging.INFO)
class Speaks:
    def __del__(self):
        print("taken apart")
kept = Speaks()
atexit.register(print, "what libraries want done")
logging.info("last words")
print("flushed", end=" ")
leave()
"""


def test_a_process_leaves_with_all_written_and_nothing_taken_apart(tmp_path):
    log = tmp_path / "log"
    answer = subprocess.run([sys.executable, "-c", CODE, log], capture_output=True, text=True, check=True)
    assert answer.stdout == "flushed what libraries want done\n"
    assert answer.stderr == ""
    assert log.read_text() == "INFO:root:last words\n"
