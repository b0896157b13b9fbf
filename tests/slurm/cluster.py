"""A real Slurm on this machine: one controller and a few nodes, for as long as a `with` block lasts.

Every daemon runs in the foreground as a child of this process, and this process adopts whatever they
leave behind (job steps outlive a killed slurmd), so that all that was started can be found and ended.
Slurm's jobs look for the configuration at its default place only; it is written there and removed again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

CONFIGURATION = Path("/etc/slurm/slurm.conf")
ACCOUNTING = Path("/etc/slurm/slurmdbd.conf")
MUNGE_FOLDER = Path("/run/munge")
PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sacct")
PACKAGES = (
    "munge",
    "mariadb-server",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "slurm-wlm-mysql-plugin",
    "slurmctld",
    "slurmd",
    "slurmdbd",
)

_SET_CHILD_SUBREAPER = 36

_TEMPLATE = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
SlurmdTimeout=5
KillWait=3
MinJobAge=600
{nodes}
PartitionName=main Nodes=ALL Default=YES State=UP
"""


_ACCOUNTING_TEMPLATE = """\
# {name}
AuthType=auth/munge
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=root
LogFile={root}/slurmdbd.log
PidFile={root}/slurmdbd.pid
"""


class CannotInstallError(Exception):
    """Slurm cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class SlurmJob:
    """What the controller says of a job; `excluded` are nodes it must not run on."""

    identity: str
    state: str
    node: str
    cpus: int
    memory_mb: int
    minutes: int
    excluded: str
    name: str


def install() -> None:
    """Install Debian's Slurm unless it is there; raises CannotInstallError."""
    if os.geteuid() != 0:
        message = "only root can start Slurm's daemons"
        raise CannotInstallError(message)
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if shutil.which("apt-get") is None:
        message = "this system has no apt-get to install it with"
        raise CannotInstallError(message)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=60"]
    for command in (
        ["apt-get", *wait, "update", "-qq"],
        ["apt-get", *wait, "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
    ):
        answer = subprocess.run(command, env=environment, capture_output=True, text=True)
        if answer.returncode:
            message = f"{' '.join(command)} failed:\n{answer.stderr[-1000:]}"
            raise CannotInstallError(message)


@dataclass
class Cluster:
    """Controller and nodes n1, n2, ... with `cpus` CPUs each, their files in `root`."""

    root: Path
    nodes: int = 3
    cpus: int = 1
    memory_mb: int = 16000
    name: str = field(init=False)
    _daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for path in (CONFIGURATION, ACCOUNTING):
            if path.exists():
                message = f"{path} is there: this machine belongs to a cluster that is left alone"
                raise CannotInstallError(message)
        self.name = f"ephemera-{os.getpid()}"
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        for folder in ("state", *(f"spool-n{k + 1}" for k in range(self.nodes))):
            (self.root / folder).mkdir(parents=True)
        controller, accounting, database, *ports = free_ports(self.nodes + 3)
        host = socket.gethostname().split(".")[0]
        rows = [
            f"NodeName=n{k} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} "
            f"RealMemory={self.memory_mb}"
            for k, port in enumerate(ports, 1)
        ]
        values = {
            "name": self.name,
            "host": host,
            "root": self.root,
            "port": controller,
            "accounting_port": accounting,
            "database_port": database,
            "nodes": "\n".join(rows),
        }
        CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
        CONFIGURATION.write_text(_TEMPLATE.format(**values))
        ACCOUNTING.touch(mode=0o600)
        ACCOUNTING.write_text(_ACCOUNTING_TEMPLATE.format(**values))
        if not _succeeds("munge", "-n"):
            MUNGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
            shutil.chown(MUNGE_FOLDER, "munge", "munge")
            as_munge = ["setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups"]
            self._launch("munged", [*as_munge, "munged", "--foreground"])
            wait_for(lambda: _succeeds("munge", "-n"), 10, "munged answers")
        self._start_accounting(database)
        self._launch("slurmctld", ["slurmctld", "-D", "-i"])
        for k in range(self.nodes):
            self.start_node(f"n{k + 1}")
        wait_for(lambda: len(self.idle()) == self.nodes, 30, "all nodes are idle")

    def _start_accounting(self, port: int) -> None:
        """A database of its own and the daemon that keeps the history of jobs in it."""
        folder = self.root / "database"
        where = ["--no-defaults", f"--datadir={folder}"]
        subprocess.run(
            ["mariadb-install-db", *where, "--user=root", "--auth-root-authentication-method=normal"],
            check=True, capture_output=True,
        )  # fmt: skip
        listen = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={self.root}/database.sock"]
        self._launch("mariadbd", ["mariadbd", *where, "--user=root", *listen])
        ready = ["mariadb-admin", "--no-defaults", "--host=127.0.0.1", f"--port={port}", "ping"]
        wait_for(lambda: _succeeds(*ready), 20, "the database answers")
        self._launch("slurmdbd", ["slurmdbd", "-D"])
        register = ["sacctmgr", "-i", "add", "cluster", self.name]
        wait_for(lambda: _succeeds(*register), 20, "the accounting daemon answers")

    def _launch(self, name: str, command: list[str]) -> None:
        with (self.root / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(command, stdout=output, stderr=output)

    def start_node(self, node: str) -> None:
        """Start the daemon of one node."""
        self._launch(node, ["slurmd", "-D", "-N", node])

    def kill_node(self, node: str) -> None:
        """Kill -9 a node's daemon and all that runs there, as if its power had gone."""
        daemon = self._daemons.pop(node)
        running = [pid for pid in descendants() if _environment(pid).get("SLURMD_NODENAME") == node]
        steps = {_parent(pid) for pid in running} - {os.getpid()}
        ended = [daemon.pid, *(pid for pid in steps if "slurmstepd" in _command(pid)), *running]
        # All stand still before any dies: what outlived the others would still report that they failed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in ended:
                _send(pid, number)
        daemon.wait()

    def idle(self) -> list[str]:
        """Nodes that could take a job now."""
        return _output("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()

    def jobs(self) -> list[SlurmJob]:
        """All jobs since the start, finished ones too."""
        found = []
        for line in _output("scontrol", "-o", "show", "job").splitlines():
            entries = dict(re.findall(r"(\S+?)=(\S*)", line))
            if "JobId" not in entries:
                continue
            hours, minutes, _ = entries["TimeLimit"].split("-")[-1].split(":")
            memory = re.search(r"mem=(\d+)([MG])", entries.get("TRES", ""))
            found.append(
                SlurmJob(
                    entries["JobId"],
                    entries["JobState"],
                    entries.get("NodeList", ""),
                    int(entries["NumCPUs"]),
                    int(memory[1]) * (1024 if memory[2] == "G" else 1) if memory else 0,
                    60 * int(hours) + int(minutes),
                    entries.get("ExcNodeList", ""),
                    entries.get("Comment", ""),
                )
            )
        return found

    def running(self) -> list[SlurmJob]:
        """Jobs that are on a node now."""
        return [job for job in self.jobs() if job.state == "RUNNING"]

    def stop(self) -> None:
        """End everything that was started and remove the configuration."""
        if "slurmctld" in self._daemons:
            _succeeds("scancel", "--user", "root", "--signal", "KILL")
            _succeeds("scancel", "--user", "root")
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: not _output("squeue", "-h").strip(), 8, "the queue is empty")
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(5)
        end_all_children()
        if "munged" in self._daemons:
            shutil.rmtree(MUNGE_FOLDER, ignore_errors=True)
        self._daemons.clear()
        for path in (CONFIGURATION, ACCOUNTING):
            if path.exists() and self.name in path.read_text().splitlines()[0]:
                path.unlink()


def free_ports(number: int) -> list[int]:
    """Ports of this host that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return once `condition` holds; raises TimeoutError that says what did not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            message = f"not within {seconds:g} s: {what}"
            raise TimeoutError(message)
        time.sleep(0.2)


def descendants() -> list[int]:
    """Processes that this one started or adopted, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    found, waiting = [], [os.getpid()]
    while waiting:
        fresh = children.get(waiting.pop(), [])
        found += fresh
        waiting += fresh
    return found


def end_all_children() -> None:
    """Kill what this process started or adopted and wait until it is gone."""
    end = time.monotonic() + 10
    while alive := [pid for pid in descendants() if _command(pid)]:
        for pid in alive:
            _send(pid, signal.SIGKILL)
        for _ in _reaped():
            pass
        if time.monotonic() > end:
            message = f"processes that do not end: {alive}"
            raise TimeoutError(message)
        time.sleep(0.1)
    for _ in _reaped():
        pass


def _reaped() -> Iterator[int]:
    """Children that have ended, taken off the process table."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            yield pid


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def _command(pid: int) -> str:
    """Command line of a process; empty for one that has ended and waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _environment(pid: int) -> dict[str, str]:
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
