#include "tests/fakes/file_ops.h"
#include "kernel/file/vfs_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/file.h>

enum { PIECE = 8 * 1024, KEPT = 2, MANY = 12 };

#define LONG_TEXT                                                             \
    "a name that is long enough to take much of a block and that is not the " \
    "only one like this, so that blocks of names are split and joined"
#define LONG_NAME "/" LONG_TEXT

/* Of the trees that images have, and new ones. */
static const char *const paths[] = {
    "/file",
    "/hole",
    "/hole-single",
    "/hole-double",
    "/hole-triple",
    "/fast",
    "/slow",
    "/fifo",
    "/loop1",
    "/here",
    "/to-dir",
    "/lost+found",
    "/dir",
    "/dir/entry-1",
    "/dir/entry-7",
    "/dir/the-same-by-a-longer-name-7",
    "/dir/sub",
    "/dir/sub/x",
    "/dir/sub/deep",
    "/dir/sub/deep/new",
    "/dir/new",
    "/new",
    "/new/a",
    "/new/a/b",
    "/to-dir/another",
    "/x",
    LONG_NAME,
    "/dir" LONG_NAME,
    "/t/FILE.TXT",
    "/t/a",
    "/t/a/Sub Directory/x",
    "/t/a/entry number 5",
};

/* What only the last values of a byte name. */
static const char *const other_paths[] = {
    "/t/a/Sub Directory",
    "/t/a/entry number 11",
    "/t/\U0001f600 \U0001d11e",
    "/t/a/dots. . .",
    "/t/no?name",
    "/T/A/\u00dcBER \u0101 \u03b1",
    "/dir/sub/deep/" LONG_TEXT,
    "/t/a/" LONG_TEXT,
};

static const char *path_of(uint8_t byte)
{
    const unsigned first = 256 - COUNT_OF(other_paths);

    return byte < first ? paths[byte % COUNT_OF(paths)]
                        : other_paths[byte - first];
}

static const uint64_t offsets[] = {
    0,          1,
    1023,       4096,
    5000,       12287,
    12288,      49151,
    100000,     274432,
    4243455,    4243456,
    67383296,   (uint64_t)68 << 20,
    UINT32_MAX, (uint64_t)1 << 31,
};
static const uint32_t lengths[] = {0,    1,    7,    511,   1024, 3000,
                                   4096, 9000, 1025, 20000, 60,   255};

static uint8_t bytes[64 * 1024];
static struct file *kept[KEPT];
static bool may_fail;

void file_ops_may_fail(bool may)
{
    may_fail = may;
}

/* ---- Answers ------------------------------------------------------------- */

static const int answers[] = {
    -EUCLEAN, -ENOSPC,    -EFBIG,   -ENOENT,       -EEXIST, -EINVAL,
    -ENOTDIR, -EISDIR,    -EROFS,   -ENOTEMPTY,    -EBUSY,  -ELOOP,
    -EMLINK,  -EPERM,     -ENODATA, -ENAMETOOLONG, -ERANGE, -ENOTSUP,
    -E2BIG,   -EOVERFLOW, -ENXIO,
};

static int64_t answered(int64_t status, const char *what)
{
    bool known =
        status >= 0 || (may_fail && (status == -EIO || status == -ENOMEM));

    for (size_t i = 0; i < COUNT_OF(answers); i++)
        known = known || status == answers[i];
    if (!known) {
        fprintf(stderr, "status %ld of %s\n", (long)status, what);
        abort();
    }
    return status;
}

static int first_of(int first, int64_t status)
{
    return first != 0 || status >= 0 ? first : (int)status;
}

void file_must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "failed: %s\n", what);
        abort();
    }
}

/* ---- What is in files ---------------------------------------------------- */

int64_t file_read_twice(struct file *file, uint64_t offset)
{
    static uint8_t first[PIECE], second[PIECE];
    int64_t got = answered(file_read_at(file, first, PIECE, offset), "read");
    int64_t half;

    if (got <= 0)
        return got;
    half = file_read_at(file, second, (size_t)got / 2, offset);
    if (may_fail && half != got / 2)
        return answered(half, "read");
    file_must(half == got / 2, "the first half");
    half += file_read_at(file, second + half, (size_t)(got - half),
                         offset + (uint64_t)half);
    if (may_fail && half != got)
        return got;
    file_must(half == got, "the second half");
    file_must(memcmp(first, second, (size_t)got) == 0, "the same bytes");
    return got;
}

/* What was written is there, unless some of it was not. */
static int64_t write_and_read(struct file *file, uint64_t offset, uint32_t len,
                              uint8_t fill)
{
    static uint8_t back[sizeof(bytes)];
    int64_t done, got;

    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(fill + i * 7);
    done = answered(file_write_at(file, bytes, len, offset), "write");
    if (done <= 0)
        return done;
    file_must(done <= len, "no more than that");
    got = file_read_at(file, back, (size_t)done, offset);
    if (may_fail && got != done)
        return answered(got, "read");
    file_must(got == done, "what was written can be read");
    file_must(memcmp(bytes, back, (size_t)done) == 0,
              "what was written is read");
    return done;
}

enum change {
    CHANGE_WRITE,
    CHANGE_TRUNCATE,
    CHANGE_PUNCH,
    CHANGE_ALLOCATE,
    CHANGE_READ,
    CHANGE_SYNC,
    CHANGE_APPEND
};

static int64_t change_open(struct file *file, enum change change, uint8_t more)
{
    uint64_t offset = offsets[more % COUNT_OF(offsets)];
    uint32_t len = lengths[(more / 16u) % COUNT_OF(lengths)];
    struct file_stat stat;

    switch (change) {
    case CHANGE_WRITE:
        return write_and_read(file, offset, len, more);
    case CHANGE_APPEND:
        if (file_fstat(file, &stat) != 0)
            return 0;
        return write_and_read(file, stat.size_bytes, 1000u * (more % 64u),
                              more);
    case CHANGE_TRUNCATE:
        return file_truncate(file, offset + len);
    case CHANGE_PUNCH:
        return file_allocate(file, offset, (uint64_t)len * 8 + 1,
                             FILE_KEEP_SIZE | FILE_PUNCH_HOLE);
    case CHANGE_ALLOCATE:
        return file_allocate(file, offset, (uint64_t)len * 4 + 1,
                             more % 3 == 0 ? FILE_KEEP_SIZE : 0);
    case CHANGE_SYNC:
        return more % 2 == 0 ? file_sync(file) : file_data_sync(file);
    default:
        (void)answered(file_seek(file, (int64_t)offset,
                                 more % 2 ? FILE_SEEK_DATA : FILE_SEEK_HOLE),
                       "seek");
        return file_read_twice(file, offset);
    }
}

static int64_t change_path(const char *path, enum change change, uint8_t more)
{
    unsigned flags =
        change == CHANGE_READ || change == CHANGE_SYNC ? 0 : FILE_WRITE;
    struct file *file;
    int64_t status = file_open(path, FILE_READ | flags, 0, &file);

    if (status != 0)
        return status;
    status = change_open(file, change, more);
    file_close(file);
    return status;
}

/* ---- Names --------------------------------------------------------------- */

static int create(const char *path, uint8_t more)
{
    struct file *file;
    unsigned flags = more % 2 ? FILE_EXCLUSIVE : FILE_TRUNCATE;
    int status = file_open(path, FILE_READ | FILE_WRITE | FILE_CREATE | flags,
                           0644, &file);

    if (status != 0)
        return status;
    if (more > 64)
        answered(write_and_read(file, 0, more * 16u, more), "write");
    file_close(file);
    return 0;
}

/* Leave a file open, so that it has no name when it is removed; or close it. */
static int keep(const char *path, uint8_t more)
{
    struct file **at = &kept[more % KEPT];

    if (*at != NULL) {
        answered(change_open(*at, CHANGE_APPEND, more), "append");
        file_close(*at);
        *at = NULL;
        return 0;
    }
    return file_open(path, FILE_READ | FILE_WRITE, 0, at);
}

static void keep_none(void)
{
    for (unsigned i = 0; i < KEPT; i++) {
        if (kept[i] != NULL)
            file_close(kept[i]);
        kept[i] = NULL;
    }
}

/* Some with long names; or, with the same lowest bits, they go again. */
static int many(const char *dir, uint8_t more)
{
    enum { FROM_REMOVAL = 192, KINDS = 64 };
    static char path[FILE_PATH_MAX];
    unsigned kind = more % KINDS;
    int status = 0;

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(path, sizeof(path), "%s/%.*s-%u", dir, 20 + 3 * (int)kind,
                 "the-name-of-one-of-many-that-are-made-at-once-so-that-the-"
                 "blocks-of-a-directory-are-split-and-an-index-grows-deeper-"
                 "than-it-was-by-more-and-more-names-in-one-directory-and-"
                 "even-longer-ones",
                 i + kind % 7 * MANY);
        status = more < FROM_REMOVAL ? create(path, 0) : file_unlink(path);
        answered(status, path);
    }
    return status;
}

static int list(const char *path)
{
    struct dir_entry *entry = malloc(sizeof(*entry));
    struct file *dir;
    int status = file_open(path, FILE_READ, 0, &dir);
    unsigned count = 0;

    if (status == 0) {
        while ((status = dir_read(dir, entry)) == 1 && count++ < 500)
            file_must(strchr(entry->name, '/') == NULL &&
                          entry->name[0] != '\0',
                      "a name");
        file_close(dir);
    }
    free(entry);
    return status;
}

static int make_link(const char *path, uint8_t more)
{
    char target[300];

    memset(target, 'l', sizeof(target));
    target[more + 1] = '\0';
    return file_symlink(target, path);
}

static int64_t read_link(const char *path, uint8_t more)
{
    char target[300];

    return file_read_link(path, target, more + 1u);
}

/* ---- Attributes ---------------------------------------------------------- */

static const char *attribute(uint8_t more)
{
    static const char *const names[] = {"user.color", "trusted.x",
                                        "security.selinux",
                                        "user.a-name-that-is-longer"};

    return names[more % COUNT_OF(names)];
}

static int attribute_set(const char *path, uint8_t more)
{
    static const uint16_t sizes[] = {0, 3, 20, 100, 500, 900, 3000, 5000};

    memset(bytes, more, sizeof(bytes));
    return file_xattr_set(path, false, attribute(more), bytes,
                          sizes[more / 4 % COUNT_OF(sizes)], more / 32u % 3);
}

static int64_t attribute_read(const char *path, uint8_t more)
{
    int64_t status = answered(file_xattr_list(path, false, (char *)bytes,
                                              more % 2 ? sizeof(bytes) : 0),
                              "list");

    if (status < 0)
        return status;
    return file_xattr_get(path, false, attribute(more), bytes,
                          more % 3 ? sizeof(bytes) : 10);
}

static int attributes_change(const char *path, uint8_t more)
{
    struct file_time time = {.s = (int64_t)more << more % 40,
                             .ns = more * 1000u};
    int status = file_chmod(path, false, more * 16u);

    answered(status, "chmod");
    if (more % 3 == 0)
        answered(file_chown(path, false, more * 1000u, FILE_SAME_ID), "chown");
    return file_set_times(path, false, time, time);
}

static int volume(uint8_t more)
{
    struct file_fs_stat stat;
    int status;

    answered(file_stat_fs("/", &stat), "statfs");
    if (more % 2 != 0)
        keep_none();
    status = file_remount("/", true);
    answered(status, "remount");
    return status != 0 ? status : file_remount("/", false);
}

static int name_op(unsigned what, const char *a, const char *b, uint8_t more)
{
    static const enum file_type types[] = {FILE_FIFO, FILE_SOCKET,
                                           FILE_CHARACTER, FILE_BLOCK};
    struct file_stat stat;

    switch (what) {
    case 0:
        return create(a, more);
    case 1:
        return file_unlink(a);
    case 2:
        return file_mkdir(a, 0755);
    case 3:
        return file_rmdir(a);
    case 4:
        return file_rename(a, b, 0);
    case 5:
        return file_rename(a, b, FILE_RENAME_EXCHANGE);
    case 6:
        return file_rename(a, b, FILE_RENAME_NOREPLACE);
    case 7:
        return file_link(a, b);
    case 8:
        return make_link(a, more);
    case 9:
        return file_make_node(a, types[more % 4], 0600, more * 77u);
    case 10:
        return keep(a, more);
    case 11:
        return many(a, more);
    case 12:
        return list(a);
    default:
        return file_stat(a, more % 2 != 0, &stat);
    }
}

static int64_t other_op(unsigned what, const char *a, uint8_t more)
{
    switch (what) {
    case 0:
        return attribute_set(a, more);
    case 1:
        return file_xattr_remove(a, false, attribute(more));
    case 2:
        return attribute_read(a, more);
    case 3:
        return attributes_change(a, more);
    case 4:
        return read_link(a, more);
    default:
        return volume(more);
    }
}

int64_t file_op_run(const uint8_t op[FILE_OP_BYTES])
{
    enum { NAME_OPS = 14, CHANGES = 7, OTHER_OPS = 6 };
    const char *a = path_of(op[1]);
    const char *b = path_of(op[2]);
    unsigned what = op[0] % (NAME_OPS + CHANGES + OTHER_OPS);
    int64_t status;

    if (what < NAME_OPS)
        status = name_op(what, a, b, op[3]);
    else if (what < NAME_OPS + CHANGES)
        status = change_path(a, (enum change)(what - NAME_OPS), op[3]);
    else
        status = other_op(what - NAME_OPS - CHANGES, a, op[3]);
    return answered(status, a);
}

void file_ops_end(void)
{
    keep_none();
}

int file_ops_up(const uint8_t op[FILE_OP_BYTES])
{
    struct file_stat stat;
    struct inode *inode;
    int status = file_chdir(path_of(op[1]));

    answered(status, "chdir");
    if (status != 0)
        return status;
    status = vfs_walk(".", true, &inode);
    if (status == 0) {
        dentries_shrink(inode->mount, op[2] % 4);
        inodes_shrink(inode->mount, 0, true);
        inode_put(inode);
        status = first_of((int)answered(file_stat("../..", true, &stat), "up"),
                          answered(list(".."), ".."));
    }
    file_must(file_chdir("/") == 0, "the root");
    return (int)answered(status, "up");
}

/* ---- Walking ------------------------------------------------------------- */

enum { DEPTH_MAX = 5, ENTRIES_MAX = 100 };

static unsigned entries_left;

static int walk_path(const char *path, unsigned depth);

static int walk_directory(const char *path, struct file *dir, unsigned depth)
{
    struct dir_entry *entry = malloc(sizeof(*entry));
    char *child = malloc(FILE_PATH_MAX);
    int first = 0, status = 0;

    while (entries_left > 0 && (status = dir_read(dir, entry)) == 1) {
        entries_left--;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
            continue;
        if (snprintf(child, FILE_PATH_MAX, "%s/%s", path[1] == '\0' ? "" : path,
                     entry->name) < FILE_PATH_MAX)
            first = first_of(first, walk_path(child, depth + 1));
    }
    free(child);
    free(entry);
    return first_of(first, status);
}

static int walk_path(const char *path, unsigned depth)
{
    struct file_stat stat;
    struct file *file;
    int status = file_stat(path, false, &stat);

    answered(status, path);
    if (status == 0 && stat.type == FILE_SYMLINK)
        return first_of(0, answered(read_link(path, 255), path));
    if (status != 0 || depth > DEPTH_MAX ||
        (stat.type != FILE_REGULAR && stat.type != FILE_DIRECTORY))
        return status;
    status = file_open(path, FILE_READ, 0, &file);
    if (status != 0)
        return (int)answered(status, path);
    if (stat.type == FILE_DIRECTORY) {
        status = walk_directory(path, file, depth);
    } else {
        status = first_of(0, file_read_twice(file, 0));
        status = first_of(status, file_read_twice(file, stat.size_bytes / 2));
    }
    file_close(file);
    return (int)answered(status, path);
}

int file_ops_walk(void)
{
    entries_left = ENTRIES_MAX;
    return walk_path("/", 0);
}
