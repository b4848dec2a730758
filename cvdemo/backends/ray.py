"""The same requests on Ray Serve: a deployment a demo, its steps streamed back with their previews.

Ray Serve (P. Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018) starts replicas,
routes requests to those that are free, and restarts those that die. A replica is a process with one thread of
arithmetic, so quick work grows with their number. `pip install .[ray]` brings it.

`CVDEMO_RAY_ADDRESS` names a running cluster; without it one is started on this machine. `CVDEMO_RAY_REPLICAS` is the
number of replicas of each demo.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from cvdemo import demos
from cvdemo.demo import Lane, Request, Run, Step
from cvdemo.errors import BusyError, DemoError, InputError, brief
from cvdemo.limits import RAY_DEPLOYMENTS, RAY_REPLICAS_MOST, RAY_STARTING_S, RAY_WAITING
from cvdemo.runtime import Deadline, stopping_when

ADDRESS, REPLICAS = "CVDEMO_RAY_ADDRESS", "CVDEMO_RAY_REPLICAS"
ATTEMPTS = 2  # a request is begun again once where its replica has died
LOOK_S = 0.1  # how soon a job ends whose visitor has left
LOST = "The machine that worked on this was lost, twice. Please try again."
NO_REPLICA = "No machine is free for this. Please try again in a minute."
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_END = object()


class DemoReplica:
    """Runs the requests of one demo, one after the other, by a function such as `cvdemo.demos.run`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def run(self, request: Request) -> AsyncIterator[Step[Any] | DemoError]:
        """The request's steps; what a visitor can mend comes as the last one, since Ray would wrap it."""
        stopped = threading.Event()
        steps = self._run(request)
        try:
            while True:
                step = await asyncio.to_thread(_next, steps, stopped)
                if step is _END:
                    return
                yield step
        except DemoError as error:
            yield error
        finally:  # cancelled, too: the thread that works on a step sees it at the next one
            stopped.set()


def _next(steps: Iterator[Step[Any]], stopped: threading.Event) -> Any:
    with stopping_when(stopped.is_set):
        return next(steps, _END)


class RayBackend:
    """Sends requests to Ray Serve.

    Args:
        replicas: of each demo; None takes the environment's, else one.
        run: what a replica does with a request; it is found there by its name.

    Raises:
        InputError: the environment's number is none.
    """

    def __init__(self, replicas: int | None = None, run: Run = demos.run) -> None:
        self.replicas = replicas or _replicas_of_environment()
        self._demo_run = run
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(RAY_DEPLOYMENTS, thread_name_prefix="deploy")
        self._handles: dict[str, Future[DeploymentHandle]] = {}
        self._start()

    def _start(self) -> None:
        """Joins the cluster of the environment, or starts one here, whose cores may be promised more than once."""
        if not ray.is_initialized():
            address = os.environ.get(ADDRESS)
            quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
            here = {} if address else {"num_cpus": RAY_DEPLOYMENTS * self.replicas + 1, **quiet}
            ray.init(address, **here)
        serve.start(proxy_location="Disabled")

    def at_once(self, lane: Lane) -> int:
        """How many jobs of a lane this process hands over at the same time; Ray Serve lets them wait for a replica."""
        return self.replicas * RAY_WAITING

    def run(self, request: Request) -> Iterator[Step[Any]]:
        """The steps of a request, from a replica of its demo.

        A request whose replica dies is begun again once; its steps then come from the start.

        Raises:
            BusyError: too many wait already, or no replica is there.
            DemoError: what the visitor can mend, or that two replicas were lost.
        """
        for attempt in range(ATTEMPTS):
            try:
                yield from self._attempt(request)
                return
            except RayActorError as error:  # the replica's process is gone
                if attempt == ATTEMPTS - 1:
                    raise DemoError(LOST) from error

    def _attempt(self, request: Request) -> Iterator[Step[Any]]:
        response = self._handle(demo_of(request)).options(stream=True).run.remote(request)
        with _cancelling(response):
            try:
                for step in response:
                    if isinstance(step, DemoError):
                        raise step
                    yield step
            except RequestCancelledError:
                return  # nobody waits for it any more
            except (BackPressureError, DeploymentUnavailableError) as error:
                raise BusyError(NO_REPLICA) from error
            except RayTaskError as error:
                raise error.cause from error  # nobody foresaw it: the page logs it under a number

    def _handle(self, demo: str) -> DeploymentHandle:
        """The deployment of a demo, made when it is first asked for; `BusyError` where no machine takes it in time."""
        with self._lock:
            former = self._handles.get(demo)
            if former is None or (former.done() and former.exception() is not None):  # one that failed is tried anew
                self._handles[demo] = self._pool.submit(self._deploy, demo)
            coming = self._handles[demo]
        deadline = Deadline(RAY_STARTING_S)
        while not deadline.expired:
            with contextlib.suppress(NotYet):
                return coming.result(timeout=LOOK_S)
        raise BusyError(NO_REPLICA)

    def _deploy(self, demo: str) -> DeploymentHandle:
        deployment = serve.deployment(DemoReplica).options(
            name=demo,
            num_replicas=self.replicas,
            max_ongoing_requests=1,
            max_queued_requests=self.replicas * RAY_WAITING,
            ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": ONE_THREAD}},
            health_check_period_s=2,
        )
        return serve.run(deployment.bind(self._demo_run), name=demo, route_prefix=None)

    def close(self) -> None:
        """Ends all replicas, and Ray where it was started here."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        serve.shutdown()
        ray.shutdown()


def demo_of(request: Request) -> str:
    """The package of a request: `cvdemo.style.run.StyleRequest` -> "style"."""
    return type(request).__module__.split(".")[-2]


@contextlib.contextmanager
def _cancelling(response: DeploymentResponseGenerator) -> Iterator[None]:
    """Cancels the response as soon as nobody waits for it, while another thread blocks on its next step."""
    deadline, done = Deadline(), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_S):
            if deadline.abandoned:
                response.cancel()
                return

    watcher = threading.Thread(target=contextvars.copy_context().run, args=(watch,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        if not deadline.abandoned:
            response.cancel()  # a caller who takes no more steps; nothing happens where it has ended
        watcher.join()


def _replicas_of_environment() -> int:
    text = os.environ.get(REPLICAS, "1")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= RAY_REPLICAS_MOST):
        raise InputError(f"{REPLICAS} has to be a whole number from 1 to {RAY_REPLICAS_MOST}; it is {brief(text)}.")
    return int(text)
