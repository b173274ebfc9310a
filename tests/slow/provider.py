"""`python -m tests.slow.provider PORT KEYS`: a real OpenID Connect provider (canaille), a person and a client.

KEYS is a file of private keys as JSON; the provider is started again with others to rotate them.
"""

import json
import sys
from pathlib import Path

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from werkzeug.serving import make_server

CLIENT, SECRET = "syt", "a secret of the test's client"
PERSON, PASSWORD = "alice", "correct horse battery"


def main(port: int, keys: Path) -> None:
    """Serve until ended."""
    app = create_app({
        "SECRET_KEY": "of no use elsewhere", "CANAILLE": {"DATABASE": "memory", "LOGGING": None},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": json.loads(keys.read_text())},
    })  # fmt: skip
    with app.app_context():
        person = models.User(
            user_name=PERSON, family_name="Li", formatted_name="Li Ming",
            emails=["li@example.com"], password=PASSWORD,
        )  # fmt: skip
        Backend.instance.save(person)
        client = models.Client(
            client_id=CLIENT, client_secret=SECRET, client_name="syt", client_uri="http://127.0.0.1",
            redirect_uris=["http://127.0.0.1/back"], grant_types=["password"],
            response_types=["code"], scope=["openid"], token_endpoint_auth_method="client_secret_basic",
            id_token_signed_response_alg="RS256",
        )  # fmt: skip
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
