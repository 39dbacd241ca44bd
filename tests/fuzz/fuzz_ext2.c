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
 * The machine stays; nothing of a run is left for the next, so that an input
 * replays alone.
 */
#include "kernel/file/vfs.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/fuzz/image_input.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>

enum {
    DEPTH_MAX = 5,
    ENTRIES_MAX = 400, /* in a run */
    PIECE = 8 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const struct file_system *const file_systems[] = {
    &ext2_file_system, &ext4_file_system, NULL};

/* What mke2fs is told; everything that the format allows and we read. */
static struct {
    const char *options;
    unsigned kib;
    uint8_t *image;
    size_t size;
} shapes[] = {
    {"-b 1024 -N 160", 600, NULL, 0},
    {"-b 2048 -N 80 -I 128", 400, NULL, 0},
    {"-b 4096 -N 80", 800, NULL, 0},
    {"-r 0 -b 1024 -N 80 -O none", 300, NULL, 0},
    {"-b 1024 -g 256 -N 80", 600, NULL, 0},
    {"-b 1024 -g 256 -N 80 -O meta_bg,^resize_inode", 600, NULL, 0},
    {"-b 1024 -N 80 -O ^filetype,^dir_index,^sparse_super,^resize_inode", 300,
     NULL, 0},
    {"-b 8192 -N 80 -O ^resize_inode", 2400, NULL, 0},
    /* ext4, mostly without checksums, which no patch would pass. */
    {"-t ext4 -b 1024 -N 80 -O ^metadata_csum,^has_journal", 300, NULL, 0},
    {"-t ext4 -b 1024 -N 80 -I 512 -O inline_data,^metadata_csum,^has_journal",
     300, NULL, 0},
    {"-t ext4 -b 4096 -N 80 -O ^metadata_csum,uninit_bg,^64bit,^has_journal",
     800, NULL, 0},
    {"-t ext4 -b 1024 -N 80 -O inline_data,^has_journal", 300, NULL, 0},
    {"-t ext4 -b 1024 -N 160 -O ^metadata_csum,^has_journal,large_dir", 600,
     NULL, 0},
    /* With a journal that is to be replayed. */
    {"-t ext4 -b 1024 -N 80 -J size=1 -O ^metadata_csum", 2400, NULL, 0},
    {"-t ext4 -b 1024 -N 80 -J size=1 -O ^metadata_csum,^64bit", 2400, NULL, 0},
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

/* A property does not hold. */
static void must(bool holds)
{
    if (!holds)
        abort();
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

/* Whether `name` is listed at an earlier place of the directory. */
static bool is_repeated(const char *path, const char *name, unsigned index)
{
    struct dir_entry entry;
    bool repeated = false;
    struct file *dir;

    must(file_open(path, FILE_READ, 0, &dir) == 0);
    for (unsigned i = 0; i < index && !repeated; i++) {
        must(dir_read(dir, &entry) == 1);
        repeated = strcmp(entry.name, name) == 0;
    }
    file_close(dir);
    return repeated;
}

/* Whether directories may have an index. */
static bool may_be_lost(void)
{
    return (le32_get(work + 1024 + 92) & 0x20) != 0;
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

    must(file_open(path[0] == '\0' ? "/" : path, FILE_READ, 0, &dir) == 0);
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

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t largest = RAW_MAX;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        shapes[i].image = ext2_image(shapes[i].options, ext2_fuzz_tree(),
                                     shapes[i].kib, &shapes[i].size);
        /* With an index. */
        if (strstr(shapes[i].options, "-N 160") != NULL)
            ext2_fsck(shapes[i].image, shapes[i].size, "-fyD");
        if (strstr(shapes[i].options, "-J") != NULL)
            journal_fill(shapes[i].image, shapes[i].size);
        if (shapes[i].size > largest)
            largest = shapes[i].size;
    }
    work = malloc(largest);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, work, largest);
    /* Each good image mounts: else the inputs would reach nothing. */
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        memcpy(work, shapes[i].image, shapes[i].size);
        disk.block.sectors = shapes[i].size / BLOCK_SECTOR_SIZE;
        shape_is((unsigned)i);
        must(file_mount(&disk.block.device, "/", type) == 0);
        entries = 0;
        path_check("", 0); /* makes what is made once for all files */
        must(file_unmount("/") == 0);
        must(mount_and_check() == 0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (image_is_raw(work, data, size)) {
        type = "ext4";
        disk.block.sectors = RAW_MAX / BLOCK_SECTOR_SIZE;
    } else {
        unsigned i = data[0] % (sizeof(shapes) / sizeof(shapes[0]));

        shape_is(i);
        memcpy(work, shapes[i].image, shapes[i].size);
        image_patch(work, shapes[i].size, data + 1, size - 1);
        disk.block.sectors = shapes[i].size / BLOCK_SECTOR_SIZE;
    }
    mount_and_check();
    return 0;
}
