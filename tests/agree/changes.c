#include "tests/agree/changes.h"
#include "tests/agree/draw.h"
#include "tests/agree/listing.h"
#include "tests/agree/paths.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/compiler.h>

enum {
    BUFFER = 256 * 1024,
    RDEV_MAX_MAJOR = 4095,
    RDEV_MAX_MINOR = 0xfffff,
    LARGE = 0x70000000, /* bytes of a file that is not large yet */
    BURST_SMALL = 40,
    BURST_LARGE = 1500,
    XATTR_PREFIX_MAX = 16,
};

static struct {
    const struct side *side;
    const struct changes *what;
    FILE *to;
    struct draw draw;
    struct paths paths;
    uint32_t block;      /* bytes of a block */
    uint64_t bytes_left; /* that may be written */
    char path[SIDE_PATH_MAX], other[SIDE_PATH_MAX];
    uint8_t buffer[BUFFER];
} now;

/* ---- Telling ------------------------------------------------------------- */

static void tell(const char *what, const char *path)
{
    fprintf(now.to, "%s ", what);
    listing_word(now.to, path, strlen(path));
}

static int64_t came(int64_t status)
{
    if (status < 0)
        fprintf(now.to, ": %s\n", strerror((int)-status));
    else
        fprintf(now.to, ": %lld\n", (long long)status);
    return status;
}

/* ---- Drawing ------------------------------------------------------------- */

static uint64_t below(uint64_t limit)
{
    return draw_below(&now.draw, limit);
}

static bool once_in(unsigned times)
{
    return draw_once_in(&now.draw, times);
}

static bool is_full(void)
{
    return now.paths.count >= now.what->paths_max;
}

static const char *draw_path(char type)
{
    const struct path *path = paths_draw(&now.paths, &now.draw, type);

    return path == NULL ? NULL : path->text;
}

/* A new path in now.path; now and then one that is there. */
static void draw_new(void)
{
    const char *old = once_in(20) ? draw_path(0) : NULL;

    if (old != NULL)
        strcpy(now.path, old);
    else
        paths_draw_new(&now.paths, &now.draw, now.path);
}

static uint32_t draw_mode(void)
{
    return (uint32_t)(once_in(4) ? below(010000) : 0600 | below(01000));
}

static uint32_t draw_id(void)
{
    static const uint32_t ids[] = {0,     1,       1000,       65534,     65535,
                                   65536, 1234567, 0x7fffffff, 0xfffffffe};

    return ids[below(COUNT_OF(ids))];
}

static struct side_time draw_time(void)
{
    /* e2fsck doubts what is behind the year 2310. */
    static const int64_t seconds[] = {
        0,          1,          -1,          1700000000,  -86400,
        INT32_MIN,  INT32_MAX,  2147483648,  4294967295,  4294967296,
        6442450943, 6442450944, 10737418239, -2147483649, -10000000000};
    struct side_time time = {.s = seconds[below(COUNT_OF(seconds))]};

    if (once_in(2))
        time.s = (int64_t)below(4000000000);
    /* In revision 0 Linux cuts off what does not fit. */
    if (!now.what->with_large_files && time.s != (int32_t)time.s)
        time.s = 0;
    /* In the first second there is Linux has no fractions. */
    if (once_in(2) && time.s != INT32_MIN)
        time.ns = (uint32_t)below(1000000000);
    return time;
}

/* How many bytes: few, around a block, or many; within what is left. */
static size_t draw_size(void)
{
    size_t size;

    switch (below(5)) {
    case 0:
        size = below(64);
        break;
    case 1:
        size = now.block - 1 + below(3);
        break;
    case 2:
        size = below(64 * 1024);
        break;
    case 3:
        size = once_in(4) ? below(BUFFER) : below(20 * 1024);
        break;
    default:
        size = below(3000);
        break;
    }
    return size > now.bytes_left ? 0 : size;
}

/* An offset around a place where the tree of blocks gets another level, or
 * anywhere. */
static uint64_t draw_offset(uint64_t size)
{
    const uint64_t block = now.block, pointers = block / 4;
    uint64_t at;
    const uint64_t edge[] = {
        12,
        12 + pointers,
        12 + 2 * pointers,
        12 + pointers + pointers * pointers,
        12 + pointers + pointers * pointers + pointers,
        12 + pointers + 2 * pointers * pointers,
        0x80000000u / block,
        0x100000000u / block,
    };

    switch (below(4)) {
    case 0:
        return size;
    case 1:
        return below(size + 1);
    case 2:
        at = (edge[below(once_in(3) ? COUNT_OF(edge) : 3)] + below(3) - 1) *
                 block +
             (once_in(2) ? 0 : below(block));
        return at > LARGE && !now.what->with_large_files ? size : at;
    default:
        return size + below(100 * 1024);
    }
}

/* What is written: a pattern that begins anywhere, now and then zeros. */
static void fill_buffer(size_t size)
{
    uint64_t word = draw_word(&now.draw);

    if (once_in(12)) {
        memset(now.buffer, 0, size);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        now.buffer[i] = (uint8_t)(word >> 56);
        word = word * 6364136223846793005 + 1442695040888963407;
    }
}

/* ---- Files --------------------------------------------------------------- */

static uint64_t size_of(const char *path)
{
    struct side_stat stat;

    return now.side->stat(path, &stat) == 0 ? stat.size : 0;
}

static int64_t write_once(struct side_file *file, uint64_t file_size)
{
    uint64_t offset = draw_offset(file_size);
    size_t size = draw_size();

    fill_buffer(size);
    now.bytes_left -= size;
    if (now.bytes_left > 4 * now.block)
        now.bytes_left -= 4 * now.block;
    fprintf(now.to, " +%zu@%llu", size, (unsigned long long)offset);
    return now.side->write(file, now.buffer, size, offset);
}

static void create(void)
{
    unsigned flags =
        SIDE_WRITE | SIDE_CREATE | (once_in(3) ? SIDE_EXCLUSIVE : 0);
    struct side_file *file;
    struct side_stat stat;
    bool is_new;
    int64_t status;

    draw_new();
    tell("create", now.path);
    is_new = now.side->stat(now.path, &stat) == -ENOENT;
    if (!is_new && !S_ISREG(stat.mode))
        flags |= SIDE_EXCLUSIVE;
    status = now.side->open(now.path, flags, draw_mode(), &file);
    if (status == 0 && is_new)
        paths_add(&now.paths, now.path, 'f');
    if (status == 0) {
        for (uint64_t i = below(4); i > 0 && status >= 0; i--)
            status = write_once(file, size_of(now.path));
        now.side->close(file);
    }
    came(status);
}

/* Something with an open file: it is written, cut, or gets a hole. */
static int64_t change_open(struct side_file *file, uint64_t size)
{
    uint64_t from, len;

    switch (below(8)) {
    case 0:
        from = once_in(2) ? below(size + 1) : draw_offset(size);
        fprintf(now.to, " =%llu", (unsigned long long)from);
        return now.side->truncate(file, from);
    case 1:
        from = below(size + 1);
        len = 1 + (once_in(2) ? below(size + 1) : below(3 * now.block));
        fprintf(now.to, " -%llu@%llu", (unsigned long long)len,
                (unsigned long long)from);
        return now.side->punch(file, from, len);
    case 2:
        fprintf(now.to, " sync");
        return now.side->sync(file);
    default:
        return write_once(file, size);
    }
}

static void change(void)
{
    const char *path = draw_path('f');
    struct side_file *file;
    int64_t status;

    if (path == NULL)
        return;
    tell("change", path);
    status = now.side->open(path, SIDE_WRITE, 0, &file);
    if (status == 0) {
        for (uint64_t i = 1 + below(5); i > 0 && status >= 0; i--)
            status = change_open(file, size_of(path));
        now.side->close(file);
    }
    came(status);
}

static void read_back(void)
{
    const char *path = draw_path('f');
    struct side_file *file;
    int64_t status, at;

    if (path == NULL)
        return;
    tell("read", path);
    status = now.side->open(path, 0, 0, &file);
    if (status == 0) {
        at = (int64_t)below(size_of(path) + 10);
        status = now.side->read(file, now.buffer, draw_size(), (uint64_t)at);
        if (status > 0)
            fprintf(
                now.to, " %016llx",
                (unsigned long long)draw_hash(1, now.buffer, (size_t)status));
        now.side->close(file);
    }
    came(status);
}

/* A file that has no name any more is written and read. */
static void change_removed(void)
{
    const char *path = draw_path('f');
    struct side_file *file;
    int64_t status;

    if (path == NULL || once_in(2))
        return;
    tell("nameless", path);
    status = now.side->open(path, SIDE_WRITE, 0, &file);
    if (status == 0) {
        status = now.side->unlink(path);
        if (status == 0)
            status = change_open(file, below(100000));
        now.side->close(file);
    }
    came(status);
    if (status >= 0) {
        strcpy(now.path, path);
        paths_remove(&now.paths, now.path);
    }
}

/* ---- Names --------------------------------------------------------------- */

static void made(int status, char type)
{
    if (came(status) == 0)
        paths_add(&now.paths, now.path, type);
}

static void make_dir(void)
{
    draw_new();
    tell("mkdir", now.path);
    made(now.side->make_dir(now.path, draw_mode()), 'd');
}

/* A chain of directories, as deep as paths are long. */
static void make_deep(void)
{
    strcpy(now.other, paths_draw_dir(&now.paths, &now.draw));
    for (uint64_t i = 1 + below(once_in(4) ? 60 : 12); i > 0 && !is_full();
         i--) {
        paths_draw_new_in(now.other, &now.draw, now.path);
        tell("mkdir", now.path);
        made(now.side->make_dir(now.path, 0755), 'd');
        strcpy(now.other, now.path);
    }
}

static void make_node(void)
{
    static const struct {
        uint32_t mode;
        char type;
    } kinds[] = {
        {S_IFIFO, 'p'}, {S_IFSOCK, 's'}, {S_IFCHR, 'c'}, {S_IFBLK, 'b'}};
    const unsigned kind = (unsigned)below(COUNT_OF(kinds));
    uint64_t major = once_in(2) ? below(256) : below(RDEV_MAX_MAJOR + 1);
    uint64_t minor = once_in(2) ? below(256) : below(RDEV_MAX_MINOR + 1);

    draw_new();
    tell("mknod", now.path);
    if (kind < 2)
        major = minor = 0;
    made(now.side->make_node(now.path, kinds[kind].mode | draw_mode(),
                             (minor & 0xff) | major << 8 |
                                 (minor & ~(uint64_t)0xff) << 12),
         kinds[kind].type);
}

static void make_link(void)
{
    static const uint16_t lens[] = {1, 58, 59, 60, 61, 200};
    size_t len = lens[below(COUNT_OF(lens))];

    if (once_in(3))
        len = 1 + below(300);
    else if (once_in(4))
        len = now.block - 2 + below(3);
    if (len >= SIDE_PATH_MAX)
        len = SIDE_PATH_MAX - 1;
    draw_new();
    for (size_t i = 0; i < len; i++)
        now.other[i] = (char)draw_between(&now.draw, 1, 255);
    now.other[len] = '\0';
    tell("symlink", now.path);
    fprintf(now.to, " (%zu)", len);
    made(now.side->make_link(now.other, now.path), 'l');
}

static void link_one(void)
{
    const struct path *old = paths_draw(&now.paths, &now.draw, 0);
    char type;

    if (old == NULL)
        return;
    type = old->type;
    draw_new();
    tell("link", old->text);
    tell("", now.path);
    made(now.side->link(old->text, now.path), type);
}

static void unlink_one(void)
{
    const char *path = draw_path(0);

    if (path == NULL)
        return;
    strcpy(now.path, path);
    tell("unlink", now.path);
    if (came(now.side->unlink(now.path)) == 0)
        paths_remove(&now.paths, now.path);
}

static void remove_dir(void)
{
    const char *path = draw_path(once_in(10) ? 0 : 'd');

    if (path == NULL)
        return;
    strcpy(now.path, path);
    tell("rmdir", now.path);
    if (came(now.side->remove_dir(now.path)) == 0)
        paths_remove(&now.paths, now.path);
}

/* All that is below now.path, the last names first, so what is in a directory
 * before it. */
static int remove_below(void)
{
    const size_t len = strlen(now.path);
    struct paths found = {0};
    int status = 0;

    for (size_t i = 0; i < now.paths.count; i++)
        if (strncmp(now.paths.path[i].text, now.path, len) == 0 &&
            now.paths.path[i].text[len] == '/')
            paths_add(&found, now.paths.path[i].text, now.paths.path[i].type);
    while (status == 0 && found.count > 0) {
        size_t deepest = 0;

        for (size_t i = 1; i < found.count; i++)
            if (strlen(found.path[i].text) > strlen(found.path[deepest].text))
                deepest = i;
        status = found.path[deepest].type == 'd'
                     ? now.side->remove_dir(found.path[deepest].text)
                     : now.side->unlink(found.path[deepest].text);
        free(found.path[deepest].text);
        found.path[deepest] = found.path[--found.count];
    }
    paths_free(&found);
    return status;
}

static void remove_tree(void)
{
    const char *path = draw_path('d');
    int status;

    if (path == NULL || !once_in(3))
        return;
    strcpy(now.path, path);
    tell("remove all of", now.path);
    status = remove_below();
    if (status == 0)
        status = now.side->remove_dir(now.path);
    if (came(status) == 0)
        paths_remove(&now.paths, now.path);
}

static void moved(const char *old, unsigned flags)
{
    struct side_stat stat;

    if ((flags & SIDE_EXCHANGE) != 0) {
        paths_exchange(&now.paths, old, now.path);
    } else if (now.side->stat(old, &stat) == -ENOENT) {
        /* Else both lead to one inode, and stay. */
        paths_remove(&now.paths, now.path);
        paths_move(&now.paths, old, now.path);
    }
}

static void rename_one(void)
{
    static const unsigned kinds[] = {0, 0, 0, SIDE_NOREPLACE, SIDE_EXCHANGE};
    const unsigned flags = kinds[below(COUNT_OF(kinds))];
    const char *old = draw_path(0), *target = NULL;

    if (old == NULL)
        return;
    strcpy(now.other, old);
    if (flags == SIDE_EXCHANGE || once_in(4))
        target = draw_path(0);
    if (target != NULL)
        strcpy(now.path, target);
    else
        paths_draw_new(&now.paths, &now.draw, now.path);
    if (!paths_fit(&now.paths, now.other, now.path) ||
        !paths_fit(&now.paths, now.path, now.other))
        return;
    fprintf(now.to, "%u ", flags);
    tell("rename", now.other);
    tell("", now.path);
    if (came(now.side->rename(now.other, now.path, flags)) == 0)
        moved(now.other, flags);
}

/* Many names in one directory, and some of them go again. */
static void burst(void)
{
    uint64_t count = 1 + below(once_in(6) ? BURST_LARGE : BURST_SMALL);
    const uint64_t kept = below(3); /* of three */
    struct side_file *file;
    int status = 0;

    strcpy(now.other, paths_draw_dir(&now.paths, &now.draw));
    tell("burst", now.other);
    fprintf(now.to, " %llu", (unsigned long long)count);
    for (; count > 0 && status == 0 && !is_full(); count--) {
        paths_draw_new_in(now.other, &now.draw, now.path);
        status = now.side->open(
            now.path, SIDE_WRITE | SIDE_CREATE | SIDE_EXCLUSIVE, 0644, &file);
        if (status == -EEXIST) {
            status = 0;
            continue;
        }
        if (status != 0)
            break;
        now.side->close(file);
        if (kept < 2 && below(3) > kept)
            status = now.side->unlink(now.path);
        else
            paths_add(&now.paths, now.path, 'f');
    }
    came(status);
}

/* ---- Attributes ---------------------------------------------------------- */

/* Of no symbolic link, where it leads to would change. */
static void set_mode(void)
{
    const struct path *path = paths_draw(&now.paths, &now.draw, 0);

    if (path == NULL || path->type == 'l')
        return;
    tell("chmod", path->text);
    came(now.side->set_mode(path->text, (uint32_t)below(010000)));
}

static void set_owner(void)
{
    const char *path = draw_path(0);
    uint32_t uid = draw_id(), gid = draw_id();

    if (path == NULL)
        return;
    tell("chown", path);
    came(now.side->set_owner(path, uid, gid));
}

static void set_times(void)
{
    const char *path = draw_path(0);
    struct side_time atime = draw_time(), mtime = draw_time();

    if (path == NULL)
        return;
    if (once_in(5))
        atime.ns = SIDE_TIME_OMIT;
    tell("utime", path);
    came(now.side->set_times(path, atime, mtime));
}

/* "user.colour": the same ones again and again, and others. */
static void draw_xattr(char *name)
{
    static const char *const spaces[] = {"user.", "trusted.", "security."};
    char *rest;

    strcpy(name, spaces[below(COUNT_OF(spaces))]);
    rest = name + strlen(name);
    if (once_in(3)) {
        name_draw(&now.draw, rest);
        rest[once_in(4) ? SIDE_NAME_MAX - 9 : 30] = '\0';
    } else {
        rest[0] = (char)('a' + below(5));
        rest[1] = '\0';
    }
}

static size_t draw_value_size(void)
{
    if (once_in(4))
        return below(now.block / 2);
    return once_in(8) ? 0 : below(80);
}

static void set_xattr(void)
{
    char name[XATTR_PREFIX_MAX + SIDE_NAME_MAX + 1] = {0};
    const char *path = draw_path(0);
    size_t size = draw_value_size();

    if (path == NULL || !now.what->with_xattrs)
        return;
    draw_xattr(name);
    fill_buffer(size);
    tell("setxattr", path);
    tell("", name);
    fprintf(now.to, " (%zu)", size);
    came(now.side->xattr_set(path, name, now.buffer, size));
}

static void remove_xattr(void)
{
    char name[XATTR_PREFIX_MAX + SIDE_NAME_MAX + 1] = {0};
    const char *path = draw_path(0);

    if (path == NULL)
        return;
    draw_xattr(name);
    tell("removexattr", path);
    tell("", name);
    came(now.side->xattr_remove(path, name));
}

/* The format of POSIX ACLs as Linux takes them: version 2; owner, a user,
 * group, mask, others. */
static void set_acl(void)
{
    static uint8_t acl[] = {
        2,    0,    0,    0,    0x01, 0,    6,    0,    0xff, 0xff, 0xff,
        0xff, 0x02, 0,    5,    0,    0,    0,    0,    0,    0x04, 0,
        4,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,    7,    0,    0xff,
        0xff, 0xff, 0xff, 0x20, 0,    4,    0,    0xff, 0xff, 0xff, 0xff};
    const struct path *path = paths_draw(&now.paths, &now.draw, 0);
    const char *name = "system.posix_acl_access";

    if (path == NULL || path->type == 'l' || !now.what->with_acls)
        return;
    acl[16] = (uint8_t)(1 + below(200));
    acl[17] = (uint8_t)below(200);
    if (path->type == 'd' && once_in(2))
        name = "system.posix_acl_default";
    tell("acl", path->text);
    came(now.side->xattr_set(path->text, name, acl, sizeof(acl)));
}

/* ---- All of them --------------------------------------------------------- */

static const struct {
    void (*make)(void);
    unsigned weight;
    bool grows; /* not when there are enough paths */
} kinds[] = {
    {create, 16, true},         {change, 20, false},    {read_back, 4, false},
    {change_removed, 1, false}, {make_dir, 8, true},    {make_deep, 1, true},
    {make_node, 4, true},       {make_link, 6, true},   {link_one, 5, true},
    {unlink_one, 7, false},     {remove_dir, 3, false}, {remove_tree, 1, false},
    {rename_one, 12, false},    {burst, 2, true},       {set_mode, 4, false},
    {set_owner, 4, false},      {set_times, 5, false},  {set_xattr, 10, false},
    {remove_xattr, 3, false},   {set_acl, 3, false},
};

static void change_one(void)
{
    unsigned sum = 0, kind = 0;
    uint64_t at;

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        sum += kinds[i].weight;
    at = below(sum);
    for (; at >= kinds[kind].weight; kind++)
        at -= kinds[kind].weight;
    if (!kinds[kind].grows || !is_full())
        kinds[kind].make();
}

/* Set the times of half of the paths, in the order of their bytes. */
static int times_settle(void)
{
    int status;

    paths_free(&now.paths);
    status = paths_read(&now.paths, now.side);
    for (size_t i = 0; i < now.paths.count && status == 0; i++) {
        const char *path = now.paths.path[i].text;
        struct side_time atime = draw_time(), mtime = draw_time();

        if (listing_has_times(path))
            status = now.side->set_times(path, atime, mtime);
    }
    return status;
}

int changes_make(const struct side *side, const struct changes *what, FILE *to)
{
    struct side_fs fs;
    int status = side->fs_stat(&fs);

    now.side = side;
    now.what = what;
    now.to = to;
    now.draw.state = what->seed;
    now.block = fs.block_bytes;
    now.bytes_left = what->bytes_max;
    if (status == 0)
        status = paths_read(&now.paths, side);
    for (unsigned i = 0; i < what->count && status == 0; i++) {
        fprintf(to, "%u ", i);
        change_one();
        fflush(to);
    }
    fputs("times\n", to);
    if (status == 0)
        status = times_settle();
    if (status != 0)
        fprintf(to, "ended by: %s\n", strerror(-status));
    paths_free(&now.paths);
    return status;
}
