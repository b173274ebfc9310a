"""A child process that does not outlive its parent, however that ends."""

import os
import signal
import threading
import time

PERIOD = 0.5


def leave_with_parent() -> None:
    """Stop this process, as if told to, once its parent is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PERIOD)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
