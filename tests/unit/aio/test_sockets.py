"""Connections whose other end is gone end too: the kernel is told so for those that connect and those accepted."""

from __future__ import annotations

import socket

from longboat.aio import sockets


def test_both_ends_ask_for_signs_of_life() -> None:
    with sockets.listening("127.0.0.1", 0, 8) as server:
        address = socket.getaddrinfo(*server.getsockname(), type=socket.SOCK_STREAM)[0]
        with sockets.connecting(address) as client:
            client.connect(server.getsockname())
            accepted, _ = server.accept()
            with accepted:
                for each in (client, accepted):
                    assert each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                    idle, interval, count = (
                        each.getsockopt(socket.IPPROTO_TCP, option)
                        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                    )
                    assert idle + interval * count == sockets.DEAF
                assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == sockets.DEAF * 1000
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
