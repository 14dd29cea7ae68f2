/* Each question of the kernel is a job: asked of the server without waiting, answered when the server has. */
#include "mount_nfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE 1.0 /* seconds a job goes on after a signal: the server may just be slow */

struct job {
    fuse_req_t req; /* 0 once it has been answered */
    double interrupted;
    char *path, *other, *data;
    uid_t uid;
    gid_t gid;
    struct nfsfh *file;
    struct fuse_file_info info;
    struct stat wanted;
    int left; /* what setattr still has to do */
    struct job *next, **self;
};

static struct job *jobs;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void interrupted(fuse_req_t req, void *data) {
    (void)req;
    ((struct job *)data)->interrupted = now();
}

static struct job *begin(fuse_req_t req, char *path) {
    struct job *job = calloc(1, sizeof *job);
    *job = (struct job){.req = req, .path = path, .next = jobs, .self = &jobs};
    if (jobs) jobs->self = &job->next;
    jobs = job;
    if (req) {
        job->uid = fuse_req_ctx(req)->uid, job->gid = fuse_req_ctx(req)->gid;
        fuse_req_interrupt_func(req, interrupted, job);
    }
    return job;
}

static void end(struct job *job) {
    *job->self = job->next;
    if (job->next) job->next->self = job->self;
    free(job->path), free(job->other), free(job->data), free(job);
}

void give_up_interrupted(void) {
    for (struct job *job = jobs; job; job = job->next)
        if (job->req && job->interrupted && now() - job->interrupted > PATIENCE) {
            fuse_reply_err(job->req, EINTR);
            job->req = 0;
        }
}

static void fail(struct job *job, int error) {
    if (job->req) fuse_reply_err(job->req, error);
    end(job);
}

/* Nothing is called back if a call could not even be sent. */
static void sent(struct job *job, int result) {
    if (result) fail(job, result < 0 ? -result : EIO);
}

static void answered(int error, struct nfs_context *nfs, void *data, void *job) {
    (void)nfs, (void)data;
    fail(job, -error);
}

static struct stat converted(const struct nfs_stat_64 *found) {
    return (struct stat){
        .st_ino = found->nfs_ino, .st_mode = (mode_t)found->nfs_mode, .st_nlink = found->nfs_nlink,
        .st_uid = (uid_t)found->nfs_uid, .st_gid = (gid_t)found->nfs_gid, .st_rdev = found->nfs_rdev,
        .st_size = (off_t)found->nfs_size, .st_blksize = (blksize_t)found->nfs_blksize,
        .st_blocks = (blkcnt_t)(found->nfs_used + 511) / 512,
        .st_atim = {(time_t)found->nfs_atime, (long)found->nfs_atime_nsec},
        .st_mtim = {(time_t)found->nfs_mtime, (long)found->nfs_mtime_nsec},
        .st_ctim = {(time_t)found->nfs_ctime, (long)found->nfs_ctime_nsec},
    };
}

/* Looking. Nothing is remembered: what another node writes is seen at once. */

static void found_entry(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    (void)nfs;
    if (error) { fail(job, -error); return; }
    if (job->req) {
        struct fuse_entry_param entry = {.ino = node_at(job->path), .attr = converted(data)};
        if (job->file) {
            job->info.fh = (uintptr_t)job->file;
            fuse_reply_create(job->req, &entry, &job->info);
        } else fuse_reply_entry(job->req, &entry);
    } else if (job->file) nfs_close_async(nfs, job->file, answered, begin(0, 0));
    end(job);
}

static void look(struct job *job) { sent(job, nfs_lstat64_async(server, job->path, found_entry, job)); }

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name) { look(begin(req, path_in(parent, name))); }

static void forget(fuse_req_t req, fuse_ino_t node, uint64_t lookups) {
    forget_node(node, lookups);
    fuse_reply_none(req);
}

static void found_attributes(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    (void)nfs;
    if (error) { fail(job, -error); return; }
    struct stat found = converted(data);
    if (job->req) fuse_reply_attr(job->req, &found, 0);
    end(job);
}

static void look_again(struct job *job) {
    int unnamed = !job->path[0];
    sent(job, unnamed && job->file ? nfs_fstat64_async(server, job->file, found_attributes, job)
         : unnamed ? -ESTALE : nfs_lstat64_async(server, job->path, found_attributes, job));
}

static void get_attributes(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info) {
    struct job *job = begin(req, strdup(path_of(node)));
    if (info) job->file = (struct nfsfh *)(uintptr_t)info->fh;
    look_again(job);
}

static void set_next(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    struct stat *to = &job->wanted;
    int one;
    (void)data;
    if (error) { fail(job, -error); return; }
    if (job->left & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
        int uid = job->left & FUSE_SET_ATTR_UID ? (int)to->st_uid : -1;
        int gid = job->left & FUSE_SET_ATTR_GID ? (int)to->st_gid : -1;
        job->left &= ~(FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID);
        sent(job, nfs_lchown_async(nfs, job->path, uid, gid, set_next, job));
    } else if ((one = FUSE_SET_ATTR_MODE) & job->left) {
        job->left &= ~one;
        sent(job, nfs_chmod_async(nfs, job->path, (int)to->st_mode & 07777, set_next, job));
    } else if ((one = FUSE_SET_ATTR_SIZE) & job->left) {
        job->left &= ~one;
        sent(job, job->file ? nfs_ftruncate_async(nfs, job->file, (uint64_t)to->st_size, set_next, job)
                            : nfs_truncate_async(nfs, job->path, (uint64_t)to->st_size, set_next, job));
    } else if ((one = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME) & job->left) {
        struct timeval times[2] = {{to->st_atim.tv_sec, to->st_atim.tv_nsec / 1000},
                                   {to->st_mtim.tv_sec, to->st_mtim.tv_nsec / 1000}};
        job->left &= ~one;
        sent(job, nfs_lutimes_async(nfs, job->path, times, set_next, job));
    } else look_again(job);
}

static void set_attributes(fuse_req_t req, fuse_ino_t node, struct stat *to, int which, struct fuse_file_info *info) {
    struct job *job = begin(req, strdup(path_of(node)));
    if (info) job->file = (struct nfsfh *)(uintptr_t)info->fh;
    if (which & FUSE_SET_ATTR_ATIME_NOW) clock_gettime(CLOCK_REALTIME, &to->st_atim);
    if (which & FUSE_SET_ATTR_MTIME_NOW) clock_gettime(CLOCK_REALTIME, &to->st_mtim);
    job->wanted = *to, job->left = which;
    set_next(0, server, 0, job);
}

static void got_link(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    (void)nfs;
    if (error) { fail(job, -error); return; }
    if (job->req) fuse_reply_readlink(job->req, data);
    end(job);
}

static void read_link(fuse_req_t req, fuse_ino_t node) {
    struct job *job = begin(req, strdup(path_of(node)));
    sent(job, nfs_readlink_async(server, job->path, got_link, job));
}

static void got_space(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    struct nfs_statvfs_64 *found = data;
    (void)nfs;
    if (error) { fail(job, -error); return; }
    struct statvfs answer = {
        .f_bsize = found->f_bsize, .f_frsize = found->f_frsize, .f_blocks = found->f_blocks,
        .f_bfree = found->f_bfree, .f_bavail = found->f_bavail, .f_files = found->f_files,
        .f_ffree = found->f_ffree, .f_favail = found->f_favail, .f_namemax = found->f_namemax,
    };
    if (job->req) fuse_reply_statfs(job->req, &answer);
    end(job);
}

static void space(fuse_req_t req, fuse_ino_t node) {
    struct job *job = begin(req, strdup(path_of(node)));
    sent(job, nfs_statvfs64_async(server, job->path, got_space, job));
}

/* Names. What is made belongs to whoever made it, though the server is asked by root alone. */

static void made(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    if (error) { fail(job, -error); return; }
    if (job->left) job->file = data; /* a file that stays open */
    if (!job->uid && !job->gid) { look(job); return; }
    int uid = (int)job->uid, gid = (int)job->gid;
    job->uid = job->gid = 0, job->left = 0;
    sent(job, nfs_lchown_async(nfs, job->path, uid, gid, made, job));
}

static void make_node(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
    struct job *job = begin(req, path_in(parent, name));
    sent(job, nfs_mknod_async(server, job->path, (int)mode, (int)device, made, job));
}

static void make_folder(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
    struct job *job = begin(req, path_in(parent, name));
    sent(job, nfs_mkdir2_async(server, job->path, (int)mode, made, job));
}

static void make_link(fuse_req_t req, const char *to, fuse_ino_t parent, const char *name) {
    struct job *job = begin(req, path_in(parent, name));
    sent(job, nfs_symlink_async(server, to, job->path, made, job));
}

static void make_name(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name) {
    struct job *job = begin(req, path_in(parent, name));
    job->uid = job->gid = 0;
    sent(job, nfs_link_async(server, path_of(node), job->path, made, job));
}

static void removed(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    if (!error) path_removed(job->path);
    answered(error, nfs, data, job);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct job *job = begin(req, path_in(parent, name));
    sent(job, nfs_unlink_async(server, job->path, removed, job));
}

static void remove_folder(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct job *job = begin(req, path_in(parent, name));
    sent(job, nfs_rmdir_async(server, job->path, removed, job));
}

static void moved(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    if (!error) path_moved(job->path, job->other);
    answered(error, nfs, data, job);
}

static void move(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to, const char *other, unsigned flags) {
    struct job *job = begin(req, path_in(from, name));
    job->other = path_in(to, other);
    sent(job, flags ? -EINVAL : nfs_rename_async(server, job->path, job->other, moved, job));
}

/* Content. */

static void opened(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    if (error) { fail(job, -error); return; }
    job->info.fh = (uintptr_t)data;
    if (job->req) fuse_reply_open(job->req, &job->info);
    else nfs_close_async(nfs, data, answered, begin(0, 0));
    end(job);
}

static void open_file(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info) {
    struct job *job = begin(req, strdup(path_of(node)));
    job->info = *info;
    sent(job, nfs_open_async(server, job->path, info->flags & (O_ACCMODE | O_TRUNC), opened, job));
}

static void create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info) {
    struct job *job = begin(req, path_in(parent, name));
    int flags = info->flags & (O_ACCMODE | O_TRUNC | O_EXCL);
    job->info = *info, job->left = 1;
    sent(job, nfs_open2_async(server, job->path, flags | O_CREAT, (int)mode & 07777, made, job));
}

static void got_data(int size, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    (void)nfs;
    if (size < 0) { fail(job, -size); return; }
    if (job->req) fuse_reply_buf(job->req, data, (size_t)size);
    end(job);
}

static void read_data(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *info) {
    struct job *job = begin(req, 0);
    (void)node;
    struct nfsfh *file = (struct nfsfh *)(uintptr_t)info->fh;
    sent(job, nfs_pread_async(server, file, (uint64_t)offset, size, got_data, job));
}

static void wrote(int size, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    (void)nfs, (void)data;
    if (size < 0) { fail(job, -size); return; }
    if (job->req) fuse_reply_write(job->req, (size_t)size);
    end(job);
}

static void write_data(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t offset,
                       struct fuse_file_info *info) {
    struct job *job = begin(req, 0);
    (void)node;
    job->data = memcpy(malloc(size), data, size);
    struct nfsfh *file = (struct nfsfh *)(uintptr_t)info->fh;
    sent(job, nfs_pwrite_async(server, file, (uint64_t)offset, size, job->data, wrote, job));
}

static void sync_file(fuse_req_t req, fuse_ino_t node, int only_data, struct fuse_file_info *info) {
    struct job *job = begin(req, 0);
    (void)node, (void)only_data;
    sent(job, nfs_fsync_async(server, (struct nfsfh *)(uintptr_t)info->fh, answered, job));
}

static void release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info) {
    struct job *job = begin(req, 0);
    (void)node;
    sent(job, nfs_close_async(server, (struct nfsfh *)(uintptr_t)info->fh, answered, job));
}

/* Directories: read whole when they are opened. */

static void opened_folder(int error, struct nfs_context *nfs, void *data, void *arg) {
    struct job *job = arg;
    if (error) { fail(job, -error); return; }
    job->info.fh = (uintptr_t)data;
    if (job->req) fuse_reply_open(job->req, &job->info);
    else nfs_closedir(nfs, data);
    end(job);
}

static void open_folder(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info) {
    struct job *job = begin(req, strdup(path_of(node)));
    job->info = *info;
    sent(job, nfs_opendir_async(server, job->path, opened_folder, job));
}

static void read_folder(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *info) {
    struct nfsdir *folder = (struct nfsdir *)(uintptr_t)info->fh;
    struct nfsdirent *entry;
    char *listed = malloc(size);
    size_t have = 0;
    (void)node;
    nfs_seekdir(server, folder, offset);
    while ((entry = nfs_readdir(server, folder))) {
        struct stat found = {.st_ino = entry->inode, .st_mode = entry->mode};
        size_t more = fuse_add_direntry(req, listed + have, size - have, entry->name, &found,
                                        nfs_telldir(server, folder));
        if (more > size - have) break;
        have += more;
    }
    fuse_reply_buf(req, listed, have);
    free(listed);
}

static void release_folder(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info) {
    (void)node;
    nfs_closedir(server, (struct nfsdir *)(uintptr_t)info->fh);
    fuse_reply_err(req, 0);
}

static void greet(void *data, struct fuse_conn_info *kernel) {
    (void)data;
    kernel->max_read = kernel->max_write = LARGEST;
}

const struct fuse_lowlevel_ops calls = {
    .init = greet, .lookup = lookup, .forget = forget, .getattr = get_attributes, .setattr = set_attributes, .readlink = read_link,
    .statfs = space,
    .mknod = make_node, .mkdir = make_folder, .symlink = make_link, .link = make_name,
    .unlink = remove_name, .rmdir = remove_folder, .rename = move, .open = open_file, .create = create,
    .read = read_data, .write = write_data, .fsync = sync_file, .release = release, .opendir = open_folder,
    .readdir = read_folder, .releasedir = release_folder,
};
