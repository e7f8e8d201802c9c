"""Ray: the machines of a cluster, or the processors of this one, each with workers that load the model once.

Workers read what the workspace names and write shards into it, so it lies on storage that all machines see at the same
path. Ray does the rest (Ray Data's pools of actors): it hands out units, and does those again whose worker has died.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import platform
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import meshseek
from meshseek.errors import EngineError, MeshseekError
from meshseek.pipeline.engines import Engine
from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.pipeline.units import Job, UnitWorker, forget_units
from meshseek.plugins import installed_versions

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")

CONNECT_SECONDS = 10.0
IN_HAND = 2
"""Units that a worker has: the one it works on, and the next."""
MISSING = "Ray is not installed; run: pip install 'meshseek[ray]'"
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers without a GPU see what their machine has, as before
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its errors are of what it mends itself; others are raised
}


class Room(NamedTuple):
    """How many workers there are, and what each gets."""

    workers: int
    processors: int
    gpus: int


class Setting(NamedTuple):
    """What must be the same wherever work is done."""

    versions: tuple[str, ...]
    """Of Python and of packages."""
    mark: Path
    """A file in the workspace, made a moment ago."""


class Ray(Engine):
    """Has units done by the workers of a cluster."""

    def work(self, job: Job[T]) -> Work[T]:
        """By units, in whatever order they are done."""

        def work(tasks: Sequence[Task[T]]) -> Iterator[Outcome]:
            small, units = job.divided(tasks)
            yield from job.here(small)
            if not units:
                return
            with _connected(self.options.address) as ray, _mark(job.table.folder) as mark:
                room = _room(ray.nodes(), self.options.workers, len(units))
                setting = Setting(_versions(), mark)
                made = pickle.dumps((job.elsewhere, job.table))
                first = len(job.table.shards)
                packed = [pickle.dumps((first + number, unit)) for number, unit in enumerate(units)]
                for outcomes in _each(ray, room, (setting, made, room.processors), packed):
                    yield from outcomes
            forget_units(job.table)

        return work


class _Worker:
    """What one process of a cluster does; whatever it cannot do it tells, instead of failing again and again."""

    def __init__(self, setting: Setting, made: bytes, processors: int) -> None:
        self._node = socket.gethostname()
        self._units: UnitWorker[Any] | None = None
        self._refusal: str | None = None
        try:
            _expect_same(setting)
            elsewhere, table = pickle.loads(made)  # noqa: S301  # from the process that asks
            self._units = UnitWorker(elsewhere(processors), table)
        except MeshseekError as error:
            self._refusal = str(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the units of a batch, of which there is one."""
        return {"done": [self._do(packed) for packed in batch["unit"]]}

    def _do(self, packed: bytes) -> bytes:
        if self._units is None:
            return pickle.dumps(f"on {self._node}: {self._refusal}")
        try:
            return pickle.dumps(self._units.do(*pickle.loads(packed)))  # noqa: S301  # likewise
        except MeshseekError as error:
            return pickle.dumps(f"on {self._node}: {error}")


def _each(ray: ModuleType, room: Room, about: tuple[Any, ...], packed: Sequence[bytes]) -> Iterator[list[Outcome]]:
    """What became of each unit.

    Raises:
        EngineError: A worker cannot work, or the cluster is gone.
    """
    from ray import data  # noqa: PLC0415  # an extra, and heavy

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    pool = data.ActorPoolStrategy(size=room.workers, max_tasks_in_flight_per_actor=IN_HAND)
    units = data.from_items([{"unit": unit} for unit in packed], override_num_blocks=len(packed))
    options = {"num_cpus": room.processors, "num_gpus": room.gpus or None}
    done = units.map_batches(_Worker, fn_constructor_args=about, compute=pool, batch_size=1, **options)
    try:
        for row in done.iter_rows():
            told = pickle.loads(row["done"])  # noqa: S301  # from a worker of ours
            if isinstance(told, str):
                raise EngineError(told)
            yield told
    except ray.exceptions.RayError as error:
        raise EngineError(f"the Ray cluster cannot go on ({_first_line(error)}); what is done is kept") from error


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[ModuleType]:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415  # see below
    except ImportError as error:
        raise EngineError(MISSING) from error
    if ray.is_initialized():
        yield ray
        return
    alone: dict[str, Any] = {"address": "local", "include_dashboard": False}
    try:
        if address:
            _expect_answer(address)
        with _no_stderr():
            ray.init(**({"address": address} if address else alone), log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise EngineError(
            f"no Ray cluster answers at {address} ({_first_line(error)}); start one with 'ray start --head', or check "
            "--address"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Drop what libraries write there past Python: Ray says that it obeys ``RAY_BACKEND_LOG_LEVEL``."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _expect_answer(address: str) -> None:
    """See that somebody listens: Ray itself would try again for minutes.

    Raises:
        OSError: Nobody does.
        ValueError: It is no address.
    """
    host, colon, port = address.removeprefix("ray://").partition(":")
    if colon:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


@contextlib.contextmanager
def _mark(folder: Path) -> Iterator[Path]:
    """A file by which workers see that their folder is the same as ours."""
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=".engine-") as file:
        yield Path(file.name)


def _room(nodes: Sequence[dict[str, Any]], wanted: int | None, units: int) -> Room:
    """A worker for each GPU, or where there is none, one for all processors of each machine."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in alive)
    if gpus:
        beside = min(int(node.get("CPU", 0)) // int(node["GPU"]) for node in alive if node.get("GPU", 0) >= 1)
        return Room(min(wanted or gpus, gpus, units), max(1, beside), 1)
    processors = [int(node["CPU"]) for node in alive if node.get("CPU", 0) >= 1]
    if not processors:
        raise EngineError("the Ray cluster has no processors to work with; start its nodes with --num-cpus")
    each = min(processors)
    while each > 1 and sum(count // each for count in processors) < (wanted or 1):
        each -= 1
    room = sum(count // each for count in processors)
    return Room(min(wanted or room, room, units), each, 0)


def _versions() -> tuple[str, ...]:
    return (
        f"python {'.'.join(platform.python_version_tuple()[:2])}",
        f"meshseek {meshseek.__version__}",
        *installed_versions(),
    )


def _expect_same(setting: Setting) -> None:
    """See that a worker has the same programs and sees the same files.

    Raises:
        EngineError: It has not.
    """
    ours, theirs = (dict(each.split(" ", 1) for each in told) for told in (_versions(), setting.versions))
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            raise EngineError(
                f"{name} is {ours.get(name, 'not installed')}, and {theirs.get(name, 'not installed')} where the "
                "command was given; install the same on all machines"
            )
    if not setting.mark.exists():
        raise EngineError(
            f"{setting.mark.parent} is not the folder that it is where the command was given; put the workspace on "
            "storage that all machines have at the same path"
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
