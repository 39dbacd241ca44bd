#include "tests/fakes/ext2_image.h"
#include "kernel/lib/bytes.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <torc/file.h>
#include <unistd.h>

static char full_tree[] = "/tmp/torc_tree_XXXXXX";
static char small_tree[] = "/tmp/torc_small_XXXXXX";
static char fuzz_tree[] = "/tmp/torc_fuzz_XXXXXX";

static void shell(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...)
{
    char command[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        abort();
    }
}

static void remove_trees(void)
{
    if (strstr(full_tree, "XXXXXX") == NULL)
        shell("rm -rf %s", full_tree);
    if (strstr(small_tree, "XXXXXX") == NULL)
        shell("rm -rf %s", small_tree);
    if (strstr(fuzz_tree, "XXXXXX") == NULL)
        shell("rm -rf %s", fuzz_tree);
}

static void put(const char *dir, const char *name, size_t size)
{
    char path[400];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    for (size_t i = 0; i < size; i++)
        fputc((int)(i * 31 + i / 251 + size), file);
    fclose(file);
}

/* Data at `offset`, holes elsewhere. */
static void put_at(const char *dir, const char *name, off_t offset)
{
    char path[400];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (pwrite(fd, "here", 4, offset) != 4)
        abort();
    close(fd);
}

static void put_link(const char *dir, const char *name, size_t len)
{
    char path[400], target[2000];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    for (size_t i = 0; i < len; i++)
        target[i] = i % 50 == 49 ? '/' : (char)('a' + i % 26);
    target[len] = '\0';
    if (symlink(target, path) != 0)
        abort();
}

static void fill_full(const char *dir)
{
    static const unsigned sizes[] = {0,      1,      511,     1023,   1024,
                                     1025,   4095,   4096,    4097,   12287,
                                     12288,  12289,  49152,   49153,  274432,
                                     274433, 300000, 4243456, 4243457};
    static const unsigned links[] = {1, 58, 59, 60, 61, 200, 1000};
    char name[300];

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(name, sizeof(name), "size-%u", sizes[i]);
        put(dir, name, sizes[i]);
    }
    put_at(dir, "hole", 5000);
    put_at(dir, "hole-double", 300000);
    put_at(dir, "hole-triple", (off_t)68 << 20);
    put_at(dir, "hole-triple-far", (off_t)1 << 30);
    for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        snprintf(name, sizeof(name), "link-%u", links[i]);
        put_link(dir, name, links[i]);
    }
    memset(name, 'n', 255);
    name[255] = '\0';
    put(dir, name, 10);
    shell("cd %s && mkdir -p a/b/c/d many && echo deep >a/b/c/d/file && "
          "ln -s a/b rel && ln -s /a/b/c abs && ln -s ../../size-1 a/b/up && "
          "chmod 640 size-1 && chmod 1777 many && touch -d @86400 size-511 && "
          "touch -d 1960-01-01T00:00:00Z size-1023 && mkfifo fifo && "
          "for i in $(seq 1200); do echo $i >many/entry-number-$i; done",
          dir);
}

const char *ext2_tree(void)
{
    if (strstr(full_tree, "XXXXXX") != NULL) {
        if (mkdtemp(full_tree) == NULL)
            abort();
        atexit(remove_trees);
        fill_full(full_tree);
    }
    return full_tree;
}

const char *ext2_small_tree(void)
{
    if (strstr(small_tree, "XXXXXX") != NULL) {
        if (mkdtemp(small_tree) == NULL)
            abort();
        atexit(remove_trees);
        put(small_tree, "file", 20000);
        put(small_tree, "double", 300000);
        put_link(small_tree, "fast", 20);
        put_link(small_tree, "slow", 100);
        shell("cd %s && mkdir -p dir/sub && echo x >dir/sub/x && "
              "ln -s dir/sub/x good && for i in $(seq 40); do "
              "echo $i >dir/e$i; done",
              small_tree);
    }
    return small_tree;
}

const char *ext2_fuzz_tree(void)
{
    if (strstr(fuzz_tree, "XXXXXX") != NULL) {
        if (mkdtemp(fuzz_tree) == NULL)
            abort();
        atexit(remove_trees);
        put(fuzz_tree, "file", 14000);
        put_at(fuzz_tree, "hole", 5000);
        put_at(fuzz_tree, "hole-single", 100000);
        put_at(fuzz_tree, "hole-double", 300000);
        put_at(fuzz_tree, "hole-triple", (off_t)68 << 20);
        put_link(fuzz_tree, "fast", 20);
        put_link(fuzz_tree, "slow", 100);
        shell("cd %s && mkdir -p dir/sub/deep && echo x >dir/sub/x && "
              "ln -s dir/sub/x to-file && ln -s dir to-dir && ln -s /dir/sub "
              "absolute && ln -s ../file dir/up && ln -s loop2 loop1 && "
              "ln -s loop1 loop2 && ln -s . here && mkfifo fifo && "
              "for i in $(seq 30); do echo $i >dir/entry-$i; ln dir/entry-$i "
              "dir/the-same-by-a-longer-name-$i; done",
              fuzz_tree);
    }
    return fuzz_tree;
}

static uint8_t *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "r");
    uint8_t *data;
    struct stat st;

    if (file == NULL || fstat(fileno(file), &st) != 0)
        abort();
    data = malloc((size_t)st.st_size);
    if (fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
        abort();
    fclose(file);
    *size = (size_t)st.st_size;
    return data;
}

static void store(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fwrite(data, 1, size, file) != size)
        abort();
    fclose(file);
}

uint8_t *ext2_image(const char *options, const char *dir, unsigned kib,
                    size_t *size)
{
    char path[] = "/tmp/torc_image_XXXXXX";
    uint8_t *image;

    close(mkstemp(path));
    shell("PATH=$PATH:/sbin:/usr/sbin; E2FSPROGS_FAKE_TIME=1 mke2fs -q -F %s "
          "-U 11111111-1111-1111-1111-111111111111 -E "
          "hash_seed=11111111-1111-1111-1111-111111111111 %s -d %s %s %uk "
          ">/dev/null 2>&1",
          strstr(options, "-t ") == NULL ? "-t ext2" : "", options, dir, path,
          kib);
    image = load(path, size);
    unlink(path);
    return image;
}

/* Let a tool change an image: `command` has it in the file $image. */
static void change(uint8_t *image, size_t size, const char *command)
{
    char path[] = "/tmp/torc_image_XXXXXX";
    uint8_t *changed;
    size_t got;

    close(mkstemp(path));
    store(path, image, size);
    shell("PATH=$PATH:/sbin:/usr/sbin; image=%s; %s", path, command);
    changed = load(path, &got);
    memcpy(image, changed, size);
    free(changed);
    unlink(path);
}

void ext2_debugfs(uint8_t *image, size_t size, const char *command)
{
    char tool[4096];

    snprintf(tool, sizeof(tool), "debugfs -w -R '%s' $image >/dev/null 2>&1",
             command);
    change(image, size, tool);
}

void ext2_journal(uint8_t *image, size_t size, const char *script,
                  const uint8_t *bytes, size_t count)
{
    char dir[] = "/tmp/torc_journal_XXXXXX";
    char path[100], commands[400], tool[200];

    if (mkdtemp(dir) == NULL)
        abort();
    snprintf(path, sizeof(path), "%s/bytes", dir);
    store(path, bytes, count);
    snprintf(commands, sizeof(commands), script, path, path);
    snprintf(path, sizeof(path), "%s/script", dir);
    store(path, (const uint8_t *)commands, strlen(commands));
    snprintf(tool, sizeof(tool), "debugfs -w -f %s $image >/dev/null 2>&1",
             path);
    change(image, size, tool);
    shell("rm -r %s", dir);
}

void ext2_fsck(uint8_t *image, size_t size, const char *options)
{
    char tool[4096];

    /* 1: what was wrong is right. */
    snprintf(tool, sizeof(tool),
             "E2FSPROGS_FAKE_TIME=1 e2fsck %s $image >/dev/null 2>&1; "
             "[ $? -le 1 ]",
             options);
    change(image, size, tool);
}

int ext2_fsck_status(const uint8_t *image, size_t size, const char *options,
                     int fine)
{
    char path[] = "/tmp/torc_image_XXXXXX";
    char command[600], line[400];
    int status;

    close(mkstemp(path));
    store(path, image, size);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; exec e2fsck %s %s >%s.log 2>&1",
             options, path, path);
    status = system(command);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
    snprintf(line, sizeof(line), "cat %s.log >&2", path);
    if (status > fine)
        (void)!system(line);
    snprintf(line, sizeof(line), "%s.log", path);
    unlink(line);
    unlink(path);
    return status;
}

uint32_t ext2_find_path(const uint8_t *image, size_t size, const char *path)
{
    char file[] = "/tmp/torc_image_XXXXXX";
    char command[600];
    unsigned number = 0;
    FILE *pipe;

    close(mkstemp(file));
    store(file, image, size);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; debugfs -R 'stat %s' %s 2>/dev/null",
             path, file);
    pipe = popen(command, "r");
    if (pipe == NULL)
        abort();
    (void)!fscanf(pipe, "Inode: %u", &number);
    /* Read to the end: debugfs would die of a closed pipe. */
    while (fgets(command, sizeof(command), pipe) != NULL)
        continue;
    pclose(pipe);
    unlink(file);
    return number;
}

uint32_t ext2_inode_of_path(const uint8_t *image, size_t size, const char *path)
{
    uint32_t number = ext2_find_path(image, size, path);

    if (number == 0)
        abort();
    return number;
}

size_t ext2_inode_offset(const uint8_t *image, uint32_t number)
{
    const uint8_t *super = image + 1024;
    size_t block = (size_t)1024 << le32_get(super + 24);
    uint32_t per_group = le32_get(super + 40);
    uint32_t group = (number - 1) / per_group;
    uint32_t inode_size = le32_get(super + 76) ? le16_get(super + 88) : 128;
    size_t desc = (le32_get(super + 20) + 1) * block + 32 * (size_t)group;

    return le32_get(image + desc + 8) * block +
           (size_t)((number - 1) % per_group) * inode_size;
}

/* ---- Walking ------------------------------------------------------------- */

enum { WALK_ENTRIES_MAX = 4000, WALK_DEPTH_MAX = 8, WALK_BYTES_MAX = 1 << 22 };

static void walk_error(struct ext2_walk *walk, int error)
{
    if (error >= 0)
        return;
    if (walk->errors++ == 0)
        walk->first_error = error;
}

static void walk_file(struct ext2_walk *walk, struct file *file)
{
    static char buf[65536];
    uint64_t done = 0;
    int64_t got;

    while (done < WALK_BYTES_MAX &&
           (got = file_read(file, buf, sizeof(buf))) != 0) {
        walk_error(walk, got < 0 ? (int)got : 0);
        if (got < 0)
            return;
        done += (uint64_t)got;
    }
    walk->bytes += done;
}

static void walk_path(struct ext2_walk *walk, const char *path, unsigned depth)
{
    struct dir_entry *entry = malloc(sizeof(*entry));
    struct file_stat stat;
    struct file *file;
    char *child = malloc(FILE_PATH_MAX);
    char link[100];
    int status = file_stat(path, false, &stat);

    walk_error(walk, status);
    if (status == 0 && stat.type == FILE_SYMLINK)
        walk_error(walk, (int)file_read_link(path, link, sizeof(link)));
    /* A link may lead nowhere: that is no damage. */
    if (status == 0 && stat.type != FILE_SYMLINK) {
        status = file_open(path, FILE_READ, 0, &file);
        walk_error(walk, status);
    } else {
        status = -1;
    }
    if (status == 0 && stat.type == FILE_REGULAR)
        walk_file(walk, file);
    while (status == 0 && stat.type == FILE_DIRECTORY &&
           walk->entries < WALK_ENTRIES_MAX) {
        int got = dir_read(file, entry);

        walk_error(walk, got);
        if (got <= 0)
            break;
        walk->entries++;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0 ||
            depth == WALK_DEPTH_MAX)
            continue;
        if ((size_t)snprintf(child, FILE_PATH_MAX, "%s/%s", path, entry->name) <
            FILE_PATH_MAX)
            walk_path(walk, child, depth + 1);
    }
    if (status == 0)
        file_close(file);
    free(child);
    free(entry);
}

void ext2_walk_all(struct ext2_walk *walk)
{
    *walk = (struct ext2_walk){.entries = 0};
    walk_path(walk, "/", 0);
}
