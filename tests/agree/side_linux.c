/* The side of Linux: system calls, with paths relative to where the image is
 * mounted. */
#include "tests/agree/side.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

struct side_file {
    int fd;
};

static const char *here(const char *path)
{
    while (*path == '/')
        path++;
    return *path == '\0' ? "." : path;
}

static int result(int64_t status)
{
    return status < 0 ? -errno : (int)status;
}

static struct side_time time_of(struct timespec time)
{
    return (struct side_time){.s = time.tv_sec, .ns = (uint32_t)time.tv_nsec};
}

static struct timespec timespec_of(struct side_time time)
{
    return (struct timespec){.tv_sec = time.s, .tv_nsec = time.ns};
}

static int linux_stat(const char *path, struct side_stat *out)
{
    struct stat stat;

    if (lstat(here(path), &stat) != 0)
        return -errno;
    *out = (struct side_stat){
        .inode = stat.st_ino,
        .mode = stat.st_mode,
        .links = (uint32_t)stat.st_nlink,
        .uid = stat.st_uid,
        .gid = stat.st_gid,
        .rdev = stat.st_rdev,
        .size = (uint64_t)stat.st_size,
        .blocks = (uint64_t)stat.st_blocks,
        .atime = time_of(stat.st_atim),
        .mtime = time_of(stat.st_mtim),
        .ctime = time_of(stat.st_ctim),
    };
    return 0;
}

static int linux_fs_stat(struct side_fs *out)
{
    struct statvfs stat;

    if (statvfs(".", &stat) != 0)
        return -errno;
    *out = (struct side_fs){
        .block_bytes = (uint32_t)stat.f_bsize,
        .blocks_free = stat.f_bfree,
        .inodes = stat.f_files,
        .inodes_free = stat.f_ffree,
    };
    return 0;
}

static char type_letter(unsigned type)
{
    static const char letters[16] = {
        [DT_REG] = 'f',  [DT_DIR] = 'd', [DT_LNK] = 'l', [DT_FIFO] = 'p',
        [DT_SOCK] = 's', [DT_CHR] = 'c', [DT_BLK] = 'b'};

    return type < sizeof(letters) && letters[type] != 0 ? letters[type] : '?';
}

static int linux_list(const char *path,
                      int (*fn)(const struct side_entry *entry, void *arg),
                      void *arg)
{
    DIR *dir = opendir(here(path));
    const struct dirent *entry;
    struct side_entry out;
    int status = 0;

    if (dir == NULL)
        return -errno;
    while (status == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        out.inode = entry->d_ino;
        out.type = type_letter(entry->d_type);
        strcpy(out.name, entry->d_name);
        status = fn(&out, arg);
    }
    if (status == 0)
        status = -errno;
    closedir(dir);
    return status;
}

static int64_t linux_read_link(const char *path, char *buf, size_t size)
{
    return result(readlink(here(path), buf, size));
}

static int linux_open(const char *path, unsigned flags, uint32_t mode,
                      struct side_file **out)
{
    int how = O_NOFOLLOW | O_LARGEFILE | O_NONBLOCK |
              ((flags & SIDE_WRITE) != 0 ? O_RDWR : O_RDONLY) |
              ((flags & SIDE_CREATE) != 0 ? O_CREAT : 0) |
              ((flags & SIDE_EXCLUSIVE) != 0 ? O_EXCL : 0);
    int fd = open(here(path), how, mode);

    if (fd < 0)
        return -errno;
    *out = malloc(sizeof(**out));
    (*out)->fd = fd;
    return 0;
}

static int64_t linux_read(struct side_file *file, void *buf, size_t size,
                          uint64_t offset)
{
    return result(pread(file->fd, buf, size, (off_t)offset));
}

static int64_t linux_write(struct side_file *file, const void *buf, size_t size,
                           uint64_t offset)
{
    return result(pwrite(file->fd, buf, size, (off_t)offset));
}

static int linux_truncate(struct side_file *file, uint64_t size)
{
    return result(ftruncate(file->fd, (off_t)size));
}

static int linux_punch(struct side_file *file, uint64_t offset, uint64_t len)
{
    return result(fallocate(file->fd,
                            FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            (off_t)offset, (off_t)len));
}

static int64_t linux_seek(struct side_file *file, uint64_t from, bool to_data)
{
    off_t at = lseek(file->fd, (off_t)from, to_data ? SEEK_DATA : SEEK_HOLE);

    return at < 0 ? -errno : at;
}

static int linux_sync(struct side_file *file)
{
    return result(fsync(file->fd));
}

static void linux_close(struct side_file *file)
{
    close(file->fd);
    free(file);
}

static int linux_make_dir(const char *path, uint32_t mode)
{
    return result(mkdir(here(path), mode));
}

static int linux_make_node(const char *path, uint32_t mode, uint64_t rdev)
{
    return result(mknod(here(path), mode, rdev));
}

static int linux_make_link(const char *target, const char *path)
{
    return result(symlink(target, here(path)));
}

static int linux_link(const char *old, const char *path)
{
    return result(link(here(old), here(path)));
}

static int linux_unlink(const char *path)
{
    return result(unlink(here(path)));
}

static int linux_remove_dir(const char *path)
{
    return result(rmdir(here(path)));
}

static int linux_rename(const char *old, const char *path, unsigned flags)
{
    unsigned how = ((flags & SIDE_NOREPLACE) != 0 ? RENAME_NOREPLACE : 0) |
                   ((flags & SIDE_EXCHANGE) != 0 ? RENAME_EXCHANGE : 0);

    return result(renameat2(AT_FDCWD, here(old), AT_FDCWD, here(path), how));
}

static int linux_set_mode(const char *path, uint32_t mode)
{
    return result(chmod(here(path), mode));
}

static int linux_set_owner(const char *path, uint32_t uid, uint32_t gid)
{
    return result(lchown(here(path), uid, gid));
}

static int linux_set_times(const char *path, struct side_time atime,
                           struct side_time mtime)
{
    const struct timespec times[] = {timespec_of(atime), timespec_of(mtime)};

    return result(utimensat(AT_FDCWD, here(path), times, AT_SYMLINK_NOFOLLOW));
}

static int64_t linux_xattr_list(const char *path, char *names, size_t size)
{
    return result(llistxattr(here(path), names, size));
}

static int64_t linux_xattr_get(const char *path, const char *name, void *value,
                               size_t size)
{
    return result(lgetxattr(here(path), name, value, size));
}

static int linux_xattr_set(const char *path, const char *name,
                           const void *value, size_t size)
{
    return result(lsetxattr(here(path), name, value, size, 0));
}

static int linux_xattr_remove(const char *path, const char *name)
{
    return result(lremovexattr(here(path), name));
}

static int linux_end(void)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY), status;

    if (fd < 0)
        return -errno;
    status = result(syncfs(fd));
    close(fd);
    return status;
}

const struct side *side_linux(const char *place)
{
    static const struct side side = {
        .stat = linux_stat,
        .fs_stat = linux_fs_stat,
        .list = linux_list,
        .read_link = linux_read_link,
        .open = linux_open,
        .read = linux_read,
        .write = linux_write,
        .truncate = linux_truncate,
        .punch = linux_punch,
        .seek = linux_seek,
        .sync = linux_sync,
        .close = linux_close,
        .make_dir = linux_make_dir,
        .make_node = linux_make_node,
        .make_link = linux_make_link,
        .link = linux_link,
        .unlink = linux_unlink,
        .remove_dir = linux_remove_dir,
        .rename = linux_rename,
        .set_mode = linux_set_mode,
        .set_owner = linux_set_owner,
        .set_times = linux_set_times,
        .xattr_list = linux_xattr_list,
        .xattr_get = linux_xattr_get,
        .xattr_set = linux_xattr_set,
        .xattr_remove = linux_xattr_remove,
        .end = linux_end,
    };

    if (chdir(place) != 0) {
        perror(place);
        return NULL;
    }
    umask(0);
    return &side;
}
