"""`python -m simulated_gateway [--port 8099] [--away 0.2] …`: run the simulated gateway."""

import argparse

import uvicorn

from simulated_gateway.app import FAULTS, Faults, Gateway, make_app


def main() -> None:
    """Serve on this machine alone until told to stop."""
    asked = argparse.ArgumentParser(description="A simulated SMS gateway. It sends nothing.")
    asked.add_argument("--port", type=int, default=8099)
    for name in FAULTS:
        asked.add_argument(f"--{name.replace('_', '-')}", type=float, default=0.0, metavar="SHARE")
    asked.add_argument("--seconds", type=float, default=30.0, help="how slow a slow answer is")
    given = vars(asked.parse_args())
    port = given.pop("port")
    app = make_app(Gateway(Faults(**given)))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
