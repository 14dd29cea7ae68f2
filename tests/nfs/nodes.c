/* The kernel's numbers of files, and their paths: a table small enough to be searched from end to end. */
#include "mount_nfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    char *path;
    uint64_t lookups;
};

static struct node *nodes; /* by number, from FUSE_ROOT_ID + 1 */
static size_t count;

static struct node *find(fuse_ino_t number) { return &nodes[number - FUSE_ROOT_ID - 1]; }

const char *path_of(fuse_ino_t number) { return number == FUSE_ROOT_ID ? "/" : find(number)->path; }

char *path_in(fuse_ino_t parent, const char *name) {
    const char *folder = path_of(parent);
    char *path = malloc(strlen(folder) + strlen(name) + 2);
    sprintf(path, "%s/%s", strcmp(folder, "/") ? folder : "", name);
    return path;
}

fuse_ino_t node_at(const char *path) {
    size_t free_one = count;
    for (size_t i = 0; i < count; i++) {
        if (!nodes[i].lookups) free_one = i;
        else if (!strcmp(nodes[i].path, path)) {
            nodes[i].lookups++;
            return i + FUSE_ROOT_ID + 1;
        }
    }
    if (free_one == count) {
        nodes = realloc(nodes, ++count * sizeof *nodes);
    }
    nodes[free_one] = (struct node){strdup(path), 1};
    return free_one + FUSE_ROOT_ID + 1;
}

void forget_node(fuse_ino_t number, uint64_t lookups) {
    if (number == FUSE_ROOT_ID) return;
    struct node *node = find(number);
    if ((node->lookups -= lookups) == 0) free(node->path);
}

void path_removed(const char *path) {
    for (size_t i = 0; i < count; i++)
        if (nodes[i].lookups && !strcmp(nodes[i].path, path)) nodes[i].path[0] = 0;
}

void path_moved(const char *from, const char *to) {
    size_t length = strlen(from);
    path_removed(to);
    for (size_t i = 0; i < count; i++) {
        const char *path = nodes[i].path;
        if (!nodes[i].lookups || strncmp(path, from, length) || (path[length] && path[length] != '/')) continue;
        char *moved = malloc(strlen(to) + strlen(path) - length + 1);
        sprintf(moved, "%s%s", to, path + length);
        free(nodes[i].path);
        nodes[i].path = moved;
    }
}
