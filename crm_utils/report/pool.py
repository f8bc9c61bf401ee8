"""Workers on all cores: hands out notebooks, watches the clock, and lets nothing hang, vanish or survive."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crm_utils.paths import HOME
from crm_utils.report.forge import Forge
from crm_utils.report.tree import kill_group, kill_tree
from crm_utils.report.worker import LOG

# The worker stops a notebook itself when its time is up; these are for a worker that does not answer any more.
_GRACE_SECONDS = 15.0
_READY_SECONDS = 180.0
_FINISH_SECONDS = 300.0

Job = dict[str, Any]


@dataclass(frozen=True)
class JobEnd:
    """How a job came back from a worker.

    Parameters
    ----------
    job : dict
        The job.
    event : dict or None
        The worker's last event, ``done`` or ``broken``; None when the worker had to be ended or ended itself.
    timed_out : bool
        Whether the worker was ended because the job's time was up.
    index : int or None
        Position of the last code cell that started.
    seconds : float
        Wall time.
    code_seconds : float
        The part of it in which cells ran.
    last_words : str
        The last line that a worker wrote on standard error before it ended unasked.
    """

    job: Job
    event: dict[str, Any] | None
    timed_out: bool = False
    index: int | None = None
    seconds: float = 0.0
    code_seconds: float = 0.0
    last_words: str = ""


class _Worker:
    """The run's end of a worker process."""

    serves_many: bool
    gone = False
    pid: int | None = None
    kernel_pid: int | None = None  # while one runs: it leads a process group that a worker's sudden end leaves behind

    def __init__(self, lines: IO[str]):
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    def _listen(self, lines: IO[str]) -> None:
        with suppress(ValueError, OSError):  # a line cut off by the worker's end
            for line in lines:
                self._events.put(json.loads(line))
        self.gone = True
        self._events.put(None)

    def next_event(self, seconds: float) -> dict[str, Any] | None:
        """Give the next event; None when the worker has ended; raises queue.Empty when the time is up."""
        return self._events.get(timeout=max(seconds, 0))

    def wait_ready(self) -> bool:
        """Wait until the worker has introduced itself; False when it will not."""
        if self.pid is None:
            with suppress(queue.Empty):
                event = self.next_event(_READY_SECONDS)
                self.pid = event and event["pid"]
        return self.pid is not None

    def end(self) -> None:
        """End the worker with all that it has started."""
        if self.pid is not None and not self.gone:
            kill_tree(self.pid)
        if self.kernel_pid is not None:
            kill_group(self.kernel_pid)


class _ForkedWorker(_Worker):
    serves_many = False

    def __init__(self, connection: socket.socket):
        self._connection = connection
        super().__init__(connection.makefile("r", encoding="utf-8"))

    def send(self, job: Job) -> None:
        with suppress(OSError):  # the listener's None tells that the worker is gone
            self._connection.sendall((json.dumps(job) + "\n").encode())

    def last_words(self, job: Job) -> str:
        log = Path(job["folder"]) / LOG
        return _last_line(log.read_bytes()) if log.exists() else ""

    def end(self) -> None:
        super().end()
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class _SpawnedWorker(_Worker):
    serves_many = True

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by end)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crm_utils.report.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=HOME,
            start_new_session=True,  # Ctrl-C reaches the parent only, which then ends the workers in order
            text=True,
            encoding="utf-8",
        )
        super().__init__(self._process.stdout)

    def send(self, job: Job) -> None:
        with suppress(OSError):
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()

    def last_words(self, job: Job) -> str:
        self._log.seek(0)
        return _last_line(self._log.read())

    def end(self) -> None:
        self.pid, self.gone = self._process.pid, False
        super().end()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with suppress(OSError):
                stream.close()


def _last_line(log: bytes) -> str:
    lines = log.decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Pool:
    """Runs jobs in worker processes.

    Parameters
    ----------
    jobs : sequence of dict
        Jobs for `crm_utils.report.worker`.
    workers : int
        How many notebooks run at the same time. While a page is written the next notebook may already run.
    forge : Forge or None
        Where workers come from; without one, or when it has given up, they are started from nothing.
    on_cell : callable
        Called without argument whenever a code cell starts.
    on_end : callable
        Called with a `JobEnd` for each job. Both are called from threads other than the caller's, so that Ctrl-C,
        which Python raises in the main thread, never cuts one short; `on_end` is called by one thread at a time.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        workers: int,
        forge: Forge | None,
        on_cell: Callable[[], None],
        on_end: Callable[[JobEnd], None],
    ):
        self._pending: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            self._pending.put(job)
        self._forge = forge
        self._running = threading.Semaphore(workers)
        self._slots = min(2 * workers if forge else workers, len(jobs))
        self._on_cell = on_cell
        self._on_end = on_end
        self._finished: queue.Queue[BaseException | None] = queue.Queue()
        self._stopping = threading.Event()
        self._workers: set[_Worker] = set()
        self._workers_lock = threading.Lock()
        self._end_lock = threading.Lock()

    def run(self) -> None:
        """Run all jobs; an exception, Ctrl-C among them, ends the workers and what they have started."""
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(self._slots)]
        try:
            for thread in threads:
                thread.start()
            for _ in threads:
                error = self._finished.get()
                if error is not None:
                    raise error
        finally:
            self._stopping.set()
            for _ in threads:
                self._running.release()
            with self._workers_lock:
                workers = list(self._workers)
            for worker in workers:
                worker.end()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _new_worker(self, job: Job) -> _Worker | None:
        connection = self._forge.connect() if self._forge else None
        with self._workers_lock:
            if self._stopping.is_set():
                return None
            worker = _ForkedWorker(connection) if connection else _SpawnedWorker()
            self._workers.add(worker)
        return worker

    def _drop(self, worker: _Worker) -> None:
        with self._workers_lock:
            self._workers.discard(worker)
        worker.end()

    def _serve(self) -> None:
        error = None
        try:
            self._serve_until_done()
        except BaseException as caught:  # must reach the thread that waits
            error = caught
        self._finished.put(error)

    def _serve_until_done(self) -> None:
        worker = None
        try:
            while True:
                self._running.acquire()
                try:
                    job = None if self._stopping.is_set() else self._pending.get_nowait()
                except queue.Empty:
                    job = None
                if job is None:
                    self._running.release()
                    return
                worker, ended = self._run(worker, job)
                if ended.event is None or not worker.serves_many:
                    if worker is not None:
                        self._drop(worker)
                    worker = None
                if ended.event is None and self._stopping.is_set():  # it was ended from here: the job has no result
                    return
                with self._end_lock:
                    self._on_end(ended)
        finally:
            if worker is not None:
                self._drop(worker)

    def _run(self, worker: _Worker | None, job: Job) -> tuple[_Worker | None, JobEnd]:
        """Run a job in the given worker or a new one; the right to run, held on entry, is given back on the way."""
        held = [self._running]

        def give_back() -> None:
            if held:
                held.pop().release()

        try:
            words = ""
            for _ in range(2):  # a forge that has given up shows when a worker does not come: then one from nothing
                worker = worker or self._new_worker(job)
                if worker is None:
                    return None, JobEnd(job, None)
                worker.send(job)
                if worker.wait_ready():
                    return worker, self._watch(worker, job, give_back)
                words, again = worker.last_words(job), isinstance(worker, _ForkedWorker)
                self._drop(worker)
                worker = None
                if not again:
                    break
                self._forge = None
            return None, JobEnd(job, None, last_words=words)
        finally:
            give_back()

    def _watch(self, worker: _Worker, job: Job, give_back: Callable[[], None]) -> JobEnd:
        started = time.monotonic()
        limit = started + job["timeout"] + _GRACE_SECONDS
        index, executed, code_seconds = None, False, 0.0

        def ended(event: dict[str, Any] | None, *, timed_out: bool = False) -> JobEnd:
            words = worker.last_words(job) if event is None and not timed_out else ""
            return JobEnd(job, event, timed_out, index, time.monotonic() - started, code_seconds, words)

        while True:
            try:
                event = worker.next_event(limit - time.monotonic())
            except queue.Empty:
                return ended(None, timed_out=not executed)
            if event is None:
                return ended(None)
            if event["event"] == "kernel":
                worker.kernel_pid = event["pid"]
            elif event["event"] == "cell":
                index = event["index"]
                self._on_cell()
            elif event["event"] == "executed":
                code_seconds = event["code_seconds"]
                executed, limit = True, time.monotonic() + _FINISH_SECONDS
                worker.kernel_pid = None
                give_back()
            else:
                return ended(event)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
