/* Looks names up as programs do: through the C library, with /etc/hosts, search list and ndots.
 *
 *   resolve NAME            prints the addresses getaddrinfo gives, one a line
 *   resolve NAME TYPE       prints the records of a DNS answer: `name TYPE data`
 *   resolve NAME TYPE tcp   over TCP
 *
 * Exits with 1 where there is no answer, having printed why.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const struct { const char *name; int number; } types[] = {
    {"A", ns_t_a}, {"NS", ns_t_ns}, {"CNAME", ns_t_cname}, {"SOA", ns_t_soa}, {"PTR", ns_t_ptr},
    {"TXT", ns_t_txt}, {"AAAA", ns_t_aaaa}, {"SRV", ns_t_srv},
};
#define TYPES (sizeof types / sizeof *types)

static int addresses(const char *name) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *each;
    char text[INET6_ADDRSTRLEN];
    int failed = getaddrinfo(name, 0, &hints, &found);
    if (failed) { printf("%s\n", gai_strerror(failed)); return 1; }
    for (each = found; each; each = each->ai_next) {
        const void *address = each->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
                                                         : (void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
        printf("%s\n", inet_ntop(each->ai_family, address, text, sizeof text));
    }
    return 0;
}

static void print(ns_msg *message, ns_rr *record) {
    char text[NS_MAXDNAME] = "?";
    const unsigned char *data = ns_rr_rdata(*record);
    const char *type = "?";
    size_t i;
    for (i = 0; i < TYPES; i++) if (types[i].number == (int)ns_rr_type(*record)) type = types[i].name;
    printf("%s %s ", ns_rr_name(*record), type);
    switch (ns_rr_type(*record)) {
        case ns_t_a: inet_ntop(AF_INET, data, text, sizeof text); break;
        case ns_t_aaaa: inet_ntop(AF_INET6, data, text, sizeof text); break;
        case ns_t_txt: snprintf(text, sizeof text, "%.*s", data[0], data + 1); break;
        case ns_t_srv:
            printf("%d %d %d ", ns_get16(data), ns_get16(data + 2), ns_get16(data + 4));
            data += 6; /* fall through */
        default: dn_expand(ns_msg_base(*message), ns_msg_end(*message), data, text, sizeof text);
    }
    printf("%s\n", text);
}

int main(int argc, char **argv) {
    static unsigned char answer[65536];
    struct __res_state state = {0};
    ns_msg message;
    ns_rr record;
    int type = 0, size, i;
    if (argc == 2) return addresses(argv[1]);
    for (i = 0; i < (int)TYPES && argc > 2; i++) if (!strcasecmp(types[i].name, argv[2])) type = types[i].number;
    if (!type || res_ninit(&state)) return 2;
    if (argc > 3) state.options |= RES_USEVC;
    size = res_nsearch(&state, argv[1], ns_c_in, type, answer, sizeof answer);
    if (size < 0) { printf("%s\n", hstrerror(state.res_h_errno)); return 1; }
    if (ns_initparse(answer, size, &message)) return 2;
    for (i = 0; i < ns_msg_count(message, ns_s_an); i++)
        if (!ns_parserr(&message, ns_s_an, i, &record)) print(&message, &record);
    return 0;
}
