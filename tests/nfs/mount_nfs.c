/* mount.nfs SERVER:/PATH DIRECTORY [-o OPTIONS]: what mount(8) runs for the type nfs. See README.md. */
#include "mount_nfs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT "2049"
#define FAILED 32         /* mount(8)'s exit status */
#define CONNECT_MS 10000  /* until a server that does not answer counts as absent */

struct nfs_context *server;

static const char *flags[] = {"rw", "hard", "soft", "nolock", "lock", "noatime", "relatime", "nodiratime", "sync",
                              "async", "nosuid", "nodev", "noexec", "tcp", "bg", "fg", "intr", "nointr", "noac",
                              "defaults", "_netdev", "nconnect", "local_lock", "timeo", "retrans", "rsize", "wsize",
                              "sec", "proto", "ac", "cto", "nocto", "acl", "noacl", "fsc", "nofsc", "lookupcache",
                              "acregmin", "acregmax", "acdirmin", "acdirmax", "actimeo", "minorversion", "addr",
                              "clientaddr", "resvport", "noresvport", "suid", "dev", "exec", 0};
static int read_only, retry_minutes = 2;

static int said(const char *what) {
    fprintf(stderr, "mount.nfs: %s\n", what);
    return FAILED;
}

static int refused(const char *spec, const char *why) {
    if (why) fprintf(stderr, "mount.nfs: mounting %s failed, reason given by server: %s\n", spec, why);
    else fprintf(stderr, "mount.nfs: access denied by server while mounting %s\n", spec);
    return FAILED;
}

/* 0 if all options are known. */
static int take(char *options) {
    for (char *next, *option = strtok_r(options, ",", &next); option; option = strtok_r(0, ",", &next)) {
        char *value = strchr(option, '=');
        if (value) *value++ = 0;
        if (!strcmp(option, "ro")) read_only = 1;
        else if (!strcmp(option, "retry") && value) retry_minutes = atoi(value);
        else if ((!strcmp(option, "vers") || !strcmp(option, "nfsvers")) && value) {
            if (strcmp(value, "3")) return said("requested NFS version or transport protocol is not supported");
        } else {
            const char **known = flags;
            while (*known && strcmp(*known, option)) known++;
            if (!*known) return said("an incorrect mount option was specified");
        }
    }
    return 0;
}

/* Whether anybody listens there: 0 or an errno. libnfs does not tell why it cannot connect. */
static int reach(const struct addrinfo *to) {
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    socklen_t size = sizeof error;
    if (connect(fd, to->ai_addr, to->ai_addrlen) && errno != EINPROGRESS) error = errno;
    else if (poll(&(struct pollfd){fd, POLLOUT, 0}, 1, CONNECT_MS) != 1) error = ETIMEDOUT;
    else getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    close(fd);
    return error;
}

/* As the real one does, for as long as `retry` says: a server may be about to come up. */
static int await(const char *host) {
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    time_t until = time(0) + retry_minutes * 60;
    int error = getaddrinfo(host, PORT, &hints, &found);
    if (error) {
        fprintf(stderr, "mount.nfs: Failed to resolve server %s: %s\n", host, gai_strerror(error));
        return FAILED;
    }
    while ((error = reach(found)) && time(0) < until) usleep(500000);
    freeaddrinfo(found);
    return error ? said(error == ETIMEDOUT ? "Connection timed out" : strerror(error)) : 0;
}

static int connect_to(const char *spec, const char *host, const char *path) {
    server = nfs_init_context();
    nfs_set_version(server, 3);
    nfs_set_dircache(server, 0);
    if (!nfs_mount(server, host, path)) return 0;
    const char *why = nfs_get_error(server);
    if (strstr(why, "MNT3ERR_NOENT")) return refused(spec, "No such file or directory");
    if (strstr(why, "MNT3ERR_ACCES") || strstr(why, "MNT3ERR_PERM")) return refused(spec, 0);
    return said(why);
}

static int serve(struct fuse_session *session) {
    struct fuse_buf buffer = {0};
    while (!fuse_session_exited(session)) {
        struct pollfd from[] = {{fuse_session_fd(session), POLLIN, 0},
                                {nfs_get_fd(server), (short)nfs_which_events(server), 0}};
        if (poll(from, 2, 200) < 0 && errno != EINTR) return 1;
        if (from[0].revents) {
            int got = fuse_session_receive_buf(session, &buffer);
            if (got == -EINTR) continue;
            if (got <= 0) break;
            fuse_session_process_buf(session, &buffer);
        }
        if (nfs_service(server, from[1].revents) < 0) usleep(200000); /* the connection is made again */
        give_up_interrupted();
    }
    return 0;
}

static int run(const char *spec, const char *directory) {
    char options[4096];
    snprintf(options, sizeof options, "-oallow_other,default_permissions,suid,dev,subtype=nfs,max_read=%d,fsname=%s%s",
             LARGEST, spec, read_only ? ",ro" : "");
    struct fuse_args arguments = FUSE_ARGS_INIT(2, ((char *[]){"mount.nfs", options, 0}));
    struct fuse_session *session = fuse_session_new(&arguments, &calls, sizeof calls, 0);
    if (!session || fuse_session_mount(session, directory)) return FAILED;
    pid_t child = fork();
    if (child) _exit(child < 0 ? FAILED : 0);
    int nowhere = open("/dev/null", O_RDWR);
    setsid();
    if (chdir("/")) return FAILED;
    for (int fd = 0; fd < 3; fd++) dup2(nowhere, fd);
    _exit(serve(session));
}

int main(int argc, char **argv) {
    int option, failed;
    char *spec, *directory, *path;
    if (argc < 3) return said("usage: mount.nfs SERVER:/PATH DIRECTORY [-sfnv] [-o OPTIONS]");
    spec = argv[1], directory = argv[2];
    optind = 3;
    while ((option = getopt(argc, argv, "sfnvN:t:o:")) != -1)
        if (option == '?') return FAILED;
        else if (option == 'o' && (failed = take(optarg))) return failed;
    char *host = strdup(spec);
    if (host[0] == '[' && (path = strstr(host, "]:/"))) host++, *path++ = 0;
    else path = strstr(host, ":/");
    if (!path) return said("remote share not in 'host:dir' format");
    *path++ = 0;
    if ((failed = await(host)) || (failed = connect_to(spec, host, path))) return failed;
    return run(spec, directory);
}
