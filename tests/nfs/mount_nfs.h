/* mount.nfs over FUSE: what its three files share. See README.md. */
#ifndef MOUNT_NFS_H
#define MOUNT_NFS_H
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <nfsc/libnfs.h>

#define LARGEST 65536 /* bytes of one request */

extern struct nfs_context *server; /* the one connection */

/* nodes.c: which path the kernel means by a number. Paths begin with a slash; "" is that of a file without a name. */
const char *path_of(fuse_ino_t node);
char *path_in(fuse_ino_t parent, const char *name); /* the caller frees it */
fuse_ino_t node_at(const char *path);               /* counts as one look-up */
void forget_node(fuse_ino_t node, uint64_t lookups);
void path_removed(const char *path);
void path_moved(const char *from, const char *to);

/* calls.c: what the kernel asks, passed on to the server. */
extern const struct fuse_lowlevel_ops calls;
void give_up_interrupted(void); /* answer those whose process is being killed while the server says nothing */

#endif
