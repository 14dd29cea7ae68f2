/* A small HTTP client for tests: each request is a new connection.
 *
 *   fetch [OPTIONS] HOST PORT               prints the body of the answer
 *   fetch [OPTIONS] HOST PORT COUNT PAUSE   so many requests, PAUSE milliseconds apart; prints "done failed=N"
 *
 *   -b PORT      come from this port
 *   -p PATH      what to get (/)
 *   -s ADDRESS   come from this address
 *   -u           send a datagram instead, and wait for one
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static char request[1200];
static struct addrinfo *to, *from;

/* The answer's start, whole or so much of it as there is room for. Returns 0, or the name of the step that failed. */
static const char *exchange(int fd, int datagram, char *answer, size_t room) {
    struct timeval limit = {5, 0};
    size_t have = 0;
    ssize_t got, length = (ssize_t)strlen(request);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (from && bind(fd, from->ai_addr, from->ai_addrlen)) return "bind";
    if (connect(fd, to->ai_addr, to->ai_addrlen)) return "connect";
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length) return "send";
    while (have < room - 1 && (got = recv(fd, answer + have, room - 1 - have, 0)) != 0) {
        if (got < 0) return "receive";
        have += (size_t)got;
        if (datagram) break;
    }
    answer[have] = 0;
    if (datagram) return 0;
    return strncmp(answer, "HTTP/1.1 200", 12) && strncmp(answer, "HTTP/1.0 200", 12) ? "status" : 0;
}

static const char *get(int datagram, char *answer, size_t room) {
    int fd = socket(to->ai_family, datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
    const char *failed = fd < 0 ? "socket" : exchange(fd, datagram, answer, room);
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return failed;
}

static struct addrinfo *resolved(const char *host, const char *port, int family) {
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (!failed) return found;
    fprintf(stderr, "%s: %s\n", host ? host : port, gai_strerror(failed));
    exit(1);
}

int main(int argc, char **argv) {
    char answer[4096];
    const char *path = "/", *source = 0, *source_port = 0;
    int datagram = 0, option;
    while ((option = getopt(argc, argv, "b:p:s:u")) != -1) {
        if (option == 'b') source_port = optarg;
        else if (option == 'p') path = optarg;
        else if (option == 's') source = optarg;
        else if (option == 'u') datagram = 1;
        else return 2;
    }
    argv += optind;
    argc -= optind;
    if (argc != 2 && argc != 4) return 2;
    to = resolved(argv[0], argv[1], AF_UNSPEC);
    if (source || source_port) from = resolved(source, source_port ? source_port : "0", to->ai_family);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path);
    if (argc == 2) {
        const char *failed = get(datagram, answer, sizeof answer), *body;
        if (failed) { fprintf(stderr, "%s failed: %s\n", failed, strerror(errno)); return 1; }
        body = datagram ? 0 : strstr(answer, "\r\n\r\n");
        fputs(body ? body + 4 : answer, stdout);
        return 0;
    }
    int count = atoi(argv[2]), failures = 0;
    struct timespec pause = {atoi(argv[3]) / 1000, atoi(argv[3]) % 1000 * 1000000L};
    for (int i = 0; i < count; i++) {
        const char *failed = get(datagram, answer, sizeof answer);
        if (failed && ++failures <= 5) printf("request %d: %s failed: %s\n", i, failed, strerror(errno));
        nanosleep(&pause, 0);
    }
    printf("done failed=%d\n", failures);
    return failures != 0;
}
