/* Asks a DNS server over UDP, and prints one line of JSON about its answers.
 *
 *   dnsload ADDRESS PORT SECONDS SOCKETS WINDOW RATE < QUESTIONS
 *
 * QUESTIONS are lines of hexadecimal: whole queries, whose id is overwritten. Each of SOCKETS sockets has up to WINDOW
 * questions under way. RATE (per second, all sockets together) spaces them evenly, and waiting counts from when a question was
 * due; 0 asks as fast as the window allows. A question without an answer after a second is lost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_SOCKETS 256
#define MOST_WINDOW 256
#define MOST_QUESTIONS 100000
#define SLOTS 2000000 /* microseconds of latency told apart */

struct question { uint8_t bytes[512]; size_t size; };
struct client { int fd; int flying; double due[MOST_WINDOW]; uint8_t busy[MOST_WINDOW]; };

static struct question *questions;
static size_t count;
static struct client clients[MOST_SOCKETS];
static uint32_t *latencies;
static uint64_t answers, positive, failures, lost, truncated;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_questions(void) {
    char line[2048];
    questions = calloc(MOST_QUESTIONS, sizeof *questions);
    while (count < MOST_QUESTIONS && fgets(line, sizeof line, stdin)) {
        struct question *q = &questions[count];
        unsigned byte;
        while (q->size < sizeof q->bytes && sscanf(line + 2 * q->size, "%2x", &byte) == 1) q->bytes[q->size++] = (uint8_t)byte;
        if (q->size >= 12) count++;
    }
}

static int ask(struct client *c, int window, double due) {
    static size_t next;
    for (int slot = 0; slot < window; slot++) {
        if (c->busy[slot]) continue;
        struct question *q = &questions[next++ % count];
        q->bytes[0] = 0;
        q->bytes[1] = (uint8_t)slot;
        if (send(c->fd, q->bytes, q->size, MSG_DONTWAIT) < 0) return 0;
        c->busy[slot] = 1;
        c->due[slot] = due;
        c->flying++;
        return 1;
    }
    return 0;
}

static void receive(struct client *c, int window) {
    uint8_t packet[4096];
    ssize_t size;
    while ((size = recv(c->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
        int slot = packet[1], rcode = packet[3] & 15;
        if (size < 12 || slot >= window || !c->busy[slot]) continue;
        int64_t waited = (int64_t)((now() - c->due[slot]) * 1e6);
        c->busy[slot] = 0;
        c->flying--;
        answers++;
        if (packet[2] & 2) truncated++;
        if (rcode == 0 && (packet[6] || packet[7])) positive++;
        else if (rcode != 0 && rcode != 3) failures++;
        latencies[waited < 0 ? 0 : waited >= SLOTS ? SLOTS - 1 : waited]++;
    }
}

static void give_up(struct client *c, int window, double before) {
    for (int slot = 0; slot < window; slot++)
        if (c->busy[slot] && c->due[slot] < before) { c->busy[slot] = 0; c->flying--; lost++; }
}

static double percentile(double share) {
    uint64_t wanted = (uint64_t)((double)answers * share), seen = 0;
    for (int at = 0; at < SLOTS; at++) if ((seen += latencies[at]) > wanted) return at / 1000.0;
    return SLOTS / 1000.0;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    double seconds = atof(argv[3]), rate = atof(argv[6]);
    int sockets = atoi(argv[4]), window = atoi(argv[5]), turn = 0;
    struct pollfd polls[MOST_SOCKETS];
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || sockets > MOST_SOCKETS || window > MOST_WINDOW) return 2;
    latencies = calloc(SLOTS, sizeof *latencies);
    read_questions();
    for (int i = 0; i < sockets; i++) {
        clients[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
        if (clients[i].fd < 0 || connect(clients[i].fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 1; }
        polls[i] = (struct pollfd){clients[i].fd, POLLIN, 0};
    }
    double began = now(), end = began + seconds, due = began, checked = began, t;
    while ((t = now()) < end) {
        if (rate > 0) {
            for (; due <= t; due += 1 / rate) {
                int tries = 0;
                while (tries++ < sockets && !ask(&clients[turn++ % sockets], window, due)) {}
                if (tries > sockets) lost++;
            }
        } else {
            for (int i = 0; i < sockets; i++) while (clients[i].flying < window && ask(&clients[i], window, now())) {}
        }
        struct timespec little = {0, rate > 0 ? 100000 : 1000000};
        if (ppoll(polls, (nfds_t)sockets, &little, 0) > 0)
            for (int i = 0; i < sockets; i++) if (polls[i].revents) receive(&clients[i], window);
        if (t > checked + 0.1) {
            for (int i = 0; i < sockets; i++) give_up(&clients[i], window, t - 1);
            checked = t;
        }
    }
    double took = now() - began;
    printf("{\"answers\": %lu, \"per_second\": %.0f, \"positive\": %lu, \"failures\": %lu, \"truncated\": %lu, \"lost\": %lu, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f}\n",
           answers, (double)answers / took, positive, failures, truncated, lost, percentile(.5), percentile(.99), percentile(.999));
    return 0;
}
