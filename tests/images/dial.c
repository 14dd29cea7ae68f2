/* Asks a web server at an IPv4 or IPv6 address, without name resolution: each request is a new connection.
 *
 *   dial ADDRESS PORT [COUNT]     prints, for each request, the body of GET /, or what went wrong
 *
 * Link-local addresses are those of eth0's link.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.0\r\n\r\n";

static void dial(const struct sockaddr *to, socklen_t length) {
    struct timeval limit = {2, 0};
    char answer[4096], *body;
    size_t have = 0;
    ssize_t got = -1;
    int fd = socket(to->sa_family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!connect(fd, to, length) && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
        while ((got = recv(fd, answer + have, sizeof answer - 1 - have, 0)) > 0) have += (size_t)got;
    answer[have] = 0;
    body = strstr(answer, "\r\n\r\n");
    if (got < 0) printf("%s\n", errno == EINPROGRESS || errno == EAGAIN ? "timeout" : strerror(errno));
    else printf("%s", body ? body + 4 : "no answer\n");
    close(fd);
}

int main(int argc, char **argv) {
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    int count = argc > 3 ? atoi(argv[3]) : 1, is_six;
    if (argc < 3) return 2;
    four.sin_port = six.sin6_port = htons((unsigned short)atoi(argv[2]));
    is_six = inet_pton(AF_INET6, argv[1], &six.sin6_addr) == 1;
    if (!is_six && inet_pton(AF_INET, argv[1], &four.sin_addr) != 1) return 2;
    if (IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr)) six.sin6_scope_id = if_nametoindex("eth0");
    while (count-- > 0) dial(is_six ? (void *)&six : (void *)&four, is_six ? sizeof six : sizeof four);
    return 0;
}
