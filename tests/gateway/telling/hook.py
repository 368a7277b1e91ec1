"""A receiver that verifies with the library of Standard Webhooks; says in JSON lines what came.

hook.py SECRETS: the secret stands in that file, once it is known. The path says how to answer:
/ok with 204, /fail-N with 503 N times for each id and then with 204, /moved with 302, /gone with 410,
/never with nothing."""

import collections
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

secrets = sys.argv[1]
tries = collections.Counter()
one_line_at_a_time = threading.Lock()


def verified(body, headers):
    try:
        with open(secrets) as file:
            Webhook(file.read().strip()).verify(body, headers)
        return True
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        id = headers.get("webhook-id")
        with one_line_at_a_time:
            tries[id] += 1
        line = {
            "path": self.path,
            "id": id,
            "try": tries[id],
            "verified": verified(body, headers),
            "body": json.loads(body),
        }
        with one_line_at_a_time:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        if self.path == "/never":
            time.sleep(600)
        status = {"/moved": 302, "/gone": 410}.get(self.path, 204)
        if self.path.startswith("/fail-") and tries[id] <= int(self.path[6:]):
            status = 503
        self.send_response(status)
        if status == 302:
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
