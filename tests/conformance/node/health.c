/* grpc.health.v1.Health on $PORT (8080): serving, whatever is asked. As much of HTTP/2 as that takes (RFC 9113). */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

/* Literal fields without indexing (RFC 7541, 6.2.2), after the indexed :status 200. */
static const unsigned char head[] = "\x88\x00\x0c" "content-type\x10" "application/grpc";
static const unsigned char tail[] = "\x00\x0b" "grpc-status\x01" "0";
static const unsigned char serving[] = {0, 0, 0, 0, 2, 1 << 3, 1};

static int whole(int fd, unsigned char *into, size_t length) {
    for (size_t have = 0; have < length;) {
        ssize_t got = read(fd, into + have, length - have);
        if (got <= 0) return 0;
        have += (size_t)got;
    }
    return 1;
}

static void frame(int fd, int type, int flags, uint32_t stream, const unsigned char *payload, size_t length) {
    unsigned char all[128] = {0, 0, (unsigned char)length, (unsigned char)type, (unsigned char)flags};
    stream = htonl(stream);
    memcpy(all + 5, &stream, 4);
    if (length) memcpy(all + 9, payload, length);
    if (write(fd, all, 9 + length) < 0) exit(0);
}

static void serve(int fd) {
    static unsigned char payload[1 << 16];
    unsigned char is[9];
    uint32_t stream;
    if (!whole(fd, payload, 24)) return; /* the preface */
    frame(fd, SETTINGS, 0, 0, 0, 0);
    while (whole(fd, is, 9)) {
        size_t length = (size_t)is[0] << 16 | (size_t)is[1] << 8 | is[2];
        memcpy(&stream, is + 5, 4);
        stream = ntohl(stream);
        if (length > sizeof payload || !whole(fd, payload, length)) return;
        if (is[3] == SETTINGS && !(is[4] & ACK)) frame(fd, SETTINGS, ACK, 0, 0, 0);
        if (is[3] == PING && !(is[4] & ACK)) frame(fd, PING, ACK, 0, payload, length);
        if ((is[3] == DATA || is[3] == HEADERS) && is[4] & END_STREAM) {
            frame(fd, HEADERS, END_HEADERS, stream, head, sizeof head - 1);
            frame(fd, DATA, 0, stream, serving, sizeof serving);
            frame(fd, HEADERS, END_HEADERS | END_STREAM, stream, tail, sizeof tail - 1);
        }
    }
}

int main(void) {
    int port = getenv("PORT") ? atoi(getenv("PORT")) : 8080, one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    signal(SIGCHLD, SIG_IGN);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 16)) return 1;
    for (;;) {
        int peer = accept(fd, 0, 0);
        if (peer < 0) continue;
        if (fork() == 0) {
            serve(peer);
            return 0;
        }
        close(peer);
    }
}
