"""`python -m api FD`: one API process."""

import gc
import sys

# What is imported and loaded stays: to look through it while it grows takes a fifth of a start.
gc.disable()  # `kit.heap.filling` lets it look again when all is there.

# For consoles that an API process has not, structlog and httpx load these wherever they find them: a
# twentieth of what is loaded.
sys.modules |= dict.fromkeys(CONSOLES := ("click", "rich"))  # type: ignore[arg-type]
import httpx  # noqa: E402, F401
import structlog  # noqa: E402, F401

for name in CONSOLES:
    del sys.modules[name]

from api.serving import main  # noqa: E402

if __name__ == "__main__":
    main(int(sys.argv[1]))
