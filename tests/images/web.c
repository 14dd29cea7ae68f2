/* A small web and UDP server for tests: it answers with its name, which is $NAME or the host's: a pod's own.
 *
 *   /          its name                 /client   address and port of the peer
 *   /healthz   200                      /readyz   200, or 503 once it has been asked to stop
 *   /sleep     answers after 2 s        /page     HTML with a link to /next     /moved   redirects to /next
 *   /echo      the request's body       any datagram is answered with its name
 *
 * Any method will do, and every answer says what was asked, in a header: X-Asked: METHOD TARGET.
 * It listens on $PORT (8080), for datagrams on $UDP_PORT (the same). One thread per connection, one request each.
 * On SIGTERM it answers what is already queued, then ends.
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

static void answer(int fd, const char *method, const char *target, const char *sent_body) {
    char body[512], head[1536], path[1024], *query;
    const char *status = "200 OK", *type = "text/plain", *more = "";
    strcpy(path, target);
    if ((query = strchr(path, '?'))) *query = 0;
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
    } else if (strcmp(path, "/echo") == 0) {
        snprintf(body, sizeof body, "%s", sent_body);
    } else if (strcmp(path, "/page") == 0) {
        type = "text/html";
        strcpy(body, "<a href=\"/next\">next</a>");
    } else if (strcmp(path, "/moved") == 0) {
        status = "302 Found";
        more = "Location: /next\r\n";
        body[0] = 0;
    } else {
        status = "404 Not Found";
        snprintf(body, sizeof body, "not found at %s\n", host);
    }
    int length = snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nX-Asked: %s %s\r\n%sConnection: close\r\n\r\n",
        status, type, strlen(body), method, target, more);
    char all[2048];
    if (strcmp(method, "HEAD") == 0) body[0] = 0;
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
    char *blank = NULL;
    while (used < sizeof buffer - 1) {
        ssize_t n = recv(fd, buffer + used, sizeof buffer - 1 - used, 0);
        if (n <= 0) goto end;
        used += n;
        buffer[used] = 0;
        if (!(blank = strstr(buffer, "\r\n\r\n"))) continue;
        char *length = strcasestr(buffer, "\r\nContent-Length:");
        if (buffer + used - (blank + 4) >= (length && length < blank ? atoi(length + 17) : 0)) break;
    }
    char method[16] = "", target[1024] = "";
    if (sscanf(buffer, "%15s %1023s", method, target) == 2) {
        answer(fd, method, target, blank ? blank + 4 : "");
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
    int udp_port = getenv("UDP_PORT") ? atoi(getenv("UDP_PORT")) : port;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (getenv("NAME")) strncpy(host, getenv("NAME"), sizeof host - 1);
    else gethostname(host, sizeof host - 1);
    struct pollfd sockets[2] = {{.fd = bound(SOCK_STREAM, port), .events = POLLIN}, {.fd = bound(SOCK_DGRAM, udp_port), .events = POLLIN}};
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
