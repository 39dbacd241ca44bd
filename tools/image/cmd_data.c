/* Commands that read and change what is in an image. */
#include "tools/image/host/io.h"
#include "tools/image/img.h"
#include <torc/memory.h>
#include <torc/string.h>

enum { CHUNK = 256 * 1024 };

/* Of the one command. */
static char path[FILE_PATH_MAX];

/* Let fn() do something to each path of the command. */
static int for_each(const struct image_command *command,
                    int (*fn)(const struct image_command *command))
{
    int failed = 0;

    for (int i = 0; i < command->count; i++) {
        int status = path_of(command->words[i], path);

        if (status == 0)
            status = fn(command);
        if (status != 0)
            io_complain(command->words[i], status);
        if (status != 0)
            failed = status;
    }
    return failed;
}

/* ---- cat ----------------------------------------------------------------- */

static int cat_file(struct file *file, char *chunk)
{
    int64_t got;

    while ((got = file_read(file, chunk, CHUNK)) > 0) {
        int status = io_write(chunk, (size_t)got);

        if (status != 0)
            return status;
    }
    return (int)got;
}

static int cat(const struct image_command *command)
{
    char *chunk = mem_alloc(CHUNK);
    struct file *file;
    int status = -ENOMEM;

    (void)command;
    if (chunk != NULL)
        status = file_open(path, FILE_READ, 0, &file);
    if (status == 0) {
        status = cat_file(file, chunk);
        file_close(file);
    }
    mem_free(chunk);
    return status;
}

int img_cat(const struct image_command *command)
{
    return for_each(command, cat);
}

/* ---- put ----------------------------------------------------------------- */

static int write_all(struct file *file, const char *data, size_t size)
{
    while (size > 0) {
        int64_t done = file_write(file, data, size);

        if (done < 0)
            return (int)done;
        data += done;
        size -= (size_t)done;
    }
    return 0;
}

static int fill(struct file *file, char *chunk)
{
    int64_t got;

    while ((got = io_read(chunk, CHUNK)) > 0) {
        int status = write_all(file, chunk, (size_t)got);

        if (status != 0)
            return status;
    }
    return got < 0 ? (int)got : file_sync(file);
}

/* Into a directory it goes under its own name. */
static int place_find(const char *source)
{
    struct file_stat stat;
    size_t len = strlen(path);
    const char *name = source;

    if (file_stat(path, true, &stat) != 0 || stat.type != FILE_DIRECTORY)
        return 0;
    for (const char *at = source; *at != '\0'; at++) {
        if (*at == '/')
            name = at + 1;
    }
    if (path[len - 1] != '/')
        path[len++] = '/';
    return str_copy(path + len, FILE_PATH_MAX - len, name);
}

/* What could not be copied as a whole is not there. */
static int put(uint32_t mode, char *chunk)
{
    struct file *file;
    int status = file_open(
        path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE | FILE_NOFOLLOW, mode,
        &file);

    if (status != 0)
        return status;
    status = fill(file, chunk);
    file_close(file);
    if (status != 0)
        (void)!file_unlink(path);
    return status;
}

int img_put(const struct image_command *command)
{
    char *chunk;
    uint32_t mode;
    int status = io_open(command->words[0], &mode);

    if (status != 0)
        return status;
    chunk = mem_alloc(CHUNK);
    status = chunk == NULL ? -ENOMEM : path_of(command->words[1], path);
    if (status == 0)
        status = place_find(command->words[0]);
    if (status == 0)
        status = put(mode, chunk);
    if (status != 0)
        io_complain(command->words[1], status);
    mem_free(chunk);
    return status;
}

/* ---- mkdir, rm ----------------------------------------------------------- */

static int make(const struct image_command *command)
{
    (void)command;
    return file_mkdir(path, 0755);
}

int img_mkdir(const struct image_command *command)
{
    return for_each(command, make);
}

/* Put the first entry of a directory behind its path. Returns 1; 0: it has
 * none. */
static int first_entry(size_t len)
{
    struct dir_entry entry;
    struct file *dir;
    int status = file_open(path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);

    if (status != 0)
        return status;
    do
        status = dir_read(dir, &entry);
    while (status == 1 &&
           (str_equal(entry.name, ".") || str_equal(entry.name, "..")));
    file_close(dir);
    if (status != 1)
        return status;
    path[len] = '/';
    return str_copy(path + len + 1, FILE_PATH_MAX - len - 1, entry.name) == 0
               ? 1
               : -ENAMETOOLONG;
}

/* Remove a directory and all below it: from the path's deepest one upwards. */
static int remove_tree(size_t top)
{
    for (;;) {
        size_t len = strlen(path);
        struct file_stat stat;
        int status = file_stat(path, false, &stat);

        if (status == 0 && stat.type == FILE_DIRECTORY) {
            status = first_entry(len);
            if (status == 1)
                continue;
            if (status == 0)
                status = file_rmdir(path);
        } else if (status == 0) {
            status = file_unlink(path);
        }
        if (status != 0 || len == top)
            return status;
        while (path[len] != '/')
            len--;
        path[len] = '\0';
    }
}

static int rm(const struct image_command *command)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    if (len == 1)
        return -EBUSY; /* the root */
    return command->recursive ? remove_tree(len) : file_unlink(path);
}

int img_rm(const struct image_command *command)
{
    return for_each(command, rm);
}
