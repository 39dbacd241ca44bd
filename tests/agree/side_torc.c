/* The side of the kernel under test: a machine of one CPU in this process,
 * whose disk is the image. */
#include "kernel/file/vfs.h"
#include "tests/agree/side.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <torc/file_systems.h>
#include <unistd.h>

enum { MEM_BYTES = 128 << 20, TYPE_SHIFT = 12, MODE_MASK = 07777 };

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &ext4_file_system, &fat_file_system, NULL};

static struct ramblk disk;
static void *image;
static size_t image_size;

/* As Linux has it, and the letters of a listing. */
static const struct {
    uint8_t bits;
    char letter;
} types[] = {
    [FILE_REGULAR] = {010, 'f'}, [FILE_DIRECTORY] = {004, 'd'},
    [FILE_SYMLINK] = {012, 'l'}, [FILE_FIFO] = {001, 'p'},
    [FILE_SOCKET] = {014, 's'},  [FILE_CHARACTER] = {002, 'c'},
    [FILE_BLOCK] = {006, 'b'},
};

static struct side_time time_of(struct file_time time)
{
    return (struct side_time){.s = time.s, .ns = time.ns};
}

static struct file_time file_time_of(struct side_time time)
{
    return (struct file_time){.s = time.s,
                              .ns = time.ns == SIDE_TIME_OMIT ? FILE_TIME_OMIT
                                                              : time.ns};
}

static struct file *file_of(struct side_file *file)
{
    return (struct file *)(void *)file;
}

static int torc_stat(const char *path, struct side_stat *out)
{
    struct file_stat stat;
    struct inode *inode;
    int status = file_stat(path, false, &stat);

    if (status == 0)
        status = vfs_walk(path, false, &inode);
    if (status != 0)
        return status;
    *out = (struct side_stat){
        .inode = stat.inode,
        .mode = (uint32_t)types[stat.type].bits << TYPE_SHIFT | stat.mode,
        .links = stat.links,
        .uid = stat.uid,
        .gid = stat.gid,
        .rdev = inode->rdev, /* not of the public call */
        .size = stat.size_bytes,
        .blocks = stat.blocks,
        .atime = time_of(stat.atime),
        .mtime = time_of(stat.mtime),
        .ctime = time_of(stat.ctime),
    };
    inode_put(inode);
    return 0;
}

static int torc_fs_stat(struct side_fs *out)
{
    struct file_fs_stat stat;
    int status = file_stat_fs("/", &stat);

    if (status != 0)
        return status;
    *out = (struct side_fs){
        .block_bytes = stat.block_bytes,
        .blocks_free = stat.blocks_free,
        .inodes = stat.inodes,
        .inodes_free = stat.inodes_free,
    };
    return 0;
}

static int torc_list(const char *path,
                     int (*fn)(const struct side_entry *entry, void *arg),
                     void *arg)
{
    struct dir_entry entry;
    struct side_entry out;
    struct file *dir;
    int status = file_open(
        path, FILE_READ | FILE_DIRECTORY_ONLY | FILE_NOFOLLOW, 0, &dir);

    if (status != 0)
        return status;
    while ((status = dir_read(dir, &entry)) == 1) {
        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        out.inode = entry.inode;
        out.type = entry.type == FILE_UNKNOWN ? '?' : types[entry.type].letter;
        strcpy(out.name, entry.name);
        status = fn(&out, arg);
        if (status != 0)
            break;
    }
    file_close(dir);
    return status;
}

static int64_t torc_read_link(const char *path, char *buf, size_t size)
{
    return file_read_link(path, buf, size);
}

static int torc_open(const char *path, unsigned flags, uint32_t mode,
                     struct side_file **out)
{
    unsigned how = FILE_READ | FILE_NOFOLLOW |
                   ((flags & SIDE_WRITE) != 0 ? FILE_WRITE : 0) |
                   ((flags & SIDE_CREATE) != 0 ? FILE_CREATE : 0) |
                   ((flags & SIDE_EXCLUSIVE) != 0 ? FILE_EXCLUSIVE : 0);
    struct file *file;
    int status = file_open(path, how, mode, &file);

    if (status == 0)
        *out = (struct side_file *)(void *)file;
    return status;
}

static int64_t torc_read(struct side_file *file, void *buf, size_t size,
                         uint64_t offset)
{
    return file_read_at(file_of(file), buf, size, offset);
}

static int64_t torc_write(struct side_file *file, const void *buf, size_t size,
                          uint64_t offset)
{
    return file_write_at(file_of(file), buf, size, offset);
}

static int torc_truncate(struct side_file *file, uint64_t size)
{
    return file_truncate(file_of(file), size);
}

static int torc_punch(struct side_file *file, uint64_t offset, uint64_t len)
{
    return file_allocate(file_of(file), offset, len,
                         FILE_PUNCH_HOLE | FILE_KEEP_SIZE);
}

static int64_t torc_seek(struct side_file *file, uint64_t from, bool to_data)
{
    return file_seek(file_of(file), (int64_t)from,
                     to_data ? FILE_SEEK_DATA : FILE_SEEK_HOLE);
}

static int torc_sync(struct side_file *file)
{
    return file_sync(file_of(file));
}

static void torc_close(struct side_file *file)
{
    file_close(file_of(file));
}

static int torc_make_dir(const char *path, uint32_t mode)
{
    return file_mkdir(path, mode);
}

static int torc_make_node(const char *path, uint32_t mode, uint64_t rdev)
{
    enum file_type type = FILE_REGULAR;

    while (types[type].bits != mode >> TYPE_SHIFT)
        type++;
    return file_make_node(path, type, mode & MODE_MASK, rdev);
}

static int torc_make_link(const char *target, const char *path)
{
    return file_symlink(target, path);
}

static int torc_link(const char *old, const char *path)
{
    return file_link(old, path);
}

static int torc_unlink(const char *path)
{
    return file_unlink(path);
}

static int torc_remove_dir(const char *path)
{
    return file_rmdir(path);
}

static int torc_rename(const char *old, const char *path, unsigned flags)
{
    return file_rename(
        old, path,
        ((flags & SIDE_NOREPLACE) != 0 ? FILE_RENAME_NOREPLACE : 0) |
            ((flags & SIDE_EXCHANGE) != 0 ? FILE_RENAME_EXCHANGE : 0));
}

static int torc_set_mode(const char *path, uint32_t mode)
{
    return file_chmod(path, true, mode);
}

static int torc_set_owner(const char *path, uint32_t uid, uint32_t gid)
{
    return file_chown(path, false, uid, gid);
}

static int torc_set_times(const char *path, struct side_time atime,
                          struct side_time mtime)
{
    return file_set_times(path, false, file_time_of(atime),
                          file_time_of(mtime));
}

static int64_t torc_xattr_list(const char *path, char *names, size_t size)
{
    return file_xattr_list(path, false, names, size);
}

static int64_t torc_xattr_get(const char *path, const char *name, void *value,
                              size_t size)
{
    return file_xattr_get(path, false, name, value, size);
}

static int torc_xattr_set(const char *path, const char *name, const void *value,
                          size_t size)
{
    return file_xattr_set(path, false, name, value, size, 0);
}

static int torc_xattr_remove(const char *path, const char *name)
{
    return file_xattr_remove(path, false, name);
}

static int torc_end(void)
{
    int status = file_unmount("/");

    machine_detach();
    munmap(image, image_size);
    return status;
}

static bool image_map(const char *path)
{
    struct stat stat;
    int fd = open(path, O_RDWR);

    if (fd < 0 || fstat(fd, &stat) != 0) {
        perror(path);
        return false;
    }
    image_size = (size_t)stat.st_size;
    image = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (image == MAP_FAILED)
        perror(path);
    return image != MAP_FAILED;
}

const struct side *side_torc(const char *path, const char *type)
{
    static const struct side side = {
        .stat = torc_stat,
        .fs_stat = torc_fs_stat,
        .list = torc_list,
        .read_link = torc_read_link,
        .open = torc_open,
        .read = torc_read,
        .write = torc_write,
        .truncate = torc_truncate,
        .punch = torc_punch,
        .seek = torc_seek,
        .sync = torc_sync,
        .close = torc_close,
        .make_dir = torc_make_dir,
        .make_node = torc_make_node,
        .make_link = torc_make_link,
        .link = torc_link,
        .unlink = torc_unlink,
        .remove_dir = torc_remove_dir,
        .rename = torc_rename,
        .set_mode = torc_set_mode,
        .set_owner = torc_set_owner,
        .set_times = torc_set_times,
        .xattr_list = torc_xattr_list,
        .xattr_get = torc_xattr_get,
        .xattr_set = torc_xattr_set,
        .xattr_remove = torc_xattr_remove,
        .end = torc_end,
    };
    int status;

    if (!image_map(path))
        return NULL;
    machine_attach_cmdline(MEM_BYTES, "");
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    status = file_mount(&disk.block.device, "/", type);
    if (status != 0) {
        fprintf(stderr, "%s: cannot be mounted: %s\n", path, strerror(-status));
        return NULL;
    }
    return &side;
}
