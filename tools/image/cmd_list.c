/* Commands that list names. */
#include "tools/image/host/io.h"
#include "tools/image/img.h"
#include <torc/format.h>
#include <torc/memory.h>
#include <torc/string.h>

/* Where a link leads to, after its name. */
static void target_print(const char *path)
{
    char *target = mem_alloc(FILE_PATH_MAX);
    int64_t len = -ENOMEM;

    if (target != NULL)
        len = file_read_link(path, target, FILE_PATH_MAX);
    if (len >= 0)
        print(" -> %.*s", (int)len, target);
    mem_free(target);
}

static void line_print(const char *path, const char *name,
                       const struct file_stat *stat)
{
    char mode[10], time[IO_TIME_MAX];

    mode_text(stat->mode, mode);
    io_time(stat->mtime.s, time);
    print("%c%s %3u %5u %5u %10llu %s %s", type_letter(stat->type), mode,
          stat->links, stat->uid, stat->gid,
          (unsigned long long)stat->size_bytes, time, name);
    if (stat->type == FILE_SYMLINK)
        target_print(path);
    print("\n");
}

/* An entry of a directory, whose path is `at` bytes long. */
static int entry_print(char *path, size_t at, const char *name, bool is_long)
{
    struct file_stat stat;
    int status;

    if (!is_long) {
        print("%s\n", name);
        return 0;
    }
    if (at == 0 || path[at - 1] != '/')
        path[at++] = '/';
    status = str_copy(path + at, FILE_PATH_MAX - at, name);
    if (status == 0)
        status = file_stat(path, false, &stat);
    if (status == 0)
        line_print(path, name, &stat);
    return status;
}

static int dir_list(char *path, bool is_long)
{
    struct dir_entry entry;
    struct file *dir;
    size_t len = strlen(path);
    int status = file_open(path, FILE_READ | FILE_DIRECTORY_ONLY, 0, &dir);

    if (status != 0)
        return status;
    while ((status = dir_read(dir, &entry)) == 1) {
        if (entry.name[0] == '.' && entry.name[1 + (entry.name[1] == '.')] == 0)
            continue; /* "." and ".." */
        status = entry_print(path, len, entry.name, is_long);
        if (status != 0)
            break;
    }
    file_close(dir);
    return status;
}

static int path_list(char *path, bool is_long)
{
    struct file_stat stat;
    int status = file_stat(path, false, &stat);

    if (status != 0)
        return status;
    if (stat.type == FILE_DIRECTORY)
        return dir_list(path, is_long);
    if (is_long)
        line_print(path, path, &stat);
    else
        print("%s\n", path);
    return 0;
}

int img_ls(const struct image_command *command)
{
    static char path[FILE_PATH_MAX];
    static char root[] = "/";
    char *words[] = {root};
    char **word = command->count > 0 ? command->words : words;
    int failed = 0;

    for (int i = 0; i < (command->count > 0 ? command->count : 1); i++) {
        int status = path_of(word[i], path);

        if (command->count > 1)
            print("%s:\n", word[i]);
        if (status == 0)
            status = path_list(path, command->is_long);
        if (status != 0)
            io_complain(word[i], status);
        if (status != 0)
            failed = status;
    }
    return failed;
}

/* ---- tree ---------------------------------------------------------------- */

struct drawing {
    bool is_last[TREE_DEPTH]; /* of the directories on the way */
    unsigned directories, files;
};

static int entry_draw(const struct tree_entry *entry, void *arg)
{
    struct drawing *drawing = arg;
    bool is_dir = entry->stat.type == FILE_DIRECTORY;

    drawing->is_last[entry->depth] = entry->is_last;
    for (unsigned i = 0; i < entry->depth; i++)
        print("%s", drawing->is_last[i] ? "    " : "│   ");
    print("%s%s", entry->is_last ? "└── " : "├── ", entry->name);
    if (entry->stat.type == FILE_SYMLINK)
        target_print(entry->path);
    print("%s\n", is_dir ? "/" : "");
    drawing->directories += is_dir;
    drawing->files += !is_dir;
    return 0;
}

int img_tree(const struct image_command *command)
{
    static char path[FILE_PATH_MAX];
    static struct drawing drawing;
    const char *word = command->count > 0 ? command->words[0] : "/";
    int status = path_of(word, path);

    print("%s\n", word);
    if (status == 0)
        status = tree_walk(path, entry_draw, &drawing);
    if (status != 0)
        io_complain(word, status);
    print("\n%u directories, %u files\n", drawing.directories, drawing.files);
    return status;
}
