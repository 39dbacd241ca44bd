/*
 * ext4 for reading: images by mke2fs and debugfs in the shapes that users have,
 * compared with the tree they were made from; and each structure damaged.
 */
#include "fs/ext2/ext4_csum.h"
#include "fs/ext2/ext4_internal.h"
#include "fs/ext2/xattr_area.h"
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/unit/ext2/sweep.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/file_systems.h>
#include <unistd.h>

static const struct file_system *const file_systems[] = {&ext4_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;

static int mount_image(void)
{
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    console_forget();
    return file_mount(&disk.block.device, "/", "ext4");
}

static void unmount_image(void)
{
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

/* ---- Comparing with the source tree -------------------------------------- */

static size_t root_len;
static unsigned compared;

static void compare_contents(const char *path, const char *ours, off_t size)
{
    static char theirs_buf[65536], ours_buf[65536];
    struct file *file;
    FILE *theirs = fopen(path, "r");
    off_t at = 0;

    assert_int_equal(file_open(ours, FILE_READ, 0, &file), 0);
    /* Of the very sparse ones the start and the end. */
    while (at < size) {
        size_t want = size - at < 65536 ? (size_t)(size - at) : 65536;

        assert_int_equal(fseeko(theirs, at, SEEK_SET), 0);
        assert_int_equal(fread(theirs_buf, 1, want, theirs), want);
        assert_int_equal(
            file_read_at(file, ours_buf, sizeof(ours_buf), (uint64_t)at), want);
        assert_memory_equal(ours_buf, theirs_buf, want);
        at += (off_t)want;
        if (at >= (8 << 20) && size - at > (1 << 20))
            at = size - (1 << 20) + 123;
    }
    assert_int_equal(
        file_read_at(file, ours_buf, sizeof(ours_buf), (uint64_t)size), 0);
    file_close(file);
    fclose(theirs);
}

static int compare(const char *path, const struct stat *st, int flag,
                   struct FTW *ftw)
{
    const char *ours = path[root_len] == '\0' ? "/" : path + root_len;
    struct file_stat stat;
    char link[2000], target[2000];

    (void)flag;
    if (ftw->level == 0)
        return 0;
    compared++;
    if (file_stat(ours, false, &stat) != 0)
        fail_msg("%s is not there", ours);
    assert_int_equal(stat.mode, st->st_mode & 07777);
    assert_int_equal(stat.mtime.s, st->st_mtime);
    assert_int_equal(stat.uid, st->st_uid);
    if (!S_ISDIR(st->st_mode))
        assert_int_equal(stat.size_bytes, st->st_size);
    if (stat.type == FILE_REGULAR) {
        compare_contents(path, ours, st->st_size);
    } else if (stat.type == FILE_SYMLINK) {
        ssize_t len = readlink(path, target, sizeof(target));

        assert_int_equal(file_read_link(ours, link, sizeof(link)), len);
        assert_memory_equal(link, target, (size_t)len);
    } else if (stat.type == FILE_DIRECTORY) {
        struct dir_entry entry;
        struct file *dir;
        unsigned listed = 0;

        assert_int_equal(file_open(ours, FILE_READ, 0, &dir), 0);
        while (dir_read(dir, &entry) == 1)
            listed++;
        file_close(dir);
        assert_true(listed >= 2);
    }
    return 0;
}

/* What is made, and then e2fsck makes of it; NULL: nothing. */
static void compare_tree(const char *tree, const char *options,
                         const char *fsck, unsigned kib)
{
    image = ext2_image(options, tree, kib, &image_size);
    if (fsck != NULL)
        ext2_fsck(image, image_size, fsck);
    if (mount_image() != 0)
        fail_msg("mke2fs %s: it is not mounted", options);
    root_len = strlen(tree);
    compared = 0;
    nftw(tree, compare, 20, FTW_PHYS);
    assert_true(compared > 10);
    assert_false(console_has("damaged"));
    vfs_check();
    unmount_image();
    free(image);
}

static void test_ext4_shapes(void **state)
{
    static const struct {
        const char *options;
        const char *fsck;
        unsigned kib;
    } rows[] = {
        /* What mke2fs makes by itself. */
        {"-t ext4 -b 1024", NULL, 30000},
        {"-t ext4 -b 4096", NULL, 50000},
        {"-t ext4 -b 1024", "-fyD", 30000},
        {"-t ext4 -b 4096 -O ^64bit", NULL, 50000},
        {"-t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg", NULL, 30000},
        {"-t ext4 -b 1024 -O metadata_csum_seed", NULL, 30000},
        {"-t ext4 -b 1024 -O ^extent,^64bit", NULL, 30000},
        {"-t ext4 -b 1024 -O ^has_journal,sparse_super2", NULL, 30000},
        {"-t ext4 -b 1024 -O meta_bg,^resize_inode -g 1024", NULL, 30000},
        {"-t ext4 -b 1024 -I 1024 -O inline_data", NULL, 30000},
        {"-t ext4 -b 4096 -O inline_data,large_dir,ea_inode,mmp", "-fyD",
         50000},
        {"-t ext4 -b 4096 -O bigalloc -C 16384", NULL, 80000},
        {"-t ext4 -b 65536", NULL, 200000},
        {"-t ext4 -b 1024 -I 128", NULL, 30000},
        /* And those that ext2_file_system reads. */
        {"-b 1024", NULL, 20000},
        {"-r 0 -b 1024 -O none", NULL, 20000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        compare_tree(ext2_tree(), rows[i].options, rows[i].fsck, rows[i].kib);
}

/* ---- Extents ------------------------------------------------------------- */

/* Against CRC-32C of RFC 3720, B.4, and CRC-16/ARC. */
static void test_ext4_checksums(void **state)
{
    uint8_t bytes[32];

    (void)state;
    memset(bytes, 0, 32);
    assert_int_equal(~ext4_crc32c(UINT32_MAX, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(~ext4_crc32c(UINT32_MAX, bytes, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(~ext4_crc32c(UINT32_MAX, bytes, 32), 0x46dd794e);
    assert_int_equal(ext4_crc16(0, "123456789", 9), 0xbb3d);
}

/* A volume without checksums, and a file in it whose extents the test
 * writes. */
static struct inode *victim;

static void victim_open(void)
{
    image = ext2_image("-t ext4 -b 1024 -O ^metadata_csum,^has_journal",
                       ext2_small_tree(), 1024, &image_size);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(vfs_walk("/file", true, &victim), 0);
    assert_true(ext2_has_extents(victim));
}

static void victim_close(void)
{
    inode_put(victim);
    unmount_image();
    free(image);
}

static void node_put(uint8_t *node, unsigned entries, unsigned max,
                     unsigned depth)
{
    le16_put(node, EXT4_EXTENT_MAGIC);
    le16_put(node + 2, (uint16_t)entries);
    le16_put(node + 4, (uint16_t)max);
    le16_put(node + 6, (uint16_t)depth);
}

static void extent_put(uint8_t *node, unsigned at, uint32_t begin,
                       unsigned length, uint64_t start)
{
    uint8_t *entry = node + 12 + (size_t)12 * at;

    le32_put(entry, begin);
    le16_put(entry + 4, (uint16_t)length);
    le16_put(entry + 6, (uint16_t)(start >> 32));
    le32_put(entry + 8, (uint32_t)start);
}

static void link_put(uint8_t *node, unsigned at, uint32_t begin, uint64_t block)
{
    uint8_t *entry = node + 12 + (size_t)12 * at;

    le32_put(entry, begin);
    le32_put(entry + 4, (uint32_t)block);
    le16_put(entry + 8, (uint16_t)(block >> 32));
}

static void test_extents_in_the_inode(void **state)
{
    static const struct {
        const char *name;
        uint64_t index, max;
        int status;
        uint64_t block;
        uint32_t count;
    } rows[] = {
        {"a hole before the first", 0, 100, 0, 0, 5},
        {"the first", 5, 100, 0, 500, 3},
        {"cut", 5, 2, 0, 500, 2},
        {"its last", 7, 100, 0, 502, 1},
        {"a hole between", 8, 100, 0, 0, 2},
        {"not written", 10, 100, 0, 0, 4},
        {"behind it", 14, 100, 0, 600, 32},
        {"the last block", 45, 100, 0, 631, 1},
        {"a hole behind all", 46, 100, 0, 0, 100},
        {"the last there is", UINT32_MAX, 100, 0, 0, 1},
        {"beyond", UINT64_C(1) << 32, 100, -EFBIG, 7, 7},
        {"far beyond", UINT64_MAX, 100, -EFBIG, 7, 7},
    };
    uint8_t *node;

    (void)state;
    victim_open();
    node = ext2_inode_of(victim)->in_inode;
    node_put(node, 3, 4, 0);
    extent_put(node, 0, 5, 3, 500);
    extent_put(node, 1, 10, 0x8000 + 4, 520);
    extent_put(node, 2, 14, 32, 600);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t block = 7;
        uint32_t count = 7;

        ROW(rows[i].name, ext2_bmap(victim, rows[i].index, rows[i].max, &block,
                                    &count) == rows[i].status);
        ROW(rows[i].name, block == rows[i].block);
        ROW(rows[i].name, count == rows[i].count);
    }
    victim_close();
}

/* A tree of `depth` levels of nodes below the root, in the blocks from 900 on;
 * each leads to the next one at file block 100, and the root to a wrong place
 * at 1000. */
static void tree_put(uint8_t *node, unsigned depth)
{
    node_put(node, depth == 0 ? 1 : 2, 4, depth);
    link_put(node, 0, 100, 900);
    link_put(node, 1, 1000, 1);
    for (unsigned level = 1; level <= depth; level++) {
        node = image + (size_t)1024 * (899 + level);
        memset(node, 0, 1024);
        node_put(node, 1, 84, depth - level);
        link_put(node, 0, 100, 900 + level);
    }
    extent_put(node, 0, 110, 7, 510);
}

static void test_extents_in_a_tree(void **state)
{
    uint64_t block;
    uint32_t count;

    (void)state;
    for (unsigned depth = 1; depth <= 6; depth++) {
        victim_open();
        tree_put(ext2_inode_of(victim)->in_inode, depth);
        if (depth == 6) {
            assert_int_equal(ext2_bmap(victim, 112, 99, &block, &count),
                             -EUCLEAN);
            victim_close();
            break;
        }
        assert_int_equal(ext2_bmap(victim, 112, 99, &block, &count), 0);
        assert_int_equal(block, 512);
        assert_int_equal(count, 5);
        assert_int_equal(ext2_bmap(victim, 105, 99, &block, &count), 0);
        assert_int_equal(block, 0);
        assert_int_equal(count, 5);
        assert_int_equal(ext2_bmap(victim, 120, 9999, &block, &count), 0);
        assert_int_equal(block, 0);
        assert_int_equal(count, 880);
        assert_int_equal(ext2_bmap(victim, 99, 9999, &block, &count), 0);
        assert_int_equal(block, 0);
        assert_int_equal(count, 1);
        assert_int_equal(ext2_bmap(victim, 1000, 1, &block, &count), -EUCLEAN);
        assert_true(console_has("damaged extents (1000); run e2fsck"));
        victim_close();
    }
}

static void test_extents_damaged(void **state)
{
    static const struct {
        const char *name;
        unsigned node; /* 0: in the inode; n: block 899 + n */
        unsigned at;
        unsigned bytes;
        uint32_t value;
        int status;
    } rows[] = {
        {"intact", 0, 0, 2, 0xf30a, 0},
        {"magic", 0, 0, 2, 0xf30b, -EUCLEAN},
        {"more than there is room", 0, 4, 2, 5, -EUCLEAN},
        {"more entries than the most", 0, 2, 2, 5, -EUCLEAN},
        {"one level more", 0, 6, 2, 3, -EUCLEAN},
        {"one level less", 0, 6, 2, 1, -EUCLEAN},
        {"depth all ones", 0, 6, 2, 0xffff, -EUCLEAN},
        {"to the superblock", 0, 16, 4, 1, -EUCLEAN},
        {"past the volume", 0, 16, 4, 1024, -EUCLEAN},
        {"far past it", 0, 20, 2, 1, -EUCLEAN},
        {"magic of a node", 1, 0, 2, 0, -EUCLEAN},
        {"room of a node", 1, 4, 2, 85, -EUCLEAN},
        {"entries of a node", 1, 2, 2, 85, -EUCLEAN},
        {"a node that leads to itself", 1, 16, 4, 900, -EUCLEAN},
        {"it begins too early", 1, 12, 4, 99, -EUCLEAN},
        {"it begins where the next does", 1, 12, 4, 1000, -EUCLEAN},
        {"magic of a leaf", 2, 0, 2, 0, -EUCLEAN},
        {"no entry: a hole", 2, 2, 2, 0, 0},
        {"depth of a leaf", 2, 6, 2, 1, -EUCLEAN},
        {"an extent too early", 2, 12, 4, 99, -EUCLEAN},
        {"of no length", 2, 16, 2, 0, -EUCLEAN},
        {"as long as can be", 2, 16, 2, 890, -EUCLEAN}, /* not in the volume */
        {"into the next one", 2, 16, 2, 891, -EUCLEAN},
        {"to the last block", 2, 20, 4, 1017, 0},
        {"past the last block", 2, 20, 4, 1018, -EUCLEAN},
        {"in the superblock", 2, 20, 4, 1, -EUCLEAN},
        {"far away", 2, 18, 2, 1, -EUCLEAN},
        {"not written, far away", 2, 16, 4, 0x18007, -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t block;
        uint32_t count;
        uint8_t *node;

        victim_open();
        node = ext2_inode_of(victim)->in_inode;
        tree_put(node, 2);
        if (rows[i].node != 0)
            node = image + (size_t)1024 * (899 + rows[i].node);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            node[rows[i].at + k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name,
            ext2_bmap(victim, 112, 1, &block, &count) == rows[i].status);
        ROW(rows[i].name,
            console_has("damaged extents") == (rows[i].status != 0));
        victim_close();
    }
}

/* ---- Content in inodes --------------------------------------------------- */

/* How many entries a directory has, or the error; and whether it has them all
 * by name. */
static int list(const char *path)
{
    struct dir_entry entry;
    struct file_stat stat;
    struct file *dir;
    char child[400];
    int status, count = 0;

    if (file_open(path, FILE_READ, 0, &dir) != 0)
        return -ENOENT;
    while ((status = dir_read(dir, &entry)) == 1) {
        snprintf(child, sizeof(child), "%s/%s", path, entry.name);
        if (file_stat(child, false, &stat) == 0)
            count++;
    }
    file_close(dir);
    return status != 0 ? status : count;
}

/* Two entries more, in the attribute of a directory: links to the first one. */
static void more_entries(uint8_t *raw)
{
    uint8_t *value = raw + 164 + 100;

    assert_int_equal(le32_get(raw + 160), 0xea020000);
    assert_int_equal(le32_get(raw + 32) & 0x10000000, 0x10000000);
    le16_put(raw + 164 + 2, 100);
    le32_put(raw + 164 + 8, 36);
    le32_put(raw + 4, 60 + 36);
    memcpy(value, raw + 44, 4);
    le16_put(value + 4, 16);
    memcpy(value + 6, "\5\1three", 7);
    memcpy(value + 16, raw + 44, 4);
    le16_put(value + 20, 20);
    memcpy(value + 22, "\4\1four", 6);
}

static void test_inline_data(void **state)
{
    static const struct {
        const char *name;
        unsigned at; /* in the inode of /d */
        unsigned bytes;
        uint32_t value;
        int listed; /* of /d */
    } rows[] = {
        {"intact", 26, 2, 2, 6},
        {"a parent that is not", 40, 4, 9999, -ENOENT},
        {"no parent", 40, 4, 0, -ENOENT},
        {"unused entry", 44, 4, 0, 5},
        {"entry of no length", 48, 2, 0, -EUCLEAN},
        {"entry past the end", 48, 2, 60, -EUCLEAN},
        {"a name with a NUL", 52, 1, 0, -EUCLEAN},
        {"size of no entry", 4, 4, 4, 2},
        {"size within an entry", 4, 4, 60 + 4, -EUCLEAN},
        {"size too large", 4, 4, 2000, -ENOENT},
        {"no attributes", 160, 4, 0, -ENOENT},
        {"another attribute", 160 + 4 + 16, 1, 'x', -ENOENT},
        {"of another prefix", 160 + 4 + 1, 1, 1, -ENOENT},
        {"a shorter name", 160 + 4, 1, 3, -ENOENT},
        {"value past the end", 160 + 4 + 2, 2, 1024, -ENOENT},
        {"value too large", 160 + 4 + 8, 4, UINT32_MAX, -ENOENT},
        {"value in an inode", 160 + 4 + 4, 4, 12, -ENOENT},
        {"and extents", 32, 4, 0x10080000, -ENOENT},
        {"size of the inode", 128, 2, 900, -ENOENT},
        {"no room for attributes", 128, 2, 384, -ENOENT},
    };
    char tree[] = "/tmp/torc_inline_XXXXXX", command[300];
    struct file_stat stat;
    uint8_t *good;
    size_t offset;

    (void)state;
    assert_non_null(mkdtemp(tree));
    snprintf(command, sizeof(command),
             "cd %s && mkdir d && head -c 50 /etc/passwd >d/one && "
             "head -c 200 /etc/passwd >d/two",
             tree);
    assert_int_equal(system(command), 0);
    image = ext2_image("-t ext4 -b 1024 -I 512 -O "
                       "inline_data,^metadata_csum,^has_journal",
                       tree, 1024, &image_size);
    snprintf(command, sizeof(command), "rm -rf %s", tree);
    assert_int_equal(system(command), 0);
    /* Where it is before it is changed: debugfs would look at the damage. */
    offset =
        ext2_inode_offset(image, ext2_inode_of_path(image, image_size, "/d"));
    more_entries(image + offset);
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(image, good, image_size);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            image[offset + rows[i].at + k] = (uint8_t)(rows[i].value >> 8 * k);
        assert_int_equal(mount_image(), 0);
        ROW(rows[i].name, list("/d") == rows[i].listed);
        if (rows[i].at == 48) /* no way to the next one */
            ROW(rows[i].name, file_stat("/d/none", false, &stat) == -EUCLEAN);
        if (i == 0) {
            assert_int_equal(file_stat("/d/none", false, &stat), -ENOENT);
            assert_int_equal(file_stat("/d/.a", false, &stat), -ENOENT);
            assert_int_equal(file_stat("/d/a.", false, &stat), -ENOENT);
            assert_int_equal(file_stat("/d/three", false, &stat), 0);
            assert_int_equal(stat.size_bytes, 50);
            /* As Linux tells it: with none it would look like a hole. */
            assert_int_equal(stat.blocks, 1);
            assert_int_equal(file_stat("/d", false, &stat), 0);
            assert_int_equal(stat.blocks, 0);
        }
        unmount_image();
    }
    free(good);
    free(image);
}

/* ---- Attributes ---------------------------------------------------------- */

/* An area of 64 bytes: an entry "data" of the system at 4, and its value of 8
 * bytes at 56. */
static void test_ext4_attributes(void **state)
{
    static const struct {
        const char *name;
        unsigned at, bytes;
        uint32_t value;
        uint32_t size; /* of the area */
        int found;     /* "data" */
    } rows[] = {
        {"intact", 0, 0, 0, 64, 1},
        {"no list", 4, 4, 0, 64, 0},
        {"another prefix", 5, 1, 1, 64, 0},
        {"a shorter name", 4, 1, 3, 64, 0},
        {"another name", 20, 1, 'D', 64, 0},
        {"a name past the end", 4, 1, 45, 64, -EUCLEAN},
        {"a name to the end", 4, 1, 44, 64, 0},
        {"in an inode", 8, 4, 12, 64, 1},
        {"value past the end", 6, 2, 61, 64, -EUCLEAN},
        {"value to the end", 6, 2, 52, 64, 1},
        {"value over the end", 6, 2, 53, 64, -EUCLEAN},
        {"no room for a list's end", 0, 0, 0, 7, 0},
        {"no room for an entry", 0, 0, 0, 19, -EUCLEAN},
        {"no room for its name", 0, 0, 0, 23, -EUCLEAN},
    };
    struct ext2_xattr_area area;
    struct ext2_xattr found;
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(bytes, 0, sizeof(bytes));
        le32_put(bytes, 0xea020000);
        memcpy(bytes + 4, "\4\7\44\0", 4);
        le32_put(bytes + 12, 8);
        memcpy(bytes + 20, "data", 4);
        memcpy(bytes + 40, "value!!!", 8);
        for (unsigned k = 0; k < rows[i].bytes; k++)
            bytes[rows[i].at + k] = (uint8_t)(rows[i].value >> 8 * k);
        ROW(rows[i].name, ext2_xattr_in_inode(bytes, rows[i].size, 0, &area));
        ROW(rows[i].name, ext2_xattr_find(&area, EXT2_XATTR_SYSTEM, "data", 4,
                                          &found) == rows[i].found);
        if (i == 0)
            assert_memory_equal(found.value, "value!!!", 8);
    }
    assert_false(ext2_xattr_in_inode(bytes, 64, 61, &area));
    assert_false(ext2_xattr_in_inode(bytes, 64, 64, &area));
    assert_false(ext2_xattr_in_inode(bytes + 1, 63, 0, &area));
}

/* ---- What the superblock and inodes say ---------------------------------- */

static void put_bytes(uint8_t *to, unsigned bytes, uint32_t value)
{
    for (unsigned k = 0; k < bytes; k++)
        to[k] = (uint8_t)(value >> 8 * k);
}

static void test_ext4_superblock_damaged(void **state)
{
    static const struct {
        const char *name;
        const char *options;
        unsigned at, bytes; /* in the superblock */
        uint32_t value;
        const char *message;
    } rows[] = {
        {"checksum type", "", 373, 1, 2, "type of checksum"},
        {"descriptors of 32 bytes", "", 254, 2, 32,
         "size of group descriptors"},
        {"descriptors of 128 bytes", "", 254, 2, 128,
         "size of group descriptors"},
        {"clusters smaller than blocks", "-b 4096 -O bigalloc", 28, 4, 1,
         "cluster size"},
        {"clusters too large", "-b 4096 -O bigalloc", 28, 4, 22,
         "cluster size"},
        {"clusters far too large", "-b 4096 -O bigalloc", 28, 4, UINT32_MAX,
         "cluster size"},
    };
    char options[100];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(options, sizeof(options), "-t ext4 %s", rows[i].options);
        image = ext2_image(options, ext2_small_tree(), 8192, &image_size);
        put_bytes(image + 1024 + rows[i].at, rows[i].bytes, rows[i].value);
        ROW(rows[i].name, mount_image() == -EUCLEAN);
        ROW(rows[i].name, console_has(rows[i].message));
        machine_detach();
        free(image);
    }
}

/* Flags of an inode need the feature of the volume. */
static void test_ext4_inode_flags(void **state)
{
    static const struct {
        const char *name;
        uint32_t flags;
        uint32_t no_incompat; /* cleared in the volume */
        int status;
        uint64_t blocks; /* of 512 bytes */
    } rows[] = {
        {"intact", 0x80000, 0, 0, 40},
        {"extents without the feature", 0x80000, 0x40, -EUCLEAN, 0},
        {"inline data without the feature", 0x10000000, 0, -EUCLEAN, 0},
        {"blocks of the volume", 0x80000 | 0x40000, 0, 0, 80},
    };
    struct file_stat stat;
    struct inode *root;
    uint8_t *good;
    size_t offset;

    (void)state;
    image = ext2_image("-t ext4 -b 1024 -O ^metadata_csum,^has_journal",
                       ext2_small_tree(), 1024, &image_size);
    offset = ext2_inode_offset(image,
                               ext2_inode_of_path(image, image_size, "/file"));
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(image, good, image_size);
        le32_put(image + offset + 32, rows[i].flags);
        assert_int_equal(mount_image(), 0);
        assert_int_equal(vfs_walk("/", true, &root), 0);
        ext2_of(root)->incompat &= ~rows[i].no_incompat;
        inode_put(root);
        ROW(rows[i].name, file_stat("/file", false, &stat) == rows[i].status);
        if (rows[i].status == 0)
            ROW(rows[i].name, stat.blocks == rows[i].blocks);
        unmount_image();
    }
    free(good);
    free(image);
}

/* ---- Checksums ----------------------------------------------------------- */

/* Every byte that a checksum is over matters: one bit changed is damage. */
static void test_ext4_checksums_are_looked_at(void **state)
{
    struct ext2_walk walk;
    uint8_t *good;
    unsigned damaged = 0, tried = 0;

    (void)state;
    image = ext2_image("-t ext4 -b 1024 -O ^has_journal,^resize_inode",
                       ext2_tree(), 30000, &image_size);
    ext2_fsck(image, image_size, "-fyD");
    good = malloc(image_size);
    memcpy(good, image, image_size);
    /* The descriptors; and the inodes of the root and of the first files. */
    for (unsigned row = 0; row < 40; row++) {
        size_t desc = 2048 + row % 4 * 64 + row;
        size_t inode = ext2_inode_offset(good, row < 20 ? 2 : 12 + row % 7);
        size_t at = row % 2 ? desc : inode + 3 * row;
        int status;

        if (row % 2 && row > 16)
            continue;
        memcpy(image, good, image_size);
        image[at] ^= 0x10;
        status = mount_image();
        if (status == 0) {
            ext2_walk_all(&walk);
            status = walk.first_error;
            unmount_image();
        } else {
            machine_detach();
        }
        tried++;
        damaged += status == -EUCLEAN;
    }
    assert_int_equal(damaged, tried);
    /* The superblock: bytes that nothing else looks at. */
    for (unsigned at = 120; at < 1024; at += 60) {
        memcpy(image, good, image_size);
        image[1024 + at] ^= 0x10;
        assert_int_equal(mount_image(), -EUCLEAN);
        assert_true(console_has("damaged volume: checksum of the superblock"));
        machine_detach();
    }
    free(good);
    free(image);
}

/* ---- Blocks with checksums, made by hand --------------------------------- */

static uint64_t hand_block; /* it is free: near the end */

/* An inode of an image with blocks of `size` bytes. */
static struct inode *hand_open(unsigned size, const char *path)
{
    char options[100];
    struct inode *inode;

    snprintf(options, sizeof(options), "-t ext4 -b %u -O ^has_journal", size);
    image = ext2_image(options, ext2_small_tree(),
                       size == 1024 ? 1024 : size / 1024 * 128, &image_size);
    hand_block = image_size / size - 10;
    memset(image + hand_block * size, 0, size);
    assert_int_equal(mount_image(), 0);
    assert_int_equal(vfs_walk(path, true, &inode), 0);
    return inode;
}

static void hand_close(struct inode *inode)
{
    inode_put(inode);
    unmount_image();
    free(image);
}

static void leaf_put(const struct inode *dir, uint8_t *block, uint32_t size)
{
    uint8_t *tail = block + size - 12;

    le16_put(block + 4, (uint16_t)(size - 12));
    le16_put(tail + 4, 12);
    tail[7] = 0xde;
    le32_put(tail + 8, ext4_crc32c(ext4_inode_seed(dir), block, size - 12));
}

/* The pairs begin at byte `pairs`; half of them are in use. */
static void index_put(const struct inode *dir, uint8_t *block, uint32_t size,
                      uint32_t pairs)
{
    uint32_t limit = (size - pairs - 8) / 8, count = limit / 2, crc;
    uint8_t *tail = block + pairs + (size_t)limit * 8;

    le16_put(block + 4, (uint16_t)(size == 65536 ? 65535 : size));
    le16_put(block + pairs, (uint16_t)limit);
    le16_put(block + pairs + 2, (uint16_t)count);
    crc = ext4_crc32c(ext4_inode_seed(dir), block, pairs + count * 8);
    le32_put(tail + 4, ext4_crc32c(crc, tail, 8));
}

static void test_directory_blocks(void **state)
{
    enum kind { LEAF, NODE, ROOT };
    static const struct {
        const char *name;
        enum kind kind;
        uint32_t size;
        uint32_t at, bytes, value;
        unsigned bad_piece; /* of 4096 bytes, from 1; 0: none */
        int status;
    } rows[] = {
        {"a leaf", LEAF, 1024, 0, 0, 0, 0, 0},
        {"its last entry is used", LEAF, 1024, 1012, 4, 2, 0, -EUCLEAN},
        {"has another size", LEAF, 1024, 1016, 2, 16, 0, -EUCLEAN},
        {"has a name", LEAF, 1024, 1018, 1, 1, 0, -EUCLEAN},
        {"has another type", LEAF, 1024, 1019, 1, 0xdf, 0, -EUCLEAN},
        {"has another sum", LEAF, 1024, 1020, 4, 0, 0, -EUCLEAN},
        {"a byte of a leaf", LEAF, 1024, 500, 1, 1, 0, -EUCLEAN},
        {"a node", NODE, 1024, 0, 0, 0, 0, 0},
        {"a huge node", NODE, 65536, 0, 0, 0, 0, 0},
        {"a huge node of a wrong size", NODE, 65536, 4, 2, 0, 0, -EUCLEAN},
        {"a node that is no node", NODE, 1024, 4, 2, 1020, 0, -EUCLEAN},
        {"a node with an inode", NODE, 1024, 0, 4, 2, 0, -EUCLEAN},
        {"more in use than there are", NODE, 1024, 10, 2, 127, 0, -EUCLEAN},
        {"more than fit in", NODE, 1024, 8, 2, 127, 0, -EUCLEAN},
        {"a pair in use", NODE, 1024, 20, 1, 1, 0, -EUCLEAN},
        {"a pair not in use", NODE, 1024, 1000, 1, 1, 0, 0},
        {"before the sum", NODE, 1024, 1016, 1, 1, 0, -EUCLEAN},
        {"the sum", NODE, 1024, 1020, 4, 0, 0, -EUCLEAN},
        {"a root", ROOT, 1024, 0, 0, 0, 0, 0},
        {"the sum of a root", ROOT, 1024, 1020, 4, 0, 0, -EUCLEAN},
        {"a large leaf", LEAF, 16384, 0, 0, 0, 0, 0},
        {"its begin is not read", LEAF, 16384, 0, 0, 0, 1, -EIO},
        {"nor its middle", LEAF, 16384, 0, 0, 0, 2, -EIO},
        {"nor its end", LEAF, 16384, 0, 0, 0, 4, -EIO},
        {"a large node", NODE, 16384, 0, 0, 0, 0, 0},
        {"its middle is not read", NODE, 16384, 0, 0, 0, 2, -EIO},
        {"nor its end", NODE, 16384, 0, 0, 0, 4, -EIO},
        {"what is not in use", NODE, 16384, 0, 0, 0, 3, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t size = rows[i].size;
        struct inode *dir = hand_open(size, "/");
        uint64_t offset = hand_block * size;
        uint8_t *block = image + offset;
        bool is_eio = rows[i].bad_piece != 0;
        int status;

        ext2_inode_of(dir)->flags |= rows[i].kind == LEAF ? 0 : 0x1000;
        if (rows[i].kind == LEAF)
            leaf_put(dir, block, size);
        else
            index_put(dir, block, size, rows[i].kind == ROOT ? 32 : 8);
        put_bytes(block + rows[i].at, rows[i].bytes, rows[i].value);
        if (is_eio)
            disk.bad_sector = (offset + (rows[i].bad_piece - 1) * 4096) / 512;
        status = ext4_dir_block(dir, rows[i].kind == ROOT ? 0 : 1, offset);
        ROW(rows[i].name, status == rows[i].status);
        ROW(rows[i].name,
            console_has("checksum of directory block") == (status == -EUCLEAN));
        hand_close(dir);
    }
}

/* What is right as a block of one directory is not as one of another. */
static void test_directory_block_of_another(void **state)
{
    struct inode *dir, *other;
    uint64_t offset;

    (void)state;
    dir = hand_open(1024, "/");
    offset = hand_block * 1024;
    leaf_put(dir, image + offset, 1024);
    assert_int_equal(vfs_walk("/file", true, &other), 0);
    assert_int_equal(ext4_dir_block(dir, 1, offset), 0);
    assert_int_equal(ext4_dir_block(other, 1, offset), -EUCLEAN);
    inode_put(other);
    hand_close(dir);
}

/* A node of 16 KiB full of extents of one block each. */
static void test_extents_sums_and_errors(void **state)
{
    static const struct {
        const char *name;
        bool no_sums;
        uint32_t at, value; /* 16 bits */
        unsigned bad_piece; /* of 4096 bytes, from 1; 0: none */
        int status;
    } rows[] = {
        {"intact", false, 0, 0xf30a, 0, 0},
        {"another sum", false, 16380, 0, 0, -EUCLEAN},
        {"another extent", false, 8000, 0, 0, -EUCLEAN},
        {"without sums", true, 16380, 0, 0, 0},
        {"the header is not read", false, 0, 0xf30a, 1, -EIO},
        {"the sum is not read", false, 0, 0xf30a, 4, -EIO},
        {"nor what it is of", false, 0, 0xf30a, 2, -EIO},
        {"an extent is not read", true, 0, 0xf30a, 3, -EIO},
    };
    enum { SIZE = 16384, MAX = (SIZE - 12) / 12 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *node;
        uint64_t block;
        uint32_t count;
        int status;

        victim = hand_open(SIZE, "/file");
        node = ext2_inode_of(victim)->in_inode;
        node_put(node, 1, 4, 1);
        link_put(node, 0, 0, hand_block);
        node = image + hand_block * SIZE;
        node_put(node, MAX, MAX, 0);
        for (unsigned k = 0; k < MAX; k++)
            extent_put(node, k, k, 1, 60 + k % 2);
        le32_put(node + SIZE - 4,
                 ext4_crc32c(ext4_inode_seed(victim), node, SIZE - 4));
        le16_put(node + rows[i].at, (uint16_t)rows[i].value);
        if (rows[i].no_sums)
            ext2_of(victim)->ro_compat &= ~(uint32_t)0x400;
        if (rows[i].bad_piece != 0)
            disk.bad_sector =
                hand_block * (SIZE / 512) + (rows[i].bad_piece - 1) * 8;
        status = ext2_bmap(victim, 1001, 1, &block, &count);
        ROW(rows[i].name, status == rows[i].status);
        ROW(rows[i].name, status != 0 || block == 61);
        ROW(rows[i].name,
            console_has("damaged extents") == (status == -EUCLEAN));
        hand_close(victim);
    }
}

/* The rest of an inode is not read. */
static void test_ext4_inode_is_not_read(void **state)
{
    struct inode *inode;

    (void)state;
    inode = hand_open(1024, "/file");
    disk.bad_sector = hand_block * 2;
    assert_int_equal(ext4_inode(inode, hand_block * 1024), -EIO);
    assert_false(console_has("damaged"));
    hand_close(inode);
}

/* ---- The journal --------------------------------------------------------- */

static void journal_image(void)
{
    image = ext2_image("-t ext4 -b 1024", ext2_small_tree(), 8192, &image_size);
}

static void read_file(uint8_t to[20000])
{
    struct file *file;

    assert_int_equal(file_open("/file", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, to, 20000), 20000);
    file_close(file);
}

/* The first block of /file. */
static uint64_t file_block(void)
{
    struct inode *inode;
    uint64_t block;
    uint32_t count;

    assert_int_equal(mount_image(), 0);
    assert_int_equal(vfs_walk("/file", true, &inode), 0);
    assert_int_equal(ext2_bmap(inode, 0, 1, &block, &count), 0);
    inode_put(inode);
    unmount_image();
    return block;
}

/* What we read of a volume with a journal to replay is what e2fsck makes of
 * it. */
static void test_journal_is_replayed(void **state)
{
    static const struct {
        const char *name;
        const char *script; /* of a block, one more, and %s */
        bool changes;
    } rows[] = {
        {"sums of version 3", "jo -c\njw -b %lu,%lu %%s\njc\n", true},
        {"sums of version 2", "jo -c -v 2\njw -b %lu,%lu %%s\njc\n", true},
        {"no sums", "jo\njw -b %lu,%lu %%s\njc\n", true},
        {"revoked later", "jo -c\njw -b %lu,%lu %%s\njw -r %lu,%lu\njc\n",
         false},
        {"revoked before", "jo -c\njw -r %lu,%lu\njw -b %lu,%lu %%s\njc\n",
         true},
    };
    static uint8_t before[20000], ours[20000], theirs[20000];
    uint8_t bytes[2048];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char script[200];
        uint64_t block;

        journal_image();
        block = file_block();
        assert_int_equal(mount_image(), 0);
        read_file(before);
        unmount_image();
        memset(bytes, 'J', sizeof(bytes));
        snprintf(script, sizeof(script), rows[i].script, block + 2, block + 5,
                 block + 2, block + 5);
        ext2_journal(image, image_size, script, bytes, sizeof(bytes));
        ROW(rows[i].name, (le32_get(image + 1024 + 96) & 4) != 0);
        ROW(rows[i].name, mount_image() == 0);
        read_file(ours);
        unmount_image();
        ext2_fsck(image, image_size, "-fy");
        assert_int_equal(mount_image(), 0);
        read_file(theirs);
        unmount_image();
        ROW(rows[i].name, memcmp(ours, theirs, sizeof(ours)) == 0);
        ROW(rows[i].name,
            (memcmp(ours, before, sizeof(ours)) != 0) == rows[i].changes);
        free(image);
    }
}

/* The block of the journal with a type; 0: a copy. */
static uint8_t *journal_block(uint32_t type)
{
    for (size_t at = 0; at < image_size; at += 1024) {
        uint8_t *block = image + at;

        if (type == 0
                ? memcmp(block, "JJJJ", 4) == 0
                : be32_get(block) == 0xc03b3998 && be32_get(block + 4) == type)
            return block;
    }
    fail_msg("the journal has no block of type %u", type);
    return NULL;
}

/* What does not end in a commit did not happen; what is committed and wrong is
 * damage. */
static void test_journal_damaged(void **state)
{
    static const struct {
        const char *name;
        uint32_t type; /* of the block */
        unsigned at;
        uint32_t value;
        int status;
        bool changes; /* the file */
    } rows[] = {
        {"intact", 2, 0, 0xc03b3998, 0, true},
        {"no commit", 2, 0, 0, 0, false},
        {"a commit of another one", 2, 8, 2, 0, false},
        {"sum of the commit", 2, 16, 1, 0, false},
        {"no descriptor", 1, 0, 0, 0, false},
        {"sum of the descriptor", 1, 1020, 1, 0, false},
        {"a type there is not", 1, 4, 9, 0, false},
        {"the copy is another", 0, 0, 1, -EUCLEAN, false},
        {"magic of the superblock", 4, 0, 0, -EUCLEAN, false},
        {"block size", 4, 12, 4096, -EUCLEAN, false},
        {"more blocks than the file", 4, 16, 100000, -EUCLEAN, false},
        {"the first is 0", 4, 20, 0, -EUCLEAN, false},
        {"start past the end", 4, 28, 1024, -EUCLEAN, false},
        {"a fast commit", 4, 40, 0x32, -ENOTSUP, false},
        {"sum of the superblock", 4, 252, 1, -EUCLEAN, false},
    };
    static uint8_t before[20000], ours[20000];
    uint8_t bytes[1024], *good;
    char script[100];
    uint64_t block;
    int status;

    (void)state;
    journal_image();
    block = file_block();
    assert_int_equal(mount_image(), 0);
    read_file(before);
    unmount_image();
    memset(bytes, 'J', sizeof(bytes));
    snprintf(script, sizeof(script), "jo -c\njw -b %lu %%s\njc\n", block);
    ext2_journal(image, image_size, script, bytes, sizeof(bytes));
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(image, good, image_size);
        be32_put(journal_block(rows[i].type) + rows[i].at, rows[i].value);
        status = mount_image();
        ROW(rows[i].name, status == rows[i].status);
        if (rows[i].status != 0) {
            ROW(rows[i].name, console_has("damaged volume: journal") ==
                                  (rows[i].status == -EUCLEAN));
            machine_detach();
            continue;
        }
        read_file(ours);
        ROW(rows[i].name,
            (memcmp(ours, before, sizeof(ours)) != 0) == rows[i].changes);
        unmount_image();
    }
    free(good);
    free(image);
}

/* Metadata in the journal: the inode table says that a file has other bits. */
static void test_journal_has_metadata(void **state)
{
    struct file_stat stat;
    char script[100];
    uint8_t block[1024];
    uint32_t number;
    size_t offset;

    (void)state;
    image = ext2_image("-t ext4 -b 1024 -O ^metadata_csum", ext2_small_tree(),
                       8192, &image_size);
    number = ext2_inode_of_path(image, image_size, "/file");
    /* Descriptors have 64 bytes: the table of the first group. */
    offset = (size_t)le32_get(image + 2048 + 8) * 1024 +
             (size_t)(number - 1) * le16_get(image + 1024 + 88);
    memcpy(block, image + offset / 1024 * 1024, 1024);
    le16_put(block + offset % 1024, 0x8000 | 04711);
    snprintf(script, sizeof(script), "jo\njw -b %zu %%s\njc\n", offset / 1024);
    ext2_journal(image, image_size, script, block, sizeof(block));
    assert_int_equal(mount_image(), 0);
    assert_true(console_has("ext4: 1 blocks are read from the journal\n"));
    assert_int_equal(file_stat("/file", false, &stat), 0);
    assert_int_equal(stat.mode, 04711);
    unmount_image();
    free(image);
}

/* ---- Journals written by hand -------------------------------------------- */

/*
 * A block: a descriptor of `count` tags 'd', of one 'o' for a block outside the
 * volume, or 'f' full of tags none of which is the last; copies 'c';
 * revocations 'r', 'x' with a wrong sum, 'e' with a wrong end; a commit 'k'.
 */
struct jblock {
    char kind;
    uint32_t sequence;
    uint32_t count;
};

static uint8_t *ring;
static uint32_t ring_features, ring_seed;

enum { J64 = 2, JV2 = 8, JV3 = 16 };

static void ring_sum(uint8_t *block, unsigned at)
{
    if ((ring_features & (JV2 | JV3)) != 0)
        be32_put(block + at, ext4_crc32c(ring_seed, block, 1024));
}

static unsigned tag_put(uint8_t *tag, uint64_t block, unsigned flags,
                        uint32_t sequence, const uint8_t *copy)
{
    unsigned size = 8;
    uint8_t number[4];
    uint32_t crc;

    be32_put(number, sequence);
    crc = ext4_crc32c(ext4_crc32c(ring_seed, number, 4), copy, 1024);
    be32_put(tag, (uint32_t)block);
    if ((ring_features & JV3) != 0) {
        be32_put(tag + 4, flags);
        be32_put(tag + 8, (uint32_t)(block >> 32));
        be32_put(tag + 12, crc);
        size = 16;
    } else {
        be16_put(tag + 4, (uint16_t)((ring_features & JV2) != 0 ? crc : 0));
        be16_put(tag + 6, (uint16_t)flags);
        if ((ring_features & J64) != 0) {
            be32_put(tag + 8, (uint32_t)(block >> 32));
            size += 4;
        }
        size += (ring_features & JV2) != 0 ? 2 : 0;
    }
    return size + ((flags & 2) != 0 ? 0 : 16);
}

static void descriptor_put(uint8_t *block, const struct jblock *what,
                           uint64_t target)
{
    unsigned count = what->kind == 'd' ? what->count : 1;
    unsigned at = 12;

    for (unsigned i = 0; what->kind == 'f' ? at + 16 <= 1020 : i < count; i++) {
        unsigned flags = i > 0 ? 2 : 0; /* the first says a UUID */

        if (what->kind != 'f' && i + 1 == count)
            flags |= 8;
        at += tag_put(block + at, what->kind == 'o' ? 8192 : target + i, flags,
                      what->sequence, block + 1024 * (size_t)(i + 1));
    }
}

static void revocations_put(uint8_t *block, const struct jblock *what,
                            uint64_t target)
{
    unsigned each = (ring_features & J64) != 0 ? 8 : 4;

    be32_put(block + 12, what->kind == 'e' ? 1025 : 16 + each * what->count);
    for (unsigned i = 0; i < what->count; i++)
        be32_put(block + 16 + i * each + each - 4, (uint32_t)target + i);
}

static void block_put(uint8_t *block, const struct jblock *what,
                      uint64_t target)
{
    memset(block, 0, 1024);
    be32_put(block, 0xc03b3998);
    be32_put(block + 8, what->sequence);
    if (what->kind == 'k') {
        be32_put(block + 4, 2);
        ring_sum(block, 16);
    } else if (strchr("rxe", what->kind) != NULL) {
        be32_put(block + 4, 5);
        revocations_put(block, what, target);
        ring_sum(block, 1020);
        block[1020] ^= what->kind == 'x';
    } else {
        be32_put(block + 4, 1);
        descriptor_put(block, what, target);
        ring_sum(block, 1020);
    }
}

/* Block `at` of a script of words like "d12": kind, sequence, count. Returns
 * false at its end. */
static bool jblock_of(const char *script, unsigned at, struct jblock *out)
{
    for (; at > 0 && script != NULL; at--) {
        script = strchr(script, ' ');
        script += script != NULL;
    }
    *out = (struct jblock){.kind = ' '};
    if (script != NULL && sscanf(script, "%c%1u%1u", &out->kind, &out->sequence,
                                 &out->count) >= 1)
        return true;
    return false;
}

/* Write a journal, whose first block is 1, to an image without checksums. */
static void ring_put(const char *script, uint32_t features,
                     uint32_t ring_blocks, uint64_t target)
{
    uint8_t *raw = image + ext2_inode_offset(image, 8);
    struct jblock what;

    /* It gets all into one extent, the longest there is. */
    for (unsigned i = 1; i < le16_get(raw + 40 + 2); i++)
        if (le16_get(raw + 52 + i * 12 + 4) > le16_get(raw + 52 + 4))
            memcpy(raw + 52, raw + 52 + (size_t)i * 12, 12);
    assert_true(le16_get(raw + 52 + 4) > 100);
    le16_put(raw + 40 + 2, 1);
    le32_put(raw + 52, 0);
    ring = image + (size_t)1024 * le32_get(raw + 52 + 8);
    if (ring != journal_block(4))
        memcpy(ring, journal_block(4), 1024);
    ring_features = features;
    ring_seed = ext4_crc32c(UINT32_MAX, ring + 48, 16);
    assert_int_equal(be32_get(ring + 4), 4);
    be32_put(ring + 16, ring_blocks);
    be32_put(ring + 24, 1);
    be32_put(ring + 28, 1);
    be32_put(ring + 40, features);
    be32_put(ring + 252, 0);
    be32_put(ring + 252, ext4_crc32c(UINT32_MAX, ring, 1024));
    for (unsigned i = 0; jblock_of(script, i, &what); i++)
        if (what.kind == 'c') /* before sums are made of them */
            memset(ring + 1024 * (size_t)(i + 1), 'J', 1024);
    for (unsigned i = 0; jblock_of(script, i, &what); i++)
        if (what.kind != 'c')
            block_put(ring + 1024 * (size_t)(i + 1), &what, target);
    le32_put(image + 1024 + 96, le32_get(image + 1024 + 96) | 4);
}

static void plain_image(void)
{
    image = ext2_image("-t ext4 -b 1024 -O ^metadata_csum", ext2_small_tree(),
                       8192, &image_size);
}

static void test_journal_by_hand(void **state)
{
    static const struct {
        const char *name;
        uint32_t features;
        uint32_t blocks; /* of the ring, with its superblock */
        const char *ring;
        int status;
        unsigned copies;
    } rows[] = {
        {"numbers of 32 bits", 0, 1024, "d12 c c k1", 0, 2},
        {"of 64", J64, 1024, "d12 c c k1", 0, 2},
        {"sums of version 2", JV2, 1024, "d12 c c k1", 0, 2},
        {"and 64", JV2 | J64, 1024, "d12 c c k1", 0, 2},
        {"sums of version 3", JV3, 1024, "d12 c c k1", 0, 2},
        {"the same block twice", 0, 1024, "d11 c k1 d21 c k2", 0, 1},
        {"the second has no commit", 0, 1024, "d11 c k1 d22 c c", 0, 1},
        {"revoked, 32 bits", 0, 1024, "d12 c c k1 r21 k2", 0, 1},
        {"revoked, 64 bits", J64, 1024, "d12 c c k1 r22 k2", 0, 0},
        {"revoked with a sum", JV3, 1024, "d12 c c k1 r21 k2", 0, 1},
        {"revoked with a wrong sum", JV3, 1024, "d12 c c k1 x21 k2", 0, 2},
        {"revocations past the block", 0, 1024, "d12 c c k1 e21 k2", 0, 2},
        {"a block outside the volume", 0, 1024, "o11 c k1", -EUCLEAN, 0},
        {"as long as the ring", 0, 5, "d12 c c k1", 0, 2},
        {"longer than it", 0, 5, "d14 c c c", 0, 0},
        {"around it", 0, 4, "r11 r11 r11", 0, 0},
        {"a full descriptor", JV3, 1024, "f10", 0, 0},
    };
    static uint8_t before[20000], after[20000];
    uint64_t block;
    uint8_t *good;
    char message[60];

    (void)state;
    plain_image();
    block = file_block();
    assert_int_equal(mount_image(), 0);
    read_file(before);
    unmount_image();
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(image, good, image_size);
        ring_put(rows[i].ring, rows[i].features, rows[i].blocks, block);
        ROW(rows[i].name, mount_image() == rows[i].status);
        if (rows[i].status != 0) {
            ROW(rows[i].name, console_has("damaged volume: journal"));
            machine_detach();
            continue;
        }
        snprintf(message, sizeof(message),
                 "ext4: %u blocks are read from the journal\n", rows[i].copies);
        ROW(rows[i].name, console_has(message));
        read_file(after);
        ROW(rows[i].name, (memcmp(before, after, sizeof(after)) != 0) ==
                              (rows[i].copies > 0));
        unmount_image();
    }
    free(good);
    free(image);
}

/* A descriptor without a last tag ends where no tag fits in; more tags than the
 * least table has places for. */
static void test_journal_of_many(void **state)
{
    static const struct jblock full = {'f', 1, 0};
    static const struct jblock commit = {'k', 1, 0};
    struct ext2_walk walk;
    uint64_t block;
    unsigned tags = (1020 - 12 - 16) / 16;

    (void)state;
    plain_image();
    block = file_block();
    ring_put("f10", JV3, 1024, block);
    /* They change nothing: copies of what is there. */
    memcpy(ring + 2048, image + block * 1024, (size_t)tags * 1024);
    block_put(ring + 1024, &full, block);
    block_put(ring + 1024 * (size_t)(2 + tags), &commit, block);
    assert_int_equal(mount_image(), 0);
    assert_true(console_has("ext4: 62 blocks are read from the journal\n"));
    ext2_walk_all(&walk);
    assert_int_equal(walk.errors, 0);
    unmount_image();
    free(image);
}

/* What leads to the journal, and its superblock. */
static void test_journal_is_not_found(void **state)
{
    static const struct {
        const char *name;
        enum { SUPER, INODE, RING } where;
        unsigned at;
        uint32_t value;
        int status;
        const char *message;
    } rows[] = {
        {"intact", SUPER, 224, 8, 0, "1 blocks are read"},
        {"no inode", SUPER, 224, 0, -EUCLEAN, "inode of the journal"},
        {"an inode there is not", SUPER, 224, 99999, -EUCLEAN,
         "inode of the journal"},
        {"an unused inode", SUPER, 224, 7 + 30, -EUCLEAN, "volume: journal"},
        {"a directory", SUPER, 224, 2, -EUCLEAN, "volume: journal"},
        {"no block", INODE, 40, 0xf30a, -EUCLEAN, "volume: journal"},
        {"bad extents", INODE, 40, 0, -EUCLEAN, "volume: journal"},
        {"a hole", INODE, 56, 2, -EUCLEAN, "volume: journal"},
        {"nothing to replay", RING, 28, 0, 0, "0 blocks are read"},
        {"of version 1", RING, 4, 3, 0, "1 blocks are read"},
        {"of no version", RING, 4, 9, -EUCLEAN, "volume: journal"},
        {"more blocks than the volume", RING, 16, 9000, -EUCLEAN,
         "volume: journal"},
        {"the first is past the end", RING, 20, 1024, -EUCLEAN,
         "volume: journal"},
        {"it starts before the first", RING, 20, 2, -EUCLEAN,
         "volume: journal"},
    };
    uint64_t block;
    uint8_t *good;
    size_t inode;

    (void)state;
    plain_image();
    block = file_block();
    ring_put("d11 c k1", 0, 1024, block);
    inode = ext2_inode_offset(image, 8);
    le32_put(image + inode + 108, 1); /* the journal's inode: 4 GiB and more */
    good = malloc(image_size);
    memcpy(good, image, image_size);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(image, good, image_size);
        if (rows[i].where == SUPER)
            le32_put(image + 1024 + rows[i].at, rows[i].value);
        else if (rows[i].where == INODE)
            le32_put(image + inode + rows[i].at, rows[i].value);
        else
            be32_put(ring + rows[i].at, rows[i].value);
        ROW(rows[i].name, mount_image() == rows[i].status);
        ROW(rows[i].name, console_has(rows[i].message));
        if (rows[i].status == 0)
            assert_int_equal(file_unmount("/"), 0);
        machine_detach();
    }
    /* The copy is where the journal has a hole. */
    memcpy(image, good, image_size);
    le16_put(image + inode + 40 + 2, 2);
    le16_put(image + inode + 40 + 12 + 4, 2);
    memcpy(image + inode + 64, image + inode + 52, 12);
    le32_put(image + inode + 64, 3);
    le32_put(image + inode + 64 + 8, le32_get(image + inode + 52 + 8) + 3);
    assert_int_equal(mount_image(), -EUCLEAN);
    assert_true(console_has("volume: journal"));
    machine_detach();
    free(good);
    free(image);
}

/* ---- Failing on the way -------------------------------------------------- */

static void sweep_image(void)
{
    image = ext2_image("-t ext4 -b 1024 -I 256 -O inline_data,^has_journal",
                       ext2_small_tree(), 1024, &image_size);
}

/* With a journal that has a copy of a block of /file, and a revocation. */
static void sweep_image_with_journal(void)
{
    uint64_t block;

    plain_image();
    block = file_block();
    ring_put("d12 c c k1 r21 k2", JV3, 1024, block);
}

/* What the CPU makes once is there. */
static void warm_up(void)
{
    struct ext2_walk walk;

    assert_int_equal(mount_image(), 0);
    ext2_walk_all(&walk);
    assert_int_equal(walk.errors, 0);
    assert_int_equal(file_unmount("/"), 0);
}

/* From the n-th request on the disk is gone: somebody must hear of it. */
static void io_error_sweep(void)
{
    unsigned n = 1;

    for (;; n++) {
        struct mem_stats before, after;
        struct ext2_walk walk = {.errors = 0};
        int status;

        warm_up();
        mem_get_stats(&before);
        disk.fail_from = n;
        status = file_mount(&disk.block.device, "/", NULL);
        if (status == 0) {
            ext2_walk_all(&walk);
            assert_int_equal(file_unmount("/"), 0);
        }
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
        machine_detach();
        if (disk.failures == 0)
            break;
        assert_int_equal(status != 0 ? status : walk.first_error, -EIO);
        assert_false(console_has("damaged"));
    }
    assert_true(n > 8);
    free(image);
}

static void test_ext4_io_error_sweep(void **state)
{
    (void)state;
    sweep_image();
    io_error_sweep();
    sweep_image_with_journal();
    io_error_sweep();
}

static void out_of_memory_sweep(void)
{
    warm_up();
    assert_true(walks_without_memory(&disk.block.device) > 20);
    machine_detach();
    free(image);
}

static void test_ext4_out_of_memory_sweep(void **state)
{
    (void)state;
    sweep_image();
    out_of_memory_sweep();
    sweep_image_with_journal();
    out_of_memory_sweep();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ext4_checksums),
        cmocka_unit_test(test_ext4_shapes),
        cmocka_unit_test(test_extents_in_the_inode),
        cmocka_unit_test(test_extents_in_a_tree),
        cmocka_unit_test(test_extents_damaged),
        cmocka_unit_test(test_inline_data),
        cmocka_unit_test(test_ext4_attributes),
        cmocka_unit_test(test_directory_blocks),
        cmocka_unit_test(test_directory_block_of_another),
        cmocka_unit_test(test_extents_sums_and_errors),
        cmocka_unit_test(test_ext4_inode_is_not_read),
        cmocka_unit_test(test_ext4_superblock_damaged),
        cmocka_unit_test(test_ext4_inode_flags),
        cmocka_unit_test(test_journal_is_replayed),
        cmocka_unit_test(test_journal_has_metadata),
        cmocka_unit_test(test_journal_damaged),
        cmocka_unit_test(test_journal_by_hand),
        cmocka_unit_test(test_journal_of_many),
        cmocka_unit_test(test_journal_is_not_found),
        cmocka_unit_test(test_ext4_io_error_sweep),
        cmocka_unit_test(test_ext4_out_of_memory_sweep),
        cmocka_unit_test(test_ext4_checksums_are_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
