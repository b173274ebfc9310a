"""People of the sandbox: they act on applications of the sample applicants, and on nobody else's.

A process of its own that calls the service as any agency's people do, with rights of their own; the service
knows nothing of it.
"""
