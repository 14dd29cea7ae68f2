"""A webhook for pods: what upstream's test image answers at these paths, by the same labels and data."""

import base64
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MARK, NO = "webhook-e2e-test", "webhook-disallow"


def told(*problems):
    """A refusal, if there is anything to refuse."""
    return {"allowed": not problems, **({"status": {"message": "; ".join(problems)}} if problems else {})}


def patched(*operations):
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, **({"patch": patch, "patchType": "JSONPatch"} if operations else {})}


def pods(request):
    pod = request["object"]
    problems, label = [], pod["metadata"].get("labels", {}).get(MARK)
    if label == "wait-forever":
        time.sleep(3600)
    if any(container["name"] == NO for container in pod["spec"]["containers"]):
        problems.append("the pod contains unwanted container name")
    if label == NO:
        problems.append("the pod contains unwanted label")
    return told(*problems)


def attach(request):
    assert request["object"]["kind"] == "PodAttachOptions"
    if request["name"] == "to-be-attached-pod":
        return told(f"attaching to pod '{request['name']}' is not allowed")
    return told()


def configmaps(request):
    wrong = (request["object"].get("data") or {}).get(MARK) == NO
    return told(*(["the configmap contains unwanted key and value"] if wrong else []))


def mutating_data(request):
    data = request["object"].get("data") or {}
    return patched(*(
        {"op": "add", "path": f"/data/{adds}", "value": "yes"}
        for has, adds in (("mutation-start", "mutation-stage-1"), ("mutation-stage-1", "mutation-stage-2"))
        if data.get(has) == "yes" and adds not in data
    ))  # fmt: skip


def mutating_pods(request):
    added = {"image": "webhook-added-image", "name": "webhook-added-init-container", "resources": {}}
    return patched({"op": "add", "path": "/spec/initContainers", "value": [added]})


def custom_resource(request):
    if request["operation"] == "DELETE":
        kept = request["oldObject"]["data"].get(MARK) == "webhook-nondeletable"
        why = "the custom resource cannot be deleted because it contains unwanted key and value"
        return told(*([why] if kept else []))
    wrong = request["object"]["data"].get(MARK) == NO
    return told(*(["the custom resource contains unwanted data"] if wrong else []))


def definitions(request):
    wrong = request["object"]["metadata"].get("labels", {}).get(MARK) == NO
    return told(*(["the crd contains unwanted label"] if wrong else []))


def late(request):
    time.sleep(5)
    return told()


ANSWERS = {
    "/pods": pods, "/pods/attach": attach, "/configmaps": configmaps, "/mutating-configmaps": mutating_data,
    "/mutating-pods": mutating_pods, "/custom-resource": custom_resource, "/mutating-custom-resource": mutating_data,
    "/crd": definitions, "/always-allow-delay-5s": late, "/always-deny": lambda request: told("always denied"),
    "/add-label": lambda request: patched(
        {"op": "add", "path": "/metadata/labels", "value": {"added-label": "yes"}}
    ),
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.say({"ready": True})

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = ANSWERS[self.path.partition("?")[0]](review["request"])
        response["uid"] = review["request"]["uid"]
        self.say({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})

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
