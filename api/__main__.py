"""`python -m api FD`: one API process."""

import gc
import sys

# What is imported and loaded stays: to look through it while it grows takes a fifth of a start.
gc.disable()  # `kit.heap.filling` lets it look again when all is there.

import kit.consoleless  # noqa: E402, F401
from api.serving import main  # noqa: E402

if __name__ == "__main__":
    main(int(sys.argv[1]))
