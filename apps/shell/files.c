/* Commands for files. */
#include "apps/shell/date.h"
#include "apps/shell/shell.h"
#include <torc/compiler.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    COPY_PIECE = 16 * 1024,
    HEX_LINE = 16,
    HEX_BYTES = 4096, /* that hexdump shows without a number */
};

/* ---- Paths --------------------------------------------------------------- */

/* Where a file goes that is given `to`: into it, where it is a directory.
 * Returns 0, -ENAMETOOLONG. */
static int target_of(const char *from, const char *to, char *out, size_t size)
{
    struct file_stat stat;
    const char *name = from;
    size_t len;

    if (str_copy(out, size, to) != 0)
        return -ENAMETOOLONG;
    if (file_stat(to, true, &stat) != 0 || stat.type != FILE_DIRECTORY)
        return 0;
    for (const char *at = from; *at != '\0'; at++) {
        if (*at == '/' && at[1] != '\0')
            name = at + 1;
    }
    len = strlen(out);
    if (str_copy(out + len, size - len, "/") != 0)
        return -ENAMETOOLONG;
    return str_copy(out + len + 1, size - len - 1, name);
}

/* ---- Directories --------------------------------------------------------- */

static const char types[] = {
    [FILE_UNKNOWN] = '?',   [FILE_REGULAR] = '-', [FILE_DIRECTORY] = 'd',
    [FILE_SYMLINK] = 'l',   [FILE_FIFO] = 'p',    [FILE_SOCKET] = 's',
    [FILE_CHARACTER] = 'c', [FILE_BLOCK] = 'b',
};

static void mode_text(char out[11], const struct file_stat *stat)
{
    static const char bits[] = "rwxrwxrwx";

    out[0] = types[stat->type];
    for (unsigned i = 0; i < 9; i++)
        out[i + 1] = (stat->mode >> (8 - i) & 1) != 0 ? bits[i] : '-';
    out[10] = '\0';
}

/* A line of ls -l; `path` leads to it, it is shown as `name`. */
static int list_long(struct shell *shell, const char *path, const char *name)
{
    struct file_stat stat;
    char mode[11], when[DATE_SIZE], shown[FILE_PATH_MAX / 8];
    int status = file_stat(path, false, &stat);

    if (status != 0)
        return shell_fail(shell, path, status);
    mode_text(mode, &stat);
    date_format(when, stat.mtime.s);
    (void)str_copy(shown, sizeof(shown), name);
    shell_tame(shown, strlen(shown));
    shell_print(shell, "%s %3u %4u %4u %10llu %s %s\n", mode, stat.links,
                stat.uid, stat.gid, (unsigned long long)stat.size_bytes, when,
                shown);
    return 0;
}

static int list_entry(struct shell *shell, const char *directory,
                      struct dir_entry *entry, bool is_long)
{
    char path[FILE_PATH_MAX / 8];
    size_t len = strlen(directory);

    if (str_equal(entry->name, ".") || str_equal(entry->name, ".."))
        return 0;
    if (!is_long) {
        shell_tame(entry->name, strlen(entry->name));
        shell_print(shell, "%s%s\n", entry->name,
                    entry->type == FILE_DIRECTORY ? "/" : "");
        return 0;
    }
    if (str_copy(path, sizeof(path) - 1, directory) != 0)
        return shell_fail(shell, entry->name, -ENAMETOOLONG);
    path[len] = '/';
    if (str_copy(path + len + 1, sizeof(path) - len - 1, entry->name) != 0)
        return shell_fail(shell, entry->name, -ENAMETOOLONG);
    return list_long(shell, path, entry->name);
}

static int list(struct shell *shell, const char *path, bool is_long)
{
    struct dir_entry entry;
    struct file *file;
    int got, status = 0;
    int error = file_open(path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &file);

    if (is_long && (error == -ENOTDIR || error == -ENOENT))
        return list_long(shell, path, path); /* a link may lead nowhere */
    if (error == -ENOTDIR) {
        shell_print(shell, "%s\n", path);
        return 0;
    }
    if (error != 0)
        return shell_fail(shell, path, error);
    while ((got = dir_read(file, &entry)) == 1 && !shell_stopped(shell)) {
        if (list_entry(shell, path, &entry, is_long) != 0)
            status = SHELL_SAID;
    }
    file_close(file);
    return got < 0 ? shell_fail(shell, path, got) : status;
}

static int ls(struct shell *shell, int argc, char **argv)
{
    bool is_long = argc > 1 && str_equal(argv[1], "-l");
    int first = is_long ? 2 : 1;
    int status = 0;

    if (argc == first)
        return list(shell, ".", is_long);
    for (int i = first; i < argc; i++) {
        if (argc > first + 1)
            shell_print(shell, "%s:\n", argv[i]);
        if (list(shell, argv[i], is_long) != 0)
            status = SHELL_SAID;
    }
    return status;
}

static int cd(struct shell *shell, int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/";
    int status = file_chdir(path);

    return status == 0 ? 0 : shell_fail(shell, path, status);
}

static int pwd(struct shell *shell, int argc, char **argv)
{
    char path[FILE_PATH_MAX / 8];
    int64_t len = file_getcwd(path, sizeof(path));

    (void)argc;
    (void)argv;
    if (len < 0)
        return (int)len;
    shell_write(shell, path, (size_t)len);
    shell_write(shell, "\n", 1);
    return 0;
}

/* Call fn() with each argument; all are tried. */
static int each(struct shell *shell, char **argv, int (*fn)(const char *path))
{
    int result = 0;

    for (int i = 1; argv[i] != NULL; i++) {
        int status = fn(argv[i]);

        if (status != 0)
            result = shell_fail(shell, argv[i], status);
    }
    return result;
}

static int make_directory(const char *path)
{
    return file_mkdir(path, 0755);
}

static int mkdir(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    return each(shell, argv, make_directory);
}

static int rmdir(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    return each(shell, argv, file_rmdir);
}

static int rm(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    return each(shell, argv, file_unlink);
}

static int touch_one(const char *path)
{
    const struct file_time now = {.ns = FILE_TIME_NOW};
    struct file *file;
    int status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);

    if (status == 0)
        file_close(file);
    else if (status != -EISDIR)
        return status;
    return file_set_times(path, true, now, now);
}

static int touch(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    return each(shell, argv, touch_one);
}

/* ---- Contents ------------------------------------------------------------ */

static bool is_same(const struct file_stat *a, const struct file_stat *b)
{
    return a->mount == b->mount && a->inode == b->inode;
}

/* Whether the output goes to that file: it would never end. */
static bool is_target(struct shell *shell, struct file *file)
{
    struct file_stat one, two;

    return shell->target != NULL && file_fstat(file, &one) == 0 &&
           file_fstat(shell->target, &two) == 0 && is_same(&one, &two);
}

/* Returns 0, -EINTR (Ctrl-C), or as file_read(). */
static int show(struct shell *shell, struct file *file, char *piece)
{
    int64_t got;

    while ((got = file_read(file, piece, COPY_PIECE)) > 0) {
        shell_write(shell, piece, (size_t)got);
        if (shell_stopped(shell))
            return -EINTR;
    }
    return (int)got;
}

static int cat_one(struct shell *shell, const char *path, char *piece)
{
    struct file *file;
    int status = file_open(path, FILE_READ, 0, &file);

    if (status == 0) {
        status = is_target(shell, file) ? -EDEADLK : show(shell, file, piece);
        file_close(file);
    }
    return status == 0 ? 0 : shell_fail(shell, path, status);
}

static int cat(struct shell *shell, int argc, char **argv)
{
    char *piece = mem_alloc(COPY_PIECE);
    int status = 0;

    if (piece == NULL)
        return -ENOMEM;
    for (int i = 1; i < argc && status == 0; i++)
        status = cat_one(shell, argv[i], piece);
    mem_free(piece);
    return status;
}

/* Returns 0, -EINTR, -ENOSPC, or as file_read(), then with *is_read, and
 * file_write(). */
static int copy(struct shell *shell, struct file *from, struct file *to,
                bool *is_read)
{
    char *piece = mem_alloc(COPY_PIECE);
    bool is_reading = piece != NULL;
    int64_t got = -ENOMEM;

    while (piece != NULL && (got = file_read(from, piece, COPY_PIECE)) > 0) {
        int64_t done = file_write(to, piece, (size_t)got);

        if (done != got)
            got = done < 0 ? done : -ENOSPC;
        else if (shell_stopped(shell))
            got = -EINTR;
        if (got < 0) {
            is_reading = false;
            break;
        }
    }
    *is_read = is_reading && got < 0;
    mem_free(piece);
    return (int)got;
}

/* Nothing of the target changes before all is known. Returns 0, SHELL_SAID. */
static int copy_to(struct shell *shell, const char *name, struct file *from,
                   const char *path)
{
    struct file_stat one, two;
    bool is_read = false;
    struct file *to;
    int status = file_fstat(from, &one);

    if (status == 0 && one.type == FILE_DIRECTORY)
        status = -EISDIR;
    if (status != 0)
        return shell_fail(shell, name, status);
    if (file_stat(path, true, &two) == 0 && is_same(&one, &two))
        return shell_say(shell, "%s: it would be copied onto itself\n", path);
    status =
        file_open(path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, 0644, &to);
    if (status == 0) {
        status = copy(shell, from, to, &is_read);
        file_close(to);
    }
    return status == 0 ? 0 : shell_fail(shell, is_read ? name : path, status);
}

static int cp(struct shell *shell, int argc, char **argv)
{
    char path[FILE_PATH_MAX / 8];
    struct file *from;
    int status = target_of(argv[1], argv[2], path, sizeof(path));

    (void)argc;
    if (status != 0)
        return shell_fail(shell, argv[2], status);
    status = file_open(argv[1], FILE_READ, 0, &from);
    if (status != 0)
        return shell_fail(shell, argv[1], status);
    status = copy_to(shell, argv[1], from, path);
    file_close(from);
    return status;
}

static int mv(struct shell *shell, int argc, char **argv)
{
    char path[FILE_PATH_MAX / 8];
    int status = target_of(argv[1], argv[2], path, sizeof(path));

    (void)argc;
    if (status == 0)
        status = file_rename(argv[1], path, 0);
    return status == 0 ? 0 : shell_fail(shell, argv[1], status);
}

/* ---- hexdump ------------------------------------------------------------- */

static void hex_line(struct shell *shell, uint64_t at, const uint8_t *bytes,
                     size_t count)
{
    char text[HEX_LINE + 1];

    shell_print(shell, "%08llx ", (unsigned long long)at);
    for (size_t i = 0; i < HEX_LINE; i++) {
        if (i < count)
            shell_print(shell, " %02x", bytes[i]);
        else
            shell_write(shell, "   ", 3);
    }
    for (size_t i = 0; i < count; i++)
        text[i] = bytes[i] >= ' ' && bytes[i] < 127 ? (char)bytes[i] : '.';
    text[count] = '\0';
    shell_print(shell, "  |%s|\n", text);
}

static int hexdump(struct shell *shell, int argc, char **argv)
{
    uint64_t left = HEX_BYTES, at = 0;
    uint8_t bytes[HEX_LINE];
    struct file *file;
    int64_t got = 0;
    int status;

    if ((argc > 2 && str_to_u64(argv[2], &at) != 0) ||
        (argc > 3 && str_to_u64(argv[3], &left) != 0))
        return -EINVAL;
    status = file_open(argv[1], FILE_READ, 0, &file);
    if (status != 0)
        return shell_fail(shell, argv[1], status);
    while (left > 0 && !shell_stopped(shell)) {
        got = file_read_at(file, bytes, left < HEX_LINE ? left : HEX_LINE, at);
        if (got <= 0)
            break;
        hex_line(shell, at, bytes, (size_t)got);
        at += (uint64_t)got;
        left -= (uint64_t)got;
    }
    file_close(file);
    return got < 0 ? shell_fail(shell, argv[1], (int)got) : 0;
}

const struct command file_commands[] = {
    {"ls", "[-l] [PATH...]", "what a directory has", 0, 31, ls},
    {"cd", "[DIRECTORY]", "go to a directory (/)", 0, 1, cd},
    {"pwd", "", "the directory we are in", 0, 0, pwd},
    {"cat", "FILE...", "show files", 1, 31, cat},
    {"cp", "FILE TO", "copy a file", 2, 2, cp},
    {"mv", "PATH TO", "rename, or move into a directory", 2, 2, mv},
    {"rm", "FILE...", "remove files", 1, 31, rm},
    {"mkdir", "DIRECTORY...", "make directories", 1, 31, mkdir},
    {"rmdir", "DIRECTORY...", "remove empty directories", 1, 31, rmdir},
    {"touch", "FILE...", "make files, or set their times to now", 1, 31, touch},
    {"hexdump", "FILE [FROM [BYTES]]", "show bytes (4096)", 1, 3, hexdump},
    {NULL, NULL, NULL, 0, 0, NULL},
};
