"""A child process that begins when its parent says so, and does not outlive it, however that ends.

The two hold the ends of a pipe: a byte in it says "go on", its end says that the parent is gone. The
kernel closes it also for a parent that was killed, at once, which a look at the parent's number is too
late and too unsure for: that number may have gone before the first look.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

LINE = "SYT_PARENT_LINE"
"""Names the descriptor of the child's end."""

PERIOD = 0.5
"""Seconds between two looks at the parent, where there is no line to it."""

PATIENCE = 15.0
"""Seconds that an orphan gets for a clean end."""


class Child:
    """A child process on such a pipe, seen from its parent."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], keep: Sequence[int] = ()
    ) -> None:
        """Start it; it imports what it needs and then waits for `release`. `keep` are its descriptors."""
        ours, theirs = os.pipe()[::-1]
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command, env={**environment, LINE: str(theirs)}, pass_fds=[*keep, theirs],
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._line, self._released = ours, False
        self.pid = self._process.pid

    def release(self) -> None:
        """Let it go on; to say it twice does nothing."""
        if self._released:
            return
        self._released = True
        with contextlib.suppress(BrokenPipeError):  # It has ended already; `ended` tells.
            os.write(self._line, b"!")

    def ended(self) -> int | None:
        """Give the status with which it ended, or nothing while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def reap(self, seconds: float) -> None:
        """Wait for its end, and bring it about if that takes too long."""
        try:
            self._process.wait(max(0.1, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._line)


def leave_with_parent() -> None:
    """In a child: wait to be released; from then on stop, as if told to, once the parent is gone."""
    named = os.environ.pop(LINE, None)
    if named is not None and not os.read(int(named), 1):
        raise SystemExit(0)
    parent = os.getppid()

    def watch() -> None:
        if named is not None:
            os.read(int(named), 1)  # Nothing more is ever written: this is the end.
        while named is None and os.getppid() == parent:
            time.sleep(PERIOD)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
