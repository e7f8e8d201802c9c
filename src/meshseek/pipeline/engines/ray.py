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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import meshseek
from meshseek.errors import EngineError, MeshseekError
from meshseek.pipeline.engines import Engine
from meshseek.pipeline.stage import Outcome, Task, Work
from meshseek.pipeline.units import TRIES, Job, UnitWorker, units_folder
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
    folder: Path
    """In the workspace, made a moment ago."""


class Ray(Engine):
    """Has units done by the workers of a cluster."""

    def work(self, job: Job[T]) -> Work[T]:
        """By units, in whatever order they are done."""

        def work(tasks: Sequence[Task[T]]) -> Iterator[Outcome]:
            small, units = job.divided(tasks)
            yield from job.here(small)
            if not units:
                return
            with _connected(self.options.address) as ray, units_folder(job.table) as folder:
                room = _room(ray.nodes(), self.options.workers, len(units), uses_gpu=job.uses_gpu)
                made = pickle.dumps((job.elsewhere, job.table))
                first = len(job.table.shards)
                packed = [pickle.dumps((first + number, unit)) for number, unit in enumerate(units)]
                for outcomes in _each(room, (Setting(_versions(), folder), made, room.processors), packed):
                    yield from outcomes

        return work


class _Worker:
    """What one process of a cluster does; whatever it cannot do it tells, instead of failing again and again."""

    def __init__(self, setting: Setting, made: bytes, processors: int) -> None:
        self._units: UnitWorker[Any] | None = None
        self._refusal = ""
        try:
            _expect_same(setting)
            elsewhere, table = pickle.loads(made)  # noqa: S301  # from the process that asks
            self._units = UnitWorker(elsewhere(processors), table, setting.folder)
        except Exception as error:  # noqa: BLE001  # told, by whatever it is
            self._refusal = _refusal(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the units of a batch, of which there is one."""
        return {"done": [self._do(packed) for packed in batch["unit"]]}

    def _do(self, packed: bytes) -> bytes:
        if self._units is None:
            return pickle.dumps(self._refusal)
        try:
            return pickle.dumps(self._units.do(*pickle.loads(packed)))  # noqa: S301  # likewise
        except Exception as error:  # noqa: BLE001  # likewise
            return pickle.dumps(_refusal(error))


def _refusal(error: Exception) -> str:
    """Why a worker cannot go on, and on which machine."""
    known = isinstance(error, MeshseekError)
    return f"on {socket.gethostname()}: {'' if known else f'{type(error).__name__}: '}{_first_line(error)}"


def _each(room: Room, about: tuple[Any, ...], packed: Sequence[bytes]) -> Iterator[list[Outcome]]:
    """What became of each unit.

    Raises:
        EngineError: A worker cannot work, or the cluster is gone.
    """
    from ray import data  # noqa: PLC0415  # an extra, and heavy

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a unit may take long, and so may others' work on the cluster
    context.max_consecutive_actor_init_deaths = TRIES
    pool = data.ActorPoolStrategy(size=room.workers, max_tasks_in_flight_per_actor=IN_HAND)
    units = data.from_items([{"unit": unit} for unit in packed], override_num_blocks=len(packed))
    options = {"num_cpus": room.processors, "num_gpus": room.gpus or None}
    done = units.map_batches(_Worker, fn_constructor_args=about, compute=pool, batch_size=1, **options)
    for row in _rows(done):
        told = pickle.loads(row["done"])  # noqa: S301  # from a worker of ours
        if isinstance(told, str):
            raise EngineError(told)
        yield told


def _rows(done: Any) -> Iterator[dict[str, Any]]:
    """Of a dataset, as they come."""
    try:
        yield from done.iter_rows()
    except Exception as error:  # whatever Ray raises: of a cluster that is gone, each part says something else
        raise EngineError(f"the Ray cluster cannot go on ({_last_line(error)}); what is done is kept") from error


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[ModuleType]:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415  # likewise
    except ImportError as error:
        raise EngineError(MISSING) from error
    if ray.is_initialized():
        yield ray
        return
    if address:
        _expect_answer(address)
    alone: dict[str, Any] = {"address": "local", "include_dashboard": False}
    try:
        with _no_stderr():
            ray.init(**({"address": address} if address else alone), log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"the Ray cluster at {address} cannot be used" if address else "Ray cannot be started on this machine"
        raise EngineError(f"{where}: {' '.join(str(error).split())}") from error
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
        EngineError: Nobody does, or it is no address.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:  # "auto": Ray looks for a cluster of this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no Ray cluster answers at {address} ({error}); start one with 'ray start --head', or check --address"
        ) from error


def _room(nodes: Sequence[dict[str, Any]], wanted: int | None, units: int, *, uses_gpu: bool) -> Room:
    """A worker for each GPU or, without any, for as many processors as the smallest machine has.

    Raises:
        EngineError: There is no room for any.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not alive:
        raise EngineError("the Ray cluster has no processors to work with; start its nodes with --num-cpus")
    with_gpu = [node for node in alive if node.get("GPU", 0) >= 1]
    if uses_gpu and with_gpu:
        gpus = sum(int(node["GPU"]) for node in with_gpu)
        beside = min(int(node["CPU"]) // int(node["GPU"]) for node in with_gpu)
        return Room(min(wanted or gpus, gpus, units), max(1, beside), 1)
    processors = [int(node["CPU"]) for node in alive]
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
    if not setting.folder.is_dir():
        raise EngineError(
            f"{setting.folder.parents[1]} is not the folder that it is where the command was given; put the workspace "
            "on storage that all machines have at the same path"
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _last_line(error: BaseException) -> str:
    """Of an error that another process raised: there it says what it is."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
