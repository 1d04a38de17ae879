"""The kernel of ``nasbook run``: an ordinary ipykernel that cannot outlive the process that started it.

Jupyter starts kernels in a session of their own, so a SIGKILL of the caller's process group misses them,
and ipykernel's own watch on its parent is a Python thread, which waits as long as C++ code holds the
interpreter lock. Linux is therefore asked to kill the kernel with its parent; elsewhere ipykernel's thread
has to do.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have Linux kill this process as soon as its parent, process ``parent``, is gone; elsewhere nothing."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # the parent may have died before the request was in place
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with(int(os.environ["NASBOOK_PARENT"]))
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
