/*
 * Fuzz the mount and read paths of ext2.
 *
 * The first byte chooses the shape of a good image, and the input patches it:
 * records of a 3-byte offset, a length (1 to 8) and that many bytes. So a few
 * bytes of input reach any structure. An input that begins with "RAW" is an
 * image by itself.
 *
 * Whatever the image says:
 *   - a name that a directory lists can be looked up, or gives an error of
 *     damage, and is never "not there", unless there is an index, which may
 *     lead past it; its inode is the one listed, unless the name is listed
 *     twice;
 *   - a file reads the same twice, in one piece and in two, to the end that its
 *     size promises;
 *   - links are followed, and end;
 *   - vfs_check() holds while it is mounted, and no memory is left behind.
 *
 * What is left of the first byte lets an allocation or a request to the disk
 * fail, in a walk before that. The mutations know where fields are
 * (field_mutator.h).
 *
 * The machine stays; nothing of a run is left for the next, so that an input
 * replays alone.
 */
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/file_ops.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/fuzz/field_mutator.h"
#include "tests/fuzz/image_input.h"
#include "tests/fuzz/must.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

enum {
    DEPTH_MAX = 5,
    ENTRIES_MAX = 400, /* in a run */
    PIECE = 8 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static const struct file_system *const file_systems[] = {
    &ext2_file_system, &ext4_file_system, NULL};

/* What mke2fs is told; everything that the format allows and we read. */
static struct {
    const char *options;
    unsigned kib;
    struct shape_fields fields;
} shapes[] = {
    {.options = "-b 1024 -N 160", .kib = 600},
    {.options = "-b 2048 -N 80 -I 128", .kib = 400},
    {.options = "-b 4096 -N 80", .kib = 800},
    {.options = "-r 0 -b 1024 -N 80 -O none", .kib = 300},
    {.options = "-b 1024 -g 256 -N 80", .kib = 600},
    {.options = "-b 1024 -g 256 -N 80 -O meta_bg,^resize_inode", .kib = 600},
    {.options =
         "-b 1024 -N 80 -O ^filetype,^dir_index,^sparse_super,^resize_inode",
     .kib = 300},
    {.options = "-b 8192 -N 80 -O ^resize_inode", .kib = 2400},
    /* ext4, mostly without checksums, which no patch would pass. */
    {.options = "-t ext4 -b 1024 -N 80 -O ^metadata_csum,^has_journal",
     .kib = 300},
    {.options = "-t ext4 -b 1024 -N 80 -I 512 -O "
                "inline_data,^metadata_csum,^has_journal",
     .kib = 300},
    {.options = "-t ext4 -b 4096 -N 80 -O "
                "^metadata_csum,uninit_bg,^64bit,^has_journal",
     .kib = 800},
    {.options = "-t ext4 -b 1024 -N 80 -O inline_data,^has_journal",
     .kib = 300},
    {.options =
         "-t ext4 -b 1024 -N 160 -O ^metadata_csum,^has_journal,large_dir",
     .kib = 600},
    /* With a journal that is to be replayed. */
    {.options = "-t ext4 -b 1024 -N 80 -J size=1 -O ^metadata_csum",
     .kib = 2400},
    {.options = "-t ext4 -b 1024 -N 80 -J size=1 -O ^metadata_csum,^64bit",
     .kib = 2400},
};

/* Of the shape that is mounted. */
static const char *type = "ext2";

static void shape_is(unsigned shape)
{
    type = strstr(shapes[shape].options, "-t ext4") != NULL ? "ext4" : "ext2";
}

static struct ramblk disk;
static uint8_t *work;
static unsigned entries;

/* Make it the disk. */
static void shape_use(size_t i)
{
    memcpy(work, shapes[i].fields.image, shapes[i].fields.size);
    disk.block.sectors = shapes[i].fields.size / BLOCK_SECTOR_SIZE;
    shape_is((unsigned)i);
}

/* Of damage, or of a walk that is too long: what reading may answer. */
static bool is_expected(int64_t status)
{
    return status >= 0 || status == -EUCLEAN || status == -EFBIG ||
           status == -ENAMETOOLONG;
}

/* ---- Reading ------------------------------------------------------------- */

/* One piece of a file: twice, the second time in two parts. */
static void piece_check(struct file *file, uint64_t offset, uint64_t size)
{
    static uint8_t first[PIECE], second[PIECE];
    uint64_t rest = offset < size ? size - offset : 0;
    int64_t want = rest < PIECE ? (int64_t)rest : PIECE;
    int64_t got = file_read_at(file, first, PIECE, offset);
    int64_t head, tail = 0;

    must(is_expected(got));
    if (got < 0)
        return;
    must(got <= want);
    head = file_read_at(file, second, (size_t)got / 2, offset);
    must(head == got / 2);
    tail = file_read_at(file, second + head, (size_t)(got - head),
                        offset + (uint64_t)head);
    must(tail == got - head);
    must(memcmp(first, second, (size_t)got) == 0);
    /* Short only when damage comes behind it. */
    if (got < want)
        must(file_read_at(file, first, 1, offset + (uint64_t)got) < 0);
}

static void file_check(const char *path, const struct file_stat *stat)
{
    struct file *file;

    must(file_open(path, FILE_READ, 0, &file) == 0);
    piece_check(file, 0, stat->size_bytes);
    piece_check(file, 12 * 1024 - 5, stat->size_bytes);
    piece_check(file, stat->size_bytes / 2, stat->size_bytes);
    if (stat->size_bytes > PIECE)
        piece_check(file, stat->size_bytes - PIECE + 3, stat->size_bytes);
    must(file_read_at(file, work, 1, stat->size_bytes) == 0);
    file_close(file);
}

static void path_check(const char *path, unsigned depth);

static void link_check(const char *path)
{
    struct file_stat stat;
    char target[64];
    int64_t len = file_read_link(path, target, sizeof(target));
    int status = file_stat(path, true, &stat);

    must(is_expected(len));
    must(is_expected(status) || status == -ENOENT || status == -ELOOP ||
         status == -ENOTDIR);
    must(status != 0 || stat.type != FILE_SYMLINK);
}

static int directory_open(const char *path, struct file **out)
{
    return file_open(path[0] == '\0' ? "/" : path, FILE_READ, 0, out);
}

/* Whether directories may have an index. */
static bool may_be_lost(void)
{
    return (le32_get(work + 1024 + 92) & 0x20) != 0;
}

/* Whether `name` is listed at an earlier place of the directory, too, or, as an
 * index may lead to it, at a later one. The list ends at damage, and the name
 * may stand behind that as well. */
static bool is_repeated(const char *path, const char *name, unsigned index)
{
    struct dir_entry entry;
    bool repeated = false;
    struct file *dir;

    must(directory_open(path, &dir) == 0);
    for (unsigned i = 0; i < ENTRIES_MAX && !repeated; i++) {
        int status;

        if (i >= index && !may_be_lost())
            break;
        status = dir_read(dir, &entry);
        if (status != 1) {
            must(i > index);
            repeated = status < 0;
            break;
        }
        repeated = i != index && strcmp(entry.name, name) == 0;
    }
    file_close(dir);
    return repeated;
}

static void entry_check(const char *path, const struct dir_entry *entry,
                        unsigned index, unsigned depth)
{
    static char child[DEPTH_MAX + 1][FILE_PATH_MAX];
    struct file_stat stat;
    int status;

    must(strchr(entry->name, '/') == NULL);
    must(entry->name[0] != '\0');
    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
        return;
    snprintf(child[depth], FILE_PATH_MAX, "%s/%s", path, entry->name);
    status = file_stat(child[depth], false, &stat);
    must(is_expected(status) || (status == -ENOENT && may_be_lost()));
    if (status != 0)
        return;
    must(stat.inode == entry->inode || is_repeated(path, entry->name, index));
    path_check(child[depth], depth + 1);
}

static void directory_check(const char *path, unsigned depth)
{
    struct dir_entry *entry = malloc(sizeof(*entry));
    struct file *dir;
    unsigned index = 0;
    int status;

    must(directory_open(path, &dir) == 0);
    while ((status = dir_read(dir, entry)) == 1 && entries < ENTRIES_MAX) {
        entries++;
        entry_check(path, entry, index++, depth);
    }
    must(is_expected(status));
    file_close(dir);
    free(entry);
}

static void path_check(const char *path, unsigned depth)
{
    struct file_stat stat;

    if (depth > DEPTH_MAX ||
        file_stat(path[0] == '\0' ? "/" : path, false, &stat) != 0)
        return;
    if (stat.type == FILE_REGULAR)
        file_check(path, &stat);
    else if (stat.type == FILE_DIRECTORY)
        directory_check(path, depth);
    else if (stat.type == FILE_SYMLINK)
        link_check(path);
}

/* ---- A run --------------------------------------------------------------- */

static int mount_and_check(void)
{
    struct mem_stats before, after;
    int status;

    mem_get_stats(&before);
    status = file_mount(&disk.block.device, "/", type);
    if (status == 0) {
        vfs_check();
        entries = 0;
        path_check("", 0);
        vfs_check();
        must(file_unmount("/") == 0);
    }
    mem_get_stats(&after);
    must(before.block_count == after.block_count);
    return status;
}

/* Two blocks of inodes as they are, one of them twice and then revoked: what is
 * replayed changes nothing. */
static void journal_fill(uint8_t *image, size_t size)
{
    uint32_t block = le32_get(image + 2048 + 8);
    char script[200];

    snprintf(script, sizeof(script),
             "jo\njw -b %u,%u %%s\njw -b %u %%s\njw -r %u\njc\n", block,
             block + 1, block, block + 1);
    ext2_journal(image, size, script, image + (size_t)block * 1024, 2048);
    must((le32_get(image + 1024 + 96) & 4) != 0); /* needs_recovery */
}

static void shape_make(size_t i)
{
    struct shape_fields *shape = &shapes[i].fields;
    uint8_t *image = ext2_image(shapes[i].options, ext2_fuzz_tree(),
                                shapes[i].kib, &shape->size);

    /* With an index. */
    if (strstr(shapes[i].options, "-N 160") != NULL)
        ext2_fsck(image, shape->size, "-fyD");
    if (strstr(shapes[i].options, "-J") != NULL)
        journal_fill(image, shape->size);
    shape->image = image;
    shape_fields_find(shape);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t largest = RAW_MAX;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shape_make(i);
        if (shapes[i].fields.size > largest)
            largest = shapes[i].fields.size;
    }
    work = malloc(largest);
    machine_attach_cmdline(64 << 20, "log=error");
    vfs_init(file_systems);
    ramblk_init(&disk, work, largest);
    /* Each good image mounts: else the inputs would reach nothing. */
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shape_use(i);
        must(file_mount(&disk.block.device, "/", type) == 0);
        entries = 0;
        path_check("", 0); /* makes what is made once for all files */
        must(file_unmount("/") == 0);
        must(mount_and_check() == 0);
    }
    return 0;
}

/* Only go through it, while memory or the disk fails, once or for ever. */
static void mount_and_fail(unsigned nth, unsigned fault)
{
    struct mem_stats before, after;

    mem_get_stats(&before);
    file_ops_may_fail(true);
    heap_fail(fault % 2 == 0 ? nth : 0);
    disk.fail_at = fault % 4 == 1 ? nth : 0;
    disk.fail_from = fault % 4 == 3 ? nth : 0;
    if (file_mount(&disk.block.device, "/", type) == 0) {
        (void)!file_ops_walk();
        vfs_check();
        must(file_unmount("/") == 0);
    }
    heap_fail(0);
    disk.fail_at = disk.fail_from = 0;
    file_ops_may_fail(false);
    mem_get_stats(&after);
    must(before.block_count == after.block_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (image_is_raw(work, data, size)) {
        type = "ext4";
        disk.block.sectors = RAW_MAX / BLOCK_SECTOR_SIZE;
    } else {
        unsigned i = data[0] % COUNT_OF(shapes);
        unsigned fault = data[0] / COUNT_OF(shapes);

        shape_use(i);
        image_patch(work, shapes[i].fields.size, data + 1, size - 1);
        if (fault > 0)
            mount_and_fail(1 + fault / 4 * 16 + data[size - 1] % 16, fault);
    }
    mount_and_check();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    mutator_state = seed;
    if (size < 1 || mutator_draw(4) == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (mutator_draw(16) == 0)
        data[0] = (uint8_t)mutator_draw(256);
    return records_mutate(data, size, max, 1,
                          &shapes[data[0] % COUNT_OF(shapes)].fields);
}
