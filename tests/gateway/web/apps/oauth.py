# A token's server and an API behind it: Authlib on Flask, over TLS.
# usage: oauth.py PORT CERTIFICATE KEY JOURNAL SECONDS
# The tokens are good for SECONDS; a POST to /forget takes all of them back at once.
import sys
import threading

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from flask import Flask, jsonify, request

port, certificate, key, journal, seconds = sys.argv[1:]
app = Flask(__name__)
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": int(seconds)}
tokens = {}
lock = threading.Lock()


def note(line):
    with lock, open(journal, "a") as file:
        file.write(line + "\n")


class Client(ClientMixin):
    def get_client_id(self):
        return "ops"

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return " ".join(word for word in (scope or "").split() if word in ("read", "write"))

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        note("asked")
        return client_secret == "lizard-Wednesday-Quartz-41"

    def check_endpoint_auth_method(self, method, endpoint):
        note(f"proof {method}")
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Token(TokenMixin):
    def __init__(self, scope):
        self.scope = scope

    def check_client(self, client):
        return True

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return int(seconds)

    def is_expired(self):
        return False

    def is_revoked(self):
        return False


class Grant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return tokens.get(token_string)


def save(token, request):
    note(f"gave {token['access_token']} for {token.get('scope', '')!r}")
    tokens[token["access_token"]] = Token(token.get("scope", ""))


server = AuthorizationServer(
    app,
    query_client=lambda client_id: Client() if client_id == "ops" else None,
    save_token=save,
)
server.register_grant(Grant)
require = ResourceProtector()
require.register_token_validator(Validator())


@app.post("/oauth/token")
def token():
    return server.create_token_response()


@app.route("/api/<path:what>", methods=["GET", "POST"])
@require("read")
def api(what):
    note(f"{request.method} {what} {len(request.get_data())}")
    return jsonify(what=what)


@app.post("/forget")
def forget():
    tokens.clear()
    return "", 204


app.run("127.0.0.1", int(port), ssl_context=(certificate, key), threaded=True)
