"""The guestbook of upstream's suite, in shell: a primary that keeps what is set, replicas that are told, a frontend.

Each is busybox's web server with scripts: `register`, `set` and `get` of a store, `guestbook` of the frontend.
"""

from __future__ import annotations

from e2e.manifests import BUSYBOX
from longboat.machinery.objects import Object

HEAD = "#!/bin/sh\nprintf 'Content-Type: application/json\\r\\n\\r\\n'\n"
ASKED = "value() { echo \"$QUERY_STRING\" | tr '&' '\\n' | sed -n \"s/^$1=//p\"; }\n"
GET = HEAD + ASKED + 'cat "/data/$(value key)" 2>/dev/null; true\n'
SET = HEAD + ASKED + 'mkdir -p /data; value value | tr -d "\\n" >"/data/$(value key)"\n'
TELL = 'for host in $(cat /replicas 2>/dev/null); do wget -qO- "http://$host:6379/cgi-bin/set?$QUERY_STRING"; done\n'
REGISTER = HEAD + 'echo "$REMOTE_ADDR" >>/replicas; sort -u -o /replicas /replicas\n'
GUESTBOOK = (
    HEAD
    + ASKED
    + (
        'if [ "$(value cmd)" = set ]; then\n'
        'wget -qO- "http://agnhost-primary:6379/cgi-bin/set?$QUERY_STRING" && echo \'{"message": "Updated"}\'\n'
        'else found=$(wget -qO- "http://agnhost-replica:6379/cgi-bin/get?$QUERY_STRING") && '
        'printf \'{"data": "%s"}\' "$found"; fi\n'
    )
)
JOIN = "until wget -qO- http://agnhost-primary:6379/cgi-bin/register; do sleep 0.2; done"


def _serving(port: int, before: str = "", **scripts: str) -> list[str]:
    lines = ["mkdir -p /www/cgi-bin"]
    for name, text in scripts.items():
        lines += [f"cat >/www/cgi-bin/{name} <<'END'\n{text}END", f"chmod +x /www/cgi-bin/{name}"]
    return ["sh", "-c", "\n".join([*lines, before, f"exec httpd -f -p {port} -h /www"])]


def _part(name: str, port: int, replicas: int, command: list[str], serves: int, **labels: str) -> list[Object]:
    container = {"name": name, "image": BUSYBOX, "command": command, "ports": [{"containerPort": port}]}
    container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels},
         "spec": {"ports": [{"port": serves, "targetPort": port}], "selector": labels}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
         "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}},
    ]  # fmt: skip


APPLICATION = [
    *_part("agnhost-replica", 6379, 2, _serving(6379, JOIN, get=GET, set=SET),
           6379, app="agnhost", role="replica", tier="backend"),
    *_part("agnhost-primary", 6379, 1, _serving(6379, register=REGISTER, get=GET, set=SET + TELL),
           6379, app="agnhost", role="primary", tier="backend"),
    *_part("frontend", 80, 3, _serving(80, guestbook=GUESTBOOK), 80, app="guestbook", tier="frontend"),
]  # fmt: skip
