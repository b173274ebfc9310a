"""The conformance kit: a bank tries its own terminal against a sandbox, with the faults of real lines put in.

It stands between the bank's client and the sandbox, passes on what is sent, and looks at nothing but what
crosses the wire. It knows nothing of how the service is built. (`conformity` is another matter: whether guides
keep to the rules.)
"""
