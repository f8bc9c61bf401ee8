"""Kernels that depend on nobody's settings: forked from a process that is warm, or started from nothing."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import default

_PROVISIONER = "crm-warm"
_OPTIONS = ("--HistoryManager.enabled=False",)  # nobody will ask a report's kernel for the history of its commands


class WarmKernel:
    """A process forked for a kernel, which waits for its orders; as much of `subprocess.Popen` as Jupyter needs.

    Make it with `fork_kernel`.

    Parameters
    ----------
    pid : int
        The process; it leads a process group of its own.
    orders : int
        Write end of the pipe on which it waits.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, orders: int):
        self.pid = pid
        self.returncode: int | None = None
        self._orders = orders

    def start(self, *, connection_file: str, cwd: str | None, env: Mapping[str, str]) -> None:
        """Let the process become a kernel."""
        order = {"connection_file": connection_file, "cwd": cwd, "env": dict(env)}
        with os.fdopen(self._orders, "w", encoding="utf-8") as pipe:
            json.dump(order, pipe)

    def poll(self) -> int | None:
        """Give the exit code; None while the process runs."""
        return self._wait(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process; `timeout` is for the sake of the interface."""
        return self._wait(0)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, while it is there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)


def fork_kernel(*, close: Callable[[], None]) -> WarmKernel:
    """Fork a process that will be a kernel, from one that has a single thread and knows no kernel yet.

    The fork holds what its parent has imported and nothing else: no notebook has run in either.

    Parameters
    ----------
    close : callable
        Closes, in the fork, what belongs to its parent alone.

    Returns
    -------
    WarmKernel
        The waiting process.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(write)
            close()
            _serve_as_kernel(read)
        finally:
            os._exit(1)
    os.close(read)
    return WarmKernel(pid, write)


def _serve_as_kernel(orders: int) -> None:
    os.setsid()
    with os.fdopen(orders, encoding="utf-8") as pipe:
        text = pipe.read()
    if not text:  # the parent is gone before it had a use for this
        os._exit(0)
    order = json.loads(text)
    os.environ.clear()
    os.environ.update(order["env"])
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    if order["cwd"]:
        os.chdir(order["cwd"])
    sys.argv = ["ipykernel_launcher.py", "-f", order["connection_file"], *_OPTIONS]
    _forget_random_state()
    from ipykernel.kernelapp import IPKernelApp

    # The app reads its parent from the environment when it is imported, which was in another process.
    IPKernelApp.launch_instance(argv=[*sys.argv[1:], f"--IPKernelApp.parent_handle={os.getppid()}"])
    atexit._run_exitfuncs()
    os._exit(0)


def _forget_random_state() -> None:
    """Seed numpy's old global generator anew, as a fresh process does; Python's own sees to itself after a fork."""
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed()  # noqa: NPY002


class _ThisInterpreter(KernelSpecManager):
    """Starts kernels with the interpreter that runs this, whatever kernels the user has registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *_OPTIONS],
            display_name="Python 3",
            language="python",
            metadata={"kernel_provisioner": {"provisioner_name": _PROVISIONER}},
        )


class WarmProvisioner(LocalProvisioner):
    """Uses the manager's waiting process where there is one; without one it starts a kernel from nothing."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Launch the kernel."""
        kernel = self.parent.warm_kernel
        if kernel is None:
            return await super().launch_kernel(cmd, **options)
        self.parent.warm_kernel = None
        kernel.start(connection_file=self.parent.connection_file, cwd=options.get("cwd"), env=options["env"])
        self.process, self.pid, self.pgid = kernel, kernel.pid, kernel.pid
        return self.connection_info


KernelProvisionerFactory.instance().provisioners[_PROVISIONER] = EntryPoint(
    _PROVISIONER, f"{__name__}:{WarmProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME
)


class KernelManager(AsyncKernelManager):
    """Starts one kernel, tells its process number, and knows no kernel but this interpreter's."""

    kernel_pid: int | None = None
    warm_kernel: WarmKernel | None = None
    on_start: Callable[[int], None] | None = None

    @default("kernel_spec_manager")
    def _kernel_spec_manager_of_this_interpreter(self) -> KernelSpecManager:
        return _ThisInterpreter(parent=self)

    async def start_kernel(self, **options: Any) -> None:
        """Start the kernel."""
        await super().start_kernel(**options)
        self.kernel_pid = self.provisioner.pid
        self.on_start(self.kernel_pid)
