#include "tests/fakes/fat_exercise.h"
#include "kernel/file/vfs.h"
#include "tests/fakes/file_ops.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file.h>

enum { DEPTH_MAX = 4, ENTRIES_MAX = 150 };

static unsigned entries_left;

/* What a damaged or full volume may answer. */
static bool is_answer(int64_t status)
{
    static const int answers[] = {-EUCLEAN,   -ENOSPC, -EFBIG,   -ENOENT,
                                  -EEXIST,    -EINVAL, -ENOTDIR, -EISDIR,
                                  -ENOTEMPTY, -EROFS,  -EBUSY};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (status == answers[i])
            return true;
    }
    return status >= 0;
}

static void answered(int64_t status, const char *path)
{
    if (!is_answer(status))
        fprintf(stderr, "status %ld of %s\n", (long)status, path);
    file_must(is_answer(status), "an answer");
}

static void use_file(const char *path, const struct file_stat *stat,
                     bool change)
{
    static const uint8_t bytes[3000] = {1, 2, 3};
    struct file *file;
    int status =
        file_open(path, change ? FILE_READ | FILE_WRITE : FILE_READ, 0, &file);

    answered(status, path);
    if (status != 0)
        return;
    answered(file_read_twice(file, 0), path);
    answered(file_read_twice(file, stat->size_bytes / 2), path);
    if (change) {
        answered(
            file_write_at(file, bytes, sizeof(bytes), stat->size_bytes / 2),
            path);
        if (stat->size_bytes < 1 << 20)
            answered(file_write_at(file, bytes, sizeof(bytes),
                                   stat->size_bytes + 700),
                     path);
        answered(file_read_twice(file, stat->size_bytes / 2), path);
        answered(file_truncate(file, stat->size_bytes / 3), path);
        answered(file_sync(file), path);
    }
    file_close(file);
}

static void use_path(const char *path, unsigned depth, bool change);

/* What is listed is found, or damaged. */
static void use_directory(const char *path, unsigned depth, bool change)
{
    struct dir_entry *entry = malloc(sizeof(*entry));
    char *child = malloc(FILE_PATH_MAX);
    struct file *dir;
    int status = file_open(path[0] == '\0' ? "/" : path, FILE_READ, 0, &dir);

    bool is_open = status == 0;

    answered(status, path);
    while (is_open && entries_left > 0 &&
           (status = dir_read(dir, entry)) == 1) {
        entries_left--;
        file_must(entry->name[0] != '\0' && strchr(entry->name, '/') == NULL,
                  "a name");
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
            continue;
        snprintf(child, FILE_PATH_MAX, "%s/%s", path, entry->name);
        use_path(child, depth + 1, change);
    }
    answered(status, path);
    if (is_open)
        file_close(dir);
    free(child);
    free(entry);
}

static void use_path(const char *path, unsigned depth, bool change)
{
    struct file_stat stat;
    int status;

    if (depth > DEPTH_MAX)
        return;
    status = file_stat(path[0] == '\0' ? "/" : path, false, &stat);
    answered(status, path);
    if (!change)
        file_must(status == 0 || status == -EUCLEAN, "what is listed");
    if (status != 0)
        return;
    if (stat.type == FILE_DIRECTORY)
        use_directory(path, depth, change);
    else
        use_file(path, &stat, change);
}

/* Change names in a directory. */
static void change_names(const char *path)
{
    static const char *const calls[] = {"new", "a new one with a long name",
                                        "dir"};
    char a[300], b[300];

    for (size_t i = 0; i < 2; i++) {
        struct file *file;
        int status;

        snprintf(a, sizeof(a), "%s/%s", path, calls[i]);
        status = file_open(a, FILE_WRITE | FILE_CREATE, 0644, &file);
        answered(status, a);
        if (status != 0)
            continue;
        answered(file_write(file, a, sizeof(a)), a);
        file_close(file);
    }
    snprintf(b, sizeof(b), "%s/dir", path);
    answered(file_mkdir(b, 0755), b);
    snprintf(b, sizeof(b), "%s/dir/moved", path);
    answered(file_rename(a, b, 0), b);
    snprintf(a, sizeof(a), "%s/new", path);
    answered(file_rename(a, b, FILE_RENAME_EXCHANGE), b);
    answered(file_rename(a, b, 0), b);
}

/* Remove what a directory lists. */
static void remove_all(const char *path, unsigned depth)
{
    struct dir_entry *entry = malloc(sizeof(*entry));
    char *child = malloc(FILE_PATH_MAX);
    struct file *dir;
    int status = file_open(path[0] == '\0' ? "/" : path, FILE_READ, 0, &dir);
    bool is_open = status == 0;

    while (is_open && entries_left > 0 && dir_read(dir, entry) == 1) {
        entries_left--;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
            continue;
        snprintf(child, FILE_PATH_MAX, "%s/%s", path, entry->name);
        if (entry->type == FILE_DIRECTORY && depth < DEPTH_MAX)
            remove_all(child, depth + 1);
        answered(entry->type == FILE_DIRECTORY ? file_rmdir(child)
                                               : file_unlink(child),
                 child);
    }
    if (is_open)
        file_close(dir);
    free(child);
    free(entry);
}

void fat_exercise(void)
{
    struct file_fs_stat stat;

    entries_left = ENTRIES_MAX;
    use_path("", 0, false);
    vfs_check();
    answered(file_stat_fs("/", &stat), "statfs");
    entries_left = ENTRIES_MAX;
    use_path("", 0, true);
    vfs_check();
    change_names("");
    change_names("/t");
    change_names("/t/a");
    vfs_check();
    entries_left = ENTRIES_MAX;
    remove_all("", 0);
    vfs_check();
}
