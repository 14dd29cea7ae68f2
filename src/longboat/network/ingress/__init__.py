"""Ingress: HTTP and HTTPS from outside, by host and path. Belongs: what HAProxy is told on one node, and telling it.

`routing` says what should be served (pure), `config` writes that as HAProxy wants it (pure), `haproxy` is the process
and its sockets, `gateway` keeps the second in step with the first.
"""
