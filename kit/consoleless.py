"""Imported first by processes that no person looks at.

For consoles that they have not, structlog and httpx load these wherever they find them: a twentieth of what is
loaded, and some megabytes.
"""

import sys

sys.modules |= dict.fromkeys(CONSOLES := ("click", "rich"))  # type: ignore[arg-type]
import httpx  # noqa: E402, F401
import structlog  # noqa: E402, F401

for name in CONSOLES:
    del sys.modules[name]
