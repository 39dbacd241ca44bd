#include "tests/sequences/ops.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/file.h>

enum { BUFFER = 64 * 1024 };

static char buffer[BUFFER];
static struct file *held;

/* ---- Data ---------------------------------------------------------------- */

/* Open, do one thing, close. */
static int opened(const char *path, unsigned flags, struct file **file)
{
    return file_open(path, flags, 0644, file);
}

static int create(const struct seq_op *op, int limit)
{
    struct file *file;
    int status =
        opened(op->a, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file);

    (void)limit;
    if (status == 0)
        file_close(file);
    return status;
}

/* At most `limit` bytes: how many. */
static int write_to(struct file *file, const struct seq_op *op, int limit)
{
    size_t len = (uint32_t)limit < op->len ? (size_t)limit : op->len;

    for (size_t i = 0; i < op->len; i++)
        buffer[i] = (char)(op->flags + i / 7);
    return (int)file_write_at(file, buffer, len, op->offset);
}

static int write_file(const struct seq_op *op, int limit)
{
    struct file *file;
    int status = opened(op->a, FILE_WRITE, &file);

    if (status != 0)
        return status;
    status = write_to(file, op, limit);
    file_close(file);
    return status;
}

static int truncate_file(const struct seq_op *op, int limit)
{
    struct file *file;
    int status = opened(op->a, FILE_WRITE, &file);

    (void)limit;
    if (status != 0)
        return status;
    status = file_truncate(file, op->len);
    file_close(file);
    return status;
}

/* The size is set before the storage is given back. */
static bool is_truncated(const struct seq_op *op)
{
    struct file_stat stat;

    return file_stat(op->a, true, &stat) == 0 && stat.size_bytes == op->len;
}

static int punch(const struct seq_op *op, int limit)
{
    struct file *file;
    int status = opened(op->a, FILE_WRITE, &file);

    (void)limit;
    if (status != 0)
        return status;
    status = file_allocate(file, op->offset, op->len,
                           FILE_PUNCH_HOLE | FILE_KEEP_SIZE);
    file_close(file);
    return status;
}

/* Open a file, and leave it open; or close the one that is. */
static int hold(const struct seq_op *op, int limit)
{
    (void)limit;
    if (held == NULL)
        return opened(op->a, FILE_READ | FILE_WRITE, &held);
    seq_ops_end();
    return 0;
}

static int write_held(const struct seq_op *op, int limit)
{
    return held == NULL ? 0 : write_to(held, op, limit);
}

static int sync_all(const struct seq_op *op, int limit)
{
    struct file *file;
    int status = opened("/", FILE_READ, &file);

    (void)limit;
    if (status != 0)
        return status;
    status = file_sync(file);
    file_close(file);
    if (status == 0 && held != NULL)
        status = file_sync(held);
    (void)op;
    return status;
}

/* ---- Names and attributes ------------------------------------------------ */

static int unlink_path(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_unlink(op->a);
}

static int make_dir(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_mkdir(op->a, 0755);
}

static int remove_dir(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_rmdir(op->a);
}

static int rename_path(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_rename(op->a, op->b, op->flags);
}

static int link_path(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_link(op->a, op->b);
}

static int symlink_path(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_symlink(op->b, op->a);
}

static int attribute_set(const struct seq_op *op, int limit)
{
    (void)limit;
    memset(buffer, 'v', op->len);
    return file_xattr_set(op->a, false, op->b, buffer, op->len, 0);
}

static int attribute_remove(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_xattr_remove(op->a, false, op->b);
}

static int chmod_path(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_chmod(op->a, false, op->flags);
}

static int make_fifo(const struct seq_op *op, int limit)
{
    (void)limit;
    return file_make_node(op->a, FILE_FIFO, 0600, 0);
}

#define LONG_TARGET \
    "a/target/that/is/too/long/to/be/in/the/inode/itself/so/it/needs/a/block"

enum { SWAP = FILE_RENAME_EXCHANGE, NEW = FILE_RENAME_NOREPLACE };

/* clang-format off */
const struct seq_op seq_ops[] = {
    {"create-a", create, "/a", NULL, 0, 0, 0, false, NULL},
    {"create-b", create, "/b", NULL, 0, 0, 0, false, NULL},
    {"create-da", create, "/d/a", NULL, 0, 0, 0, false, NULL},
    {"over-a", write_file, "/a", NULL, 100, 700, 'O', false, NULL},
    {"append-a", write_file, "/a", NULL, 3000, 2500, 'A', false, NULL},
    {"far-b", write_file, "/b", NULL, 40000, 300, 'F', false, NULL},
    {"big-da", write_file, "/d/a", NULL, 0, 14000, 'B', false, NULL},
    {"short-a", truncate_file, "/a", NULL, 0, 100, 0, false, is_truncated},
    {"long-b", truncate_file, "/b", NULL, 0, 9000, 0, false, is_truncated},
    {"unlink-a", unlink_path, "/a", NULL, 0, 0, 0, false, NULL},
    {"unlink-b", unlink_path, "/b", NULL, 0, 0, 0, false, NULL},
    {"unlink-da", unlink_path, "/d/a", NULL, 0, 0, 0, false, NULL},
    {"mkdir-b", make_dir, "/b", NULL, 0, 0, 0, false, NULL},
    {"mkdir-d", make_dir, "/d", NULL, 0, 0, 0, false, NULL},
    {"mkdir-da", make_dir, "/d/a", NULL, 0, 0, 0, false, NULL},
    {"rmdir-b", remove_dir, "/b", NULL, 0, 0, 0, false, NULL},
    {"rmdir-d", remove_dir, "/d", NULL, 0, 0, 0, false, NULL},
    {"a-to-b", rename_path, "/a", "/b", 0, 0, 0, false, NULL},
    {"b-to-a", rename_path, "/b", "/a", 0, 0, 0, false, NULL},
    {"a-to-da", rename_path, "/a", "/d/a", 0, 0, 0, false, NULL},
    {"da-to-b", rename_path, "/d/a", "/b", 0, 0, 0, false, NULL},
    {"d-to-b", rename_path, "/d", "/b", 0, 0, 0, false, NULL},
    {"b-to-d", rename_path, "/b", "/d", 0, 0, 0, false, NULL},
    {"b-to-da", rename_path, "/b", "/d/a", 0, 0, 0, false, NULL},
    {"a-with-b", rename_path, "/a", "/b", 0, 0, SWAP, false, NULL},
    {"a-with-da", rename_path, "/a", "/d/a", 0, 0, SWAP, false, NULL},
    {"b-with-d", rename_path, "/b", "/d", 0, 0, SWAP, false, NULL},
    {"a-to-new-b", rename_path, "/a", "/b", 0, 0, NEW, false, NULL},
    {"hold-a", hold, "/a", NULL, 0, 0, 0, false, NULL},
    {"write-held", write_held, NULL, NULL, 2000, 1500, 'H', false, NULL},
    {"sync", sync_all, NULL, NULL, 0, 0, 0, false, NULL},
    {"link-a-b", link_path, "/a", "/b", 0, 0, 0, true, NULL},
    {"link-da-b", link_path, "/d/a", "/b", 0, 0, 0, true, NULL},
    {"link-b-da", link_path, "/b", "/d/a", 0, 0, 0, true, NULL},
    {"symlink-a", symlink_path, "/a", LONG_TARGET, 0, 0, 0, true, NULL},
    {"symlink-b", symlink_path, "/b", "d/a", 0, 0, 0, true, NULL},
    {"fifo-b", make_fifo, "/b", NULL, 0, 0, 0, true, NULL},
    {"xattr-a", attribute_set, "/a", "user.color", 0, 3, 0, true, NULL},
    {"xattr-b", attribute_set, "/b", "user.large", 0, 500, 0, true, NULL},
    {"no-xattr-a", attribute_remove, "/a", "user.color", 0, 0, 0, true, NULL},
    {"punch-a", punch, "/a", NULL, 1000, 2500, 0, true, NULL},
    {"chmod-b", chmod_path, "/b", NULL, 0, 0, 0400, true, NULL},
};
/* clang-format on */
const size_t seq_op_count = COUNT_OF(seq_ops);

int seq_op_find(const char *name, size_t len)
{
    for (size_t i = 0; i < seq_op_count; i++)
        if (strlen(seq_ops[i].name) == len &&
            memcmp(seq_ops[i].name, name, len) == 0)
            return (int)i;
    return -1;
}

/* So that the root has more blocks than one, and an index. */
static int names_make(unsigned count)
{
    char path[150];
    int status = 0;

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    for (unsigned i = 0; i < count && status == 0; i++) {
        path[1] = (char)('A' + i);
        status = create(&(struct seq_op){.a = path}, OP_ALL);
    }
    return status;
}

int seq_base_make(unsigned more)
{
    static const char *const first[] = {"create-a", "append-a", "create-b",
                                        "long-b",   "mkdir-d",  "create-da"};

    for (size_t i = 0; i < COUNT_OF(first); i++) {
        const struct seq_op *op =
            &seq_ops[seq_op_find(first[i], strlen(first[i]))];
        int status = op->run(op, OP_ALL);

        if (status < 0)
            return status;
    }
    return names_make(more);
}

void seq_ops_end(void)
{
    if (held != NULL)
        file_close(held);
    held = NULL;
}

bool seq_is_held(void)
{
    return held != NULL;
}

/* ---- What there is ------------------------------------------------------- */

struct text {
    char *at;
    size_t left;
};

static void put(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= text->left)
        abort();
    text->at += len;
    text->left -= (size_t)len;
}

static uint64_t hash_of(const char *data, int64_t size)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (int64_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)data[i]) * 0x100000001b3;
    return hash;
}

static void content_put(struct text *text, struct file *file)
{
    int64_t got = file_read_at(file, buffer, sizeof(buffer), 0);

    put(text, " %ld %lx", (long)got, (unsigned long)hash_of(buffer, got));
}

static int by_name(const void *one, const void *two)
{
    return strcmp(one, two);
}

/* The names in a directory, sorted. */
static void names_put(struct text *text, struct file *dir)
{
    enum { NAMES = 32, NAME = 40 };
    static char names[NAMES][NAME];
    static struct dir_entry entry;
    size_t count = 0;
    int status;

    while ((status = dir_read(dir, &entry)) == 1 && count < NAMES)
        snprintf(names[count++], NAME, "%.20s:%u", entry.name,
                 (unsigned)entry.type);
    qsort(names, count, NAME, by_name);
    for (size_t i = 0; i < count; i++)
        put(text, " %s", names[i]);
    put(text, " %d", status);
}

static void opened_put(struct text *text, const char *path, bool is_dir)
{
    struct file *file;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status != 0) {
        put(text, " open %d", status);
        return;
    }
    if (is_dir)
        names_put(text, file);
    else
        content_put(text, file);
    file_close(file);
}

static void attributes_put(struct text *text, const char *path)
{
    static const char *const names[] = {"user.color", "user.large"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int64_t got =
            file_xattr_get(path, false, names[i], buffer, sizeof(buffer));

        put(text, " %ld", (long)got);
        if (got > 0)
            put(text, " %lx", (unsigned long)hash_of(buffer, got));
    }
}

static void path_put(struct text *text, const char *path, bool is_posix)
{
    struct file_stat stat;
    int status = file_stat(path, false, &stat);

    put(text, "%s %d", path, status);
    if (status == 0) {
        put(text, " type %u", (unsigned)stat.type);
        if (is_posix)
            put(text, " links %u mode %o", stat.links, stat.mode);
        if (stat.type == FILE_REGULAR)
            put(text, " size %lu", (unsigned long)stat.size_bytes);
        if (stat.type == FILE_REGULAR || stat.type == FILE_DIRECTORY)
            opened_put(text, path, stat.type == FILE_DIRECTORY);
        if (stat.type == FILE_SYMLINK) {
            int64_t got = file_read_link(path, buffer, sizeof(buffer));

            put(text, " to %ld %lx", (long)got,
                (unsigned long)hash_of(buffer, got));
        }
        if (is_posix)
            attributes_put(text, path);
    }
    put(text, "\n");
}

void seq_look(char text[LOOK_MAX], bool is_posix)
{
    static const char *const paths[] = {
        "/", "/a", "/b", "/d", "/d/a", "/d/a/a", "/b/a", "/b/a/a", "/a/a"};
    struct text to = {text, LOOK_MAX};

    for (size_t i = 0; i < COUNT_OF(paths); i++)
        path_put(&to, paths[i], is_posix);
    if (held != NULL) {
        put(&to, "held");
        content_put(&to, held);
        put(&to, "\n");
    }
}
