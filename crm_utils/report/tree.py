"""Ending a process with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal


def kill_group(pid: int) -> None:
    """End the process group that a process leads or has led; a kernel's children outlive it there.

    Parameters
    ----------
    pid : int
        Leader of the group.
    """
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def kill_tree(pid: int, *, keep_root: bool = False) -> None:
    """End a process, its descendants and their process groups, at once.

    Kernels lead a process group of their own, and what they start may outlive its parent: hence the groups.

    Parameters
    ----------
    pid : int
        Root of the tree.
    keep_root : bool, default False
        Leave the root itself running.
    """
    import psutil

    try:
        root = psutil.Process(pid)
        below = root.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    groups = set()
    if hasattr(os, "killpg"):
        for process in below:
            with contextlib.suppress(ProcessLookupError):
                groups.add(os.getpgid(process.pid))
        groups -= {os.getpgrp(), os.getpgid(pid)}
    for process in [*below, *([] if keep_root else [root])]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for group in groups:
        kill_group(group)
