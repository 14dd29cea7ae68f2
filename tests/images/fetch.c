/* A small HTTP client for tests, without name resolution: each request is a new connection.
 *
 *   fetch ADDRESS PORT               prints the body of GET /
 *   fetch ADDRESS PORT COUNT PAUSE   so many requests, PAUSE milliseconds apart; prints "done failed=N"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/* 0, or the name of the step that failed. */
static const char *get(struct sockaddr_in *to, char *answer, size_t room) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {5, 0};
    size_t have = 0;
    ssize_t got;
    if (fd < 0) return "socket";
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)to, sizeof *to)) { close(fd); return "connect"; }
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1) { close(fd); return "send"; }
    while (have < room - 1 && (got = recv(fd, answer + have, room - 1 - have, 0)) != 0) {
        if (got < 0) { close(fd); return "receive"; }
        have += (size_t)got;
    }
    answer[have] = 0;
    close(fd);
    return strncmp(answer, "HTTP/1.1 200", 12) && strncmp(answer, "HTTP/1.0 200", 12) ? "status" : 0;
}

int main(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    char answer[4096];
    if (argc != 3 && argc != 5) return 2;
    to.sin_port = htons((unsigned short)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
    if (argc == 3) {
        const char *failed = get(&to, answer, sizeof answer), *body = strstr(answer, "\r\n\r\n");
        if (failed) { fprintf(stderr, "%s failed: %s\n", failed, strerror(errno)); return 1; }
        fputs(body ? body + 4 : "", stdout);
        return 0;
    }
    int count = atoi(argv[3]), failures = 0;
    struct timespec pause = {atoi(argv[4]) / 1000, atoi(argv[4]) % 1000 * 1000000L};
    for (int i = 0; i < count; i++) {
        const char *failed = get(&to, answer, sizeof answer);
        if (failed && ++failures <= 5) printf("request %d: %s failed: %s\n", i, failed, strerror(errno));
        nanosleep(&pause, 0);
    }
    printf("done failed=%d\n", failures);
    return failures != 0;
}
