"""A conversion webhook for pods: what upstream's test image answers at /crdconvert."""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def converted(found, to):
    """Version v1 has a hostPort, v2 a host and a port."""
    if to.endswith("/v2") and "hostPort" in found:
        found["host"], _, found["port"] = found.pop("hostPort").partition(":")
    elif to.endswith("/v1") and ("host" in found or "port" in found):
        found["hostPort"] = f"{found.pop('host', '')}:{found.pop('port', '')}"
    return {**found, "apiVersion": to}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.say({"ready": True})

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        objects = [converted(each, request["desiredAPIVersion"]) for each in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
        self.say({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response})

    def say(self, what):
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    certificates, port = sys.argv[1], int(sys.argv[2])
    server = ThreadingHTTPServer(("", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificates}/tls.crt", f"{certificates}/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
