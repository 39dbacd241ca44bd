#include "apps/fileserver/store.h"
#include "apps/site/responder.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/string.h>

#define STAGING "PUT.TMP"
enum {
    STAGING_LEN = sizeof(STAGING) - 1,
    STAGED_SIZE = RESPONDER_DIR_MAX + STAGING_LEN + 20,
    MODE_FILE = 0644,
    MODE_DIRECTORY = 0755,
};

/* Owner: the CPU of the site. */
static struct store {
    const char *dir;
    bool syncs;
    uint64_t next;                 /* number of the next file */
    char path[RESPONDER_PATH_MAX]; /* of the file of a call */
    char staged[STAGED_SIZE];      /* of the file without a name */
    struct dir_entry entry;
} store;

/* ---- Paths --------------------------------------------------------------- */

static const char *full_path(const char *path)
{
    size_t len =
        fmt_print(store.path, sizeof(store.path), "%s%s", store.dir, path);

    assert(len < sizeof(store.path));
    return store.path;
}

/* The directory that full_path() is in. */
static const char *parent_of(const char *path)
{
    size_t len = strlen(full_path(path));

    while (len > 1 && store.path[len - 1] != '/')
        len--;
    while (len > 1 && store.path[len - 1] == '/')
        len--;
    store.path[len] = '\0';
    return store.path;
}

static const char *staging_path(void)
{
    fmt_print(store.staged, sizeof(store.staged), "%s/" STAGING, store.dir);
    return store.staged;
}

static const char *staged_path(const struct store_file *file)
{
    fmt_print(store.staged, sizeof(store.staged), "%s/" STAGING "/%llx",
              store.dir, (unsigned long long)file->number);
    return store.staged;
}

/* FAT drops dots and blanks at the end of a name. */
bool store_hides(const char *path)
{
    const char *end;

    if (path[0] != '/' || str_len(path + 1, STAGING_LEN) < STAGING_LEN ||
        !str_equal_nocase(path + 1, STAGING, STAGING_LEN))
        return false;
    end = path + 1 + STAGING_LEN;
    while (*end == '.' || *end == ' ')
        end++;
    return *end == '\0' || *end == '/';
}

/* ---- The disk ------------------------------------------------------------ */

/* Let the names of a directory be on the disk. */
static int sync_directory(const char *path)
{
    struct file *dir;
    int status;

    if (!store.syncs)
        return 0;
    status = file_open(path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);
    if (status != 0)
        return status;
    status = file_sync(dir);
    file_close(dir);
    return status;
}

/* Remove one of the files that are left: 1, 0 (none is), or an error. */
static int remove_one(void)
{
    struct file *dir;
    int status =
        file_open(staging_path(), FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);

    if (status != 0)
        return status;
    do
        status = dir_read(dir, &store.entry);
    while (status == 1 && (str_equal(store.entry.name, ".") ||
                           str_equal(store.entry.name, "..")));
    file_close(dir);
    if (status != 1)
        return status;
    fmt_print(store.path, sizeof(store.path), "%s/%s", staging_path(),
              store.entry.name);
    status = file_unlink(store.path);
    return status != 0 ? status : 1;
}

int store_start(const char *dir, bool syncs)
{
    unsigned removed = 0;
    int status;

    store.dir = dir;
    store.syncs = syncs;
    store.next = 1;
    while ((status = remove_one()) == 1)
        removed++;
    if (removed > 0)
        log_info("uploads that never ended, removed: %u", removed);
    /* Without the directory there was nothing; what cannot be written is only
     * read. */
    return status == -ENOENT || status == -EROFS ? 0 : status;
}

int store_stat(const char *path, struct file_stat *stat)
{
    return file_stat(full_path(path), true, stat);
}

int store_find_parent(const char *path)
{
    struct file_stat stat;
    int status = file_stat(parent_of(path), true, &stat);

    if (status == 0 && stat.type != FILE_DIRECTORY)
        status = -ENOTDIR;
    return status;
}

int store_make_parents(const char *path)
{
    size_t begin = strlen(store.dir);
    char *at;

    full_path(path);
    for (at = store.path + begin + 1; *at != '\0'; at++) {
        int status;

        if (*at != '/')
            continue;
        *at = '\0';
        status = file_mkdir(store.path, MODE_DIRECTORY);
        *at = '/';
        if (status != 0 && status != -EEXIST)
            return status;
    }
    return 0;
}

/* ---- Files --------------------------------------------------------------- */

int store_begin(struct store_file *out)
{
    const unsigned flags = FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE;
    int status;

    out->number = store.next++;
    status = file_open(staged_path(out), flags, MODE_FILE, &out->file);
    if (status != -ENOENT)
        return status;
    status = file_mkdir(staging_path(), MODE_DIRECTORY);
    if (status != 0)
        return status;
    return file_open(staged_path(out), flags, MODE_FILE, &out->file);
}

int store_write(struct store_file *file, const char *data, size_t size)
{
    while (size > 0) {
        int64_t written = file_write(file->file, data, size);

        if (written <= 0)
            return written < 0 ? (int)written : -EIO;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static void unlink_staged(const struct store_file *file)
{
    int status = file_unlink(staged_path(file));

    if (status != 0)
        log_error("%s: cannot be removed: error %d", store.staged, status);
}

int store_commit(struct store_file *file, const char *path)
{
    int status = store.syncs ? file_sync(file->file) : 0;

    file_close(file->file);
    if (status == 0)
        status = file_rename(staged_path(file), full_path(path), 0);
    if (status != 0) {
        unlink_staged(file);
        return status;
    }
    status = sync_directory(parent_of(path));
    return status != 0 ? status : sync_directory(staging_path());
}

void store_abandon(struct store_file *file)
{
    file_close(file->file);
    unlink_staged(file);
}

int store_remove(const char *path, bool is_directory)
{
    int status;

    full_path(path);
    status = is_directory ? file_rmdir(store.path) : file_unlink(store.path);
    return status != 0 ? status : sync_directory(parent_of(path));
}
