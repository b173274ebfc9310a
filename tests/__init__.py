"""What is compiled is kept: two workers, and each process that a test starts, do it all again else."""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
