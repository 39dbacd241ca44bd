#include "tests/fakes/make_world.h"
#include "kernel/file/vfs.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The host ------------------------------------------------------------ */

static bool fails(unsigned *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

static int write_disk(void *context, uint64_t offset, const void *data,
                      size_t size)
{
    struct make_world *world = context;

    if (fails(&world->fail_write))
        return -EIO;
    assert_true(offset <= world->size && size <= world->size - offset);
    memcpy(world->disk + offset, data, size);
    return 0;
}

/* What a file holds begins somewhere in a ring of bytes. */
enum { RING = 8191 };

static const uint8_t *ring(void)
{
    static uint8_t bytes[RING];
    uint32_t mixed = 1;

    for (unsigned i = 0; i < RING && bytes[RING - 1] == 0; i++) {
        mixed = mixed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(mixed >> 24) | 1;
    }
    return bytes;
}

/* What a file has from `at` on. */
static void content(const struct make_file *file, uint64_t at, uint8_t *to,
                    size_t size)
{
    while (size > 0) {
        uint64_t begin = (at + file->size_bytes * 13) % RING;
        size_t part = RING - begin;

        if (part > size)
            part = size;
        if (at < file->rdev && part > file->rdev - at)
            part = file->rdev - at;
        if (at < file->rdev)
            memset(to, 0, part);
        else
            memcpy(to, ring() + begin, part);
        to += part;
        at += part;
        size -= part;
    }
}

static int read_file(void *context, const struct make_file *file,
                     uint64_t offset, void *to, size_t size)
{
    struct make_world *world = context;

    if (fails(&world->fail_read))
        return -EIO;
    assert_true(offset + size <= file->size_bytes);
    content(file, offset, to, size);
    return 0;
}

static uint64_t hole(void *context, const struct make_file *file,
                     uint64_t offset)
{
    (void)context;
    return offset < file->rdev ? file->rdev - offset : 0;
}

static void *take(void *context, size_t size)
{
    struct make_world *world = context;
    void *memory;

    if (fails(&world->fail_alloc))
        return NULL;
    memory = malloc(size);
    assert_non_null(memory);
    memset(memory, 0xa5, size);
    world->allocated += size;
    return memory;
}

static void give_back(void *context, void *memory, size_t size)
{
    ((struct make_world *)context)->allocated -= size;
    free(memory);
}

/* ---- The tree ------------------------------------------------------------ */

static void *zeros(size_t size)
{
    void *memory = calloc(1, size);

    assert_non_null(memory);
    return memory;
}

void make_world_begin(struct make_world *world)
{
    *world = (struct make_world){.root = zeros(sizeof(*world->root))};
    world->root->type = FILE_DIRECTORY;
    world->root->mode = 0755;
    world->host = (struct make_host){.context = world,
                                     .write = write_disk,
                                     .read = read_file,
                                     .hole = hole,
                                     .alloc = take,
                                     .release = give_back};
}

void make_world_end(struct make_world *world)
{
    assert_int_equal(world->allocated, 0);
    for (struct make_file *at = world->root; at != NULL;) {
        struct make_file *next = at->next;

        for (uint32_t i = 0; i < at->name_count; i++)
            free((void *)at->names[i].text);
        free((void *)at->names);
        free((void *)at->target);
        free(at);
        at = next;
    }
    free(world->disk);
}

void make_world_disk(struct make_world *world, size_t size)
{
    free(world->disk);
    world->disk = zeros(size);
    world->size = size;
}

void make_world_name(struct make_file *dir, const char *name,
                     struct make_file *file)
{
    struct make_name *names = (struct make_name *)dir->names;
    const uint32_t count = dir->name_count;

    if ((count & (count - 1)) == 0) /* there is room for a power of two */
        names = realloc(names, (2 * (size_t)count + 1) * sizeof(*names));
    assert_non_null(names);
    names[count] =
        (struct make_name){strdup(name), (uint32_t)strlen(name), file};
    dir->names = names;
    dir->name_count++;
}

struct make_file *make_world_add(struct make_world *world,
                                 struct make_file *dir, const char *name,
                                 enum file_type type)
{
    struct make_file *file = zeros(sizeof(*file));

    (void)world;
    file->type = type;
    file->mode = type == FILE_DIRECTORY ? 0750 : 0640;
    file->uid = 1000;
    file->gid = 100000;
    file->time = (struct file_time){1700000000, 500000000};
    make_world_name(dir, name, file);
    return file;
}

struct make_file *make_world_file(struct make_world *world,
                                  struct make_file *dir, const char *name,
                                  uint64_t size)
{
    struct make_file *file = make_world_add(world, dir, name, FILE_REGULAR);

    file->size_bytes = size;
    return file;
}

struct make_file *make_world_link(struct make_world *world,
                                  struct make_file *dir, const char *target)
{
    char name[40];
    struct make_file *file;

    snprintf(name, sizeof(name), "link-%zu", strlen(target));
    file = make_world_add(world, dir, name, FILE_SYMLINK);
    file->target = strdup(target);
    file->size_bytes = strlen(target);
    return file;
}

void make_world_order(struct make_world *world)
{
    const struct make_file *file = NULL;

    assert_int_equal(make_tree_order(world->root, &file), 0);
}

/* ---- Comparing ----------------------------------------------------------- */

static void compare_data(const char *path, const struct make_file *want)
{
    static uint8_t got[65536], expected[65536];
    struct file *file;
    uint64_t at = 0;
    int64_t size;

    assert_int_equal(file_open(path, FILE_READ, 0, &file), 0);
    while ((size = file_read(file, got, sizeof(got))) > 0) {
        content(want, at, expected, (size_t)size);
        assert_memory_equal(got, expected, size);
        at += (uint64_t)size;
    }
    assert_int_equal(size, 0);
    assert_int_equal(at, want->size_bytes);
    file_close(file);
}

static void compare_stat(const char *path, const struct make_file *want,
                         bool all)
{
    struct file_stat stat;
    uint32_t links = want->links;

    if (file_stat(path, false, &stat) != 0)
        fail_msg("%s is not there", path);
    assert_int_equal(stat.type, want->type);
    assert_int_equal(stat.mtime.s, want->time.s);
    if (want->type == FILE_DIRECTORY)
        links = 2 + want->dirs;
    if (!all)
        return;
    assert_int_equal(stat.mode, want->mode);
    assert_int_equal(stat.uid, want->uid);
    assert_int_equal(stat.gid, want->gid);
    assert_int_equal(stat.links, links);
}

static void compare_file(const char *path, const struct make_file *want,
                         bool all)
{
    char target[FILE_PATH_MAX];

    compare_stat(path, want, all);
    if (want->type == FILE_REGULAR)
        compare_data(path, want);
    if (want->type != FILE_SYMLINK)
        return;
    assert_int_equal(file_read_link(path, target, sizeof(target)),
                     want->size_bytes);
    assert_memory_equal(target, want->target, want->size_bytes);
}

/* How many names a mounted directory has. */
static unsigned names_count(const char *path)
{
    struct dir_entry *entry = zeros(sizeof(*entry));
    unsigned count = 0;
    struct file *dir;

    assert_int_equal(file_open(path, FILE_READ, 0, &dir), 0);
    while (dir_read(dir, entry) == 1)
        count += strcmp(entry->name, ".") != 0 &&
                 strcmp(entry->name, "..") != 0 &&
                 strcmp(entry->name, "lost+found") != 0;
    file_close(dir);
    free(entry);
    return count;
}

static unsigned compare_dir(const char *path, const struct make_file *dir,
                            bool all)
{
    char *below = zeros(FILE_PATH_MAX);
    unsigned count = dir->name_count;

    assert_int_equal(names_count(path[0] != '\0' ? path : "/"), count);
    for (uint32_t i = 0; i < dir->name_count; i++) {
        const struct make_name *name = &dir->names[i];

        snprintf(below, FILE_PATH_MAX, "%s/%s", path, name->text);
        compare_file(below, name->file, all);
        if (name->file->type == FILE_DIRECTORY)
            count += compare_dir(below, name->file, all);
    }
    free(below);
    return count;
}

unsigned make_world_compare(const struct make_world *world, bool all)
{
    return compare_dir("", world->root, all);
}

/* ---- The disk mounted ---------------------------------------------------- */

void make_world_mount(const struct make_world *world,
                      const struct file_system *type)
{
    static const struct file_system *types[2];
    static struct ramblk disk;

    types[0] = type;
    machine_attach(64 << 20);
    vfs_init(types);
    ramblk_init(&disk, world->disk, world->size);
    assert_int_equal(file_mount(&disk.block.device, "/", type->type), 0);
}

void make_world_unmount(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}
