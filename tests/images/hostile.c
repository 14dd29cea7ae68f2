/* What a pod may try on its network, and what its neighbours see of it.
 *
 *   hostile race PORT ADDRESS...          for a second, connects to all again and again; names those that answered
 *   hostile send HEX...                   puts Ethernet frames on eth0 as they are given
 *   hostile hear PORT                     prints source and text of every UDP datagram
 *   hostile serve tcp|udp PORT            talks with whoever comes
 *   hostile talk tcp|udp PORT ADDRESS     talks with a server
 *
 * To talk is to send a byte every 20 ms, whatever comes back; what comes is appended to /tmp/PROTOCOL-ADDRESS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fill(struct sockaddr_storage *to, const char *address, int port) {
    struct sockaddr_in *four = (void *)to;
    struct sockaddr_in6 *six = (void *)to;
    memset(to, 0, sizeof *to);
    four->sin_port = htons((unsigned short)port); /* at the same place in both */
    to->ss_family = inet_pton(AF_INET6, address, &six->sin6_addr) == 1 ? AF_INET6 : AF_INET;
    if (to->ss_family == AF_INET) inet_pton(AF_INET, address, &four->sin_addr);
    return to->ss_family == AF_INET6 ? sizeof *six : sizeof *four;
}

static const char *name(const struct sockaddr_in6 *from) {
    static char text[64];
    inet_ntop(AF_INET6, &from->sin6_addr, text, sizeof text);
    return strncmp(text, "::ffff:", 7) ? text : text + 7;
}

static int bound(int kind, int port) {
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
    int fd = socket(AF_INET6, kind, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, (void *)&own, sizeof own)) exit(1);
    return fd;
}

static int race(int port, char **addresses, int count) {
    for (int round = 0; round < 10; round++) {
        struct pollfd fds[16];
        for (int i = 0; i < count; i++) {
            struct sockaddr_storage to;
            int length = fill(&to, addresses[i], port);
            fds[i] = (struct pollfd){socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0), POLLOUT, 0};
            connect(fds[i].fd, (void *)&to, (socklen_t)length);
        }
        usleep(100000);
        poll(fds, (nfds_t)count, 0);
        for (int i = 0; i < count; i++) {
            int error = 1;
            socklen_t length = sizeof error;
            getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &length);
            if (fds[i].revents & POLLOUT && !error) printf("reached %s\n", addresses[i]);
            close(fds[i].fd);
        }
    }
    return 0;
}

static int send_frames(char **frames) {
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("eth0"), .sll_halen = 6};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    for (; *frames; frames++) {
        unsigned char frame[2048];
        size_t length = strlen(*frames) / 2;
        for (size_t i = 0; i < length; i++) sscanf(*frames + 2 * i, "%2hhx", frame + i);
        if (sendto(fd, frame, length, 0, (void *)&at, sizeof at) < 0) return perror("send"), 1;
    }
    return 0;
}

static void hear(int port) {
    int fd = bound(SOCK_DGRAM, port);
    puts("hears");
    for (;;) {
        char text[256];
        struct sockaddr_in6 from;
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(fd, text, sizeof text, 0, (void *)&from, &length);
        if (got > 0) printf("%s %.*s\n", name(&from), (int)got, text);
    }
}

static void talk(int fd, const char *protocol, const char *with) {
    char path[128], bytes[4096];
    snprintf(path, sizeof path, "/tmp/%s-%s", protocol, with);
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (;;) {
        struct pollfd ready = {fd, POLLIN, 0};
        ssize_t got;
        usleep(20000);
        send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (poll(&ready, 1, 0) > 0 && (got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) != 0) {
            if (got < 0) break;
            if (write(out, bytes, (size_t)got) < 0) exit(1);
        }
    }
}

static void serve(const char *protocol, int port) {
    int tcp = !strcmp(protocol, "tcp"), fd = bound(tcp ? SOCK_STREAM : SOCK_DGRAM, port);
    if (tcp) listen(fd, 16);
    for (;;) {
        struct sockaddr_in6 from;
        socklen_t length = sizeof from;
        char byte;
        int with = fd;
        if (tcp) with = accept(fd, (void *)&from, &length);
        else if (recvfrom(fd, &byte, 1, 0, (void *)&from, &length) < 0) continue;
        if (fork()) {
            close(with);
            if (!tcp) fd = bound(SOCK_DGRAM, port);
            continue;
        }
        if (!tcp && connect(with, (void *)&from, length)) exit(1);
        talk(with, protocol, name(&from));
    }
}

static void start_to_talk(const char *protocol, int port, const char *address) {
    struct sockaddr_storage to;
    int length = fill(&to, address, port);
    int fd = socket(to.ss_family, strcmp(protocol, "tcp") ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (connect(fd, (void *)&to, (socklen_t)length)) return perror("connect");
    talk(fd, protocol, address);
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    if (argc > 3 && !strcmp(argv[1], "race")) return race(atoi(argv[2]), argv + 3, argc - 3);
    if (argc > 2 && !strcmp(argv[1], "send")) return send_frames(argv + 2);
    if (argc > 2 && !strcmp(argv[1], "hear")) hear(atoi(argv[2]));
    if (argc > 3 && !strcmp(argv[1], "serve")) serve(argv[2], atoi(argv[3]));
    if (argc > 4 && !strcmp(argv[1], "talk")) start_to_talk(argv[2], atoi(argv[3]), argv[4]);
    return 2;
}
