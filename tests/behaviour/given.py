"""Jobs that need nothing but to be applied: each is some time before a test asks of it."""

from __future__ import annotations

from typing import Any

from installed import PYTHON

from making import BUSY, python

Body = dict[str, Any]

ENDLESS = f"{BUSY}\nwhile True:\n    hot(400_000)\n"
FAILS = f"{BUSY}\nraise SystemExit(3)"
FEW = 'print("run", flush=True)\n'
SERVER = """
import http.server as h
class Handler(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"played back")
h.HTTPServer(("", 8080), Handler).serve_forever()
"""
VISIT = """
import os, urllib.request
print(urllib.request.urlopen(os.environ["PLAYBACK_URL"], timeout=10).read().decode(), flush=True)
"""
SEES = """
import json, os, sys
names = ("GREETING", "NVIDIA_VISIBLE_DEVICES", "PROFILING_OUTPUT")
seen = {name: os.environ.get(name) for name in names}
print(json.dumps({**seen, "args": sys.argv[1:], "folder": os.getcwd()}), flush=True)
"""
WRITES = """
import os
out = open(os.environ["PROFILING_OUTPUT"] + "/big", "wb")
while True:
    out.write(bytes(10**6)); out.flush(); hot(400_000)
"""
EATS = "x = []\nwhile True: x.append(b'x' * 10**6)"
SHARES = """
import os, pathlib
pathlib.Path("/dev/shm/a").write_text("x"); pathlib.Path("/scratch/a").write_text("x")
print("user", os.getuid(), os.getgid(), flush=True)
"""
KEY = {"name": "words", "key": "greeting"}
PLAYBACK = {"image": PYTHON, "port": 8080}
SLEEPS = ["python3", "-c", "import time; time.sleep(600)"]

OBJECTS: list[Body] = [
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "words"},
     "stringData": {"greeting": "from a secret"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"},
     "data": {"greeting": "from a config map"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry"},
     "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths":{}}'}},
]  # fmt: skip
"""What some of the jobs name."""


def _greeted(**source: Any) -> Body:
    env = [{"name": "GREETING", "valueFrom": source}]
    return {**python(f"{SEES}{BUSY}"), "env": env}


def _limited(**gate: Any) -> Body:
    return {"app": python(BUSY), "gates": [{"measure": "app/duration", **gate}]}


JOBS: dict[str, Body] = {
    "completes": {
        "app": {
            **python(f"{SEES}{BUSY}"), "args": ["a b", "$HOME {run}", ""], "workingDir": "/usr",
            "env": [{"name": "GREETING", "value": "good day"}],
        },
    },
    "fails": {"app": python(FAILS)},
    "fails-twice": {"app": python(FAILS), "retries": {"app": 1}},
    "repeats": {"app": python(BUSY), "warmups": 1, "repetitions": 2},
    "times-out": {"app": python(ENDLESS), "timeoutSeconds": 20},
    "stops": {"app": python(ENDLESS), "timeoutSeconds": 20, "onTimeout": "Stop"},
    "eats": {"app": {**python(EATS), "resources": {"limits": {"memory": "64Mi"}}}},
    "overflows": {"app": python(BUSY + WRITES), "output": {"sizeLimit": "64Mi"}},
    "measures-nothing": {"app": {"command": ["sh", "-c", "sleep 1; echo done"]}},
    "no-image": {"app": {"image": "profiling-operator/no-such-image:1", "command": ["true"]}},
    "no-command": {"app": {"command": ["/no/such/program"]}},
    "no-toolchain": {"app": python(BUSY), "collectors": [{"name": "tau"}]},
    "plays-back": {
        "app": python(VISIT + BUSY),
        "playback": {**PLAYBACK, "command": ["python3", "-c", SERVER]},
    },
    "no-playback": {
        "app": python(BUSY),
        "playback": {**PLAYBACK, "command": SLEEPS, "readiness": {"timeoutSeconds": 4}},
    },
    "starts-late": {
        "app": python(BUSY),
        "playback": {**PLAYBACK, "command": SLEEPS, "readiness": {"timeoutSeconds": 600}},
        "deadlines": {"startSeconds": 6},
    },
    "shares": {
        "app": {
            **python(SHARES + BUSY),
            "securityContext": {"runAsUser": 1234, "runAsGroup": 1235},
            "volumes": [
                {"name": "shm", "mountPath": "/dev/shm",
                 "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                {"name": "scratch", "mountPath": "/scratch", "emptyDir": {}},
            ],
        },
    },
    "limit-kept": _limited(max="10m"),
    "limit-exceeded": _limited(max="1ms"),
    "first-of-series": {
        **_limited(baseline="main", maxIncrease="10%"),
        "series": "accepted", "annotations": {"profiling.dev/accept-baseline": "main"},
    },
    "bad-option": {"collectors": [{"name": "pyspy", "options": {"rate": "fast"}}]},
    "no-store": {"output": {"store": "nowhere"}},
    "clash": {"collectors": [{"name": "nvprof"}, {"name": "nsys"}]},
    "attached": {
        "app": python(BUSY.replace("range(40)", "range(200)")),
        "collectors": [{"name": "pyspy", "mode": "attach"}],
    },
    "from-secret": {"app": _greeted(secretKeyRef=KEY)},
    "from-config-map": {"app": _greeted(configMapKeyRef=KEY)},
    "config-volume": {
        "app": {
            **python(f"print(open('/words/greeting').read(), flush=True)\n{BUSY}"),
            "volumes": [{"name": "words", "mountPath": "/words", "configMap": {"name": "words"}}],
        },
    },
    "pull-secret": {"app": {**python(BUSY), "imagePullSecrets": [{"name": "registry"}]}},
    "queue-name": {"placement": {"queueName": "gpus"}, "deadlines": {"queueSeconds": 5}},
    "node-selector": {"placement": {"nodeSelector": {"no-such": "label"}}},
    "many-gpus": {"gpu": {"count": 64}},
    "no-product": {"gpu": {"count": 1, "product": "NVIDIA-NONE"}},
    "two-gpus": {"app": python(SEES + BUSY), "gpu": {"count": 2, "product": "NVIDIA-TEST"}},
}  # fmt: skip
