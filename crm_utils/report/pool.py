"""Workers on all cores: hands out notebooks, watches the clock, and lets nothing hang, vanish or survive."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_utils.paths import HOME
from crm_utils.report.tree import kill_group, kill_tree

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
    last_words : str
        The last line that a worker wrote on standard error before it ended unasked.
    """

    job: Job
    event: dict[str, Any] | None
    timed_out: bool
    index: int | None
    seconds: float
    last_words: str = ""


class _Worker:
    kernel_pid: int | None = None  # while one runs: it leads a process group that a worker's sudden end leaves behind

    def __init__(self, log_folder: Path):
        handle, name = tempfile.mkstemp(dir=log_folder, suffix=".log")
        self._log = os.fdopen(handle, "wb")
        self._log_path = Path(name)
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
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(ValueError):  # a line cut off by the worker's end
            for line in self._process.stdout:
                self._events.put(json.loads(line))
        self._events.put(None)

    def send(self, job: Job) -> None:
        with suppress(BrokenPipeError):  # the listener's None tells that the worker is gone
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()

    def next_event(self, seconds: float) -> dict[str, Any] | None:
        """Give the next event; None when the worker has ended; raises queue.Empty when the time is up."""
        return self._events.get(timeout=max(seconds, 0))

    def last_words(self) -> str:
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def end(self) -> None:
        kill_tree(self._process.pid)
        if self.kernel_pid is not None:
            kill_group(self.kernel_pid)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with suppress(OSError):
                stream.close()


class Pool:
    """Runs jobs in worker processes.

    Parameters
    ----------
    jobs : sequence of dict
        Jobs for `crm_utils.report.worker`.
    workers : int
        How many run at the same time.
    log_folder : pathlib.Path
        Folder for what the workers write on standard error.
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
        log_folder: Path,
        on_cell: Callable[[], None],
        on_end: Callable[[JobEnd], None],
    ):
        self._pending: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            self._pending.put(job)
        self._slots = min(workers, len(jobs))
        self._log_folder = log_folder
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
            with self._workers_lock:
                workers = list(self._workers)
            for worker in workers:
                worker.end()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _new_worker(self) -> _Worker | None:
        with self._workers_lock:
            if self._stopping.is_set():
                return None
            worker = _Worker(self._log_folder)
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
            while not self._stopping.is_set():
                try:
                    job = self._pending.get_nowait()
                except queue.Empty:
                    return
                ready = worker is not None
                if worker is None:
                    worker = self._new_worker()
                    if worker is None:
                        return
                    ready = self._wait_ready(worker)
                unready = JobEnd(job, None, False, None, 0.0, worker.last_words())
                ended = self._run(worker, job) if ready else unready
                if ended.event is None:
                    self._drop(worker)
                    worker = None
                    if self._stopping.is_set():  # it was ended from here: the job has no result
                        return
                with self._end_lock:
                    self._on_end(ended)
        finally:
            if worker is not None:
                self._drop(worker)

    @staticmethod
    def _wait_ready(worker: _Worker) -> bool:
        try:
            return worker.next_event(_READY_SECONDS) is not None
        except queue.Empty:
            return False

    def _run(self, worker: _Worker, job: Job) -> JobEnd:
        started = time.monotonic()
        limit = started + job["timeout"] + _GRACE_SECONDS
        index, executed = None, False
        worker.send(job)

        def ended(event: dict[str, Any] | None, *, timed_out: bool = False) -> JobEnd:
            words = worker.last_words() if event is None and not timed_out else ""
            return JobEnd(job, event, timed_out, index, time.monotonic() - started, words)

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
                executed, limit = True, time.monotonic() + _FINISH_SECONDS
                worker.kernel_pid = None
            else:
                return ended(event)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
