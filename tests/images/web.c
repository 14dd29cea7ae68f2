/* A small web and UDP server for tests: it answers with its host name, which in a pod is the pod's name.
 *
 *   GET /          host name            GET /client   address and port of the peer
 *   GET /healthz   200                  GET /readyz   200, or 503 once it has been asked to stop
 *   GET /sleep     answers after 2 s    any datagram  answered with the host name
 *
 * One thread per connection, one request each. On SIGTERM it answers what is already queued, then ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static char host[256];
static volatile sig_atomic_t stopping;
static atomic_int busy;

static void stop(int number) { (void)number; stopping = 1; }

static void answer(int fd, const char *path) {
    char body[512], head[256];
    const char *status = "200 OK";
    if (strcmp(path, "/client") == 0) {
        struct sockaddr_in peer = {0};
        socklen_t size = sizeof peer;
        getpeername(fd, (struct sockaddr *)&peer, &size);
        snprintf(body, sizeof body, "%s:%d\n", inet_ntoa(peer.sin_addr), ntohs(peer.sin_port));
    } else if (strcmp(path, "/healthz") == 0) {
        strcpy(body, "ok\n");
    } else if (strcmp(path, "/readyz") == 0) {
        status = stopping ? "503 Service Unavailable" : "200 OK";
        strcpy(body, stopping ? "stopping\n" : "ok\n");
    } else if (strcmp(path, "/") == 0 || strcmp(path, "/sleep") == 0) {
        if (path[1]) sleep(2);
        snprintf(body, sizeof body, "%s\n", host);
    } else {
        status = "404 Not Found";
        snprintf(body, sizeof body, "not found at %s\n", host);
    }
    int length = snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, strlen(body));
    char all[1024];
    memcpy(all, head, length);
    memcpy(all + length, body, strlen(body));
    size_t total = length + strlen(body), sent = 0;
    while (sent < total) {
        ssize_t n = send(fd, all + sent, total - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += n;
    }
}

static void *serve(void *argument) {
    int fd = (int)(intptr_t)argument;
    char buffer[8192];
    size_t used = 0;
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (used < sizeof buffer - 1) {
        ssize_t n = recv(fd, buffer + used, sizeof buffer - 1 - used, 0);
        if (n <= 0) goto end;
        used += n;
        buffer[used] = 0;
        if (strstr(buffer, "\r\n\r\n")) break;
    }
    char path[1024] = "";
    if (sscanf(buffer, "%*15s %1023s", path) == 1) {
        answer(fd, path);
        shutdown(fd, SHUT_WR);
        while (recv(fd, buffer, sizeof buffer, 0) > 0) ; /* let the peer close first: no reset on unread bytes */
    }
end:
    close(fd);
    busy--;
    return NULL;
}

static int bound(int type, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("bind");
        exit(1);
    }
    return fd;
}

int main(void) {
    int port = getenv("PORT") ? atoi(getenv("PORT")) : 8080;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    gethostname(host, sizeof host - 1);
    struct pollfd sockets[2] = {{.fd = bound(SOCK_STREAM, port), .events = POLLIN}, {.fd = bound(SOCK_DGRAM, port), .events = POLLIN}};
    listen(sockets[0].fd, 4096);
    printf("%s listens on %d\n", host, port);
    fflush(stdout);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 64 << 10);
    for (;;) {
        int ready = poll(sockets, 2, stopping ? 200 : -1); /* asked to stop: go on until nobody has come for a while */
        if (ready == 0 && stopping) break;
        if (ready > 0 && sockets[0].revents) {
            int fd = accept4(sockets[0].fd, NULL, NULL, SOCK_CLOEXEC);
            pthread_t thread;
            busy++;
            if (fd < 0 || pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd)) {
                if (fd >= 0) close(fd);
                busy--;
            }
        }
        if (ready > 0 && sockets[1].revents) {
            char datagram[2048];
            struct sockaddr_in peer;
            socklen_t size = sizeof peer;
            if (recvfrom(sockets[1].fd, datagram, sizeof datagram, 0, (struct sockaddr *)&peer, &size) >= 0)
                sendto(sockets[1].fd, host, strlen(host), 0, (struct sockaddr *)&peer, size);
        }
    }
    close(sockets[0].fd);
    for (int i = 0; busy > 0 && i < 500; i++) usleep(10000);
    printf("%s ends\n", host);
    return 0;
}
