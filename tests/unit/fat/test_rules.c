/*
 * What is particular to FAT for who uses it: spelling, attributes, numbers of
 * inodes, limits, what the volume says of itself.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/cache/cache_internal.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/fakes/root_mount.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

static const struct file_system *const file_systems[] = {&fat_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;

static void attach(void)
{
    machine_attach(16 << 20);
    vfs_init(file_systems);
    ramblk_init(&disk, image, image_size);
    console_forget();
}

static void mount(void)
{
    attach();
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
}

static void unmount(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

static void again(void)
{
    unmount();
    mount();
}

static void begin(const char *options, unsigned kib)
{
    image = fat_image(options, NULL, kib, &image_size);
    mount();
}

/* Nothing is wrong with what has been written. */
static void end(void)
{
    unmount();
    assert_int_equal(fat_fsck(image, image_size, false), 0);
    free(image);
}

static int setup(void **state)
{
    (void)state;
    begin("-F 16 -s 1", 4000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end();
    return 0;
}

/* ---- Shorthand ----------------------------------------------------------- */

static int make(const char *path, unsigned flags)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE | FILE_CREATE | flags, 0644, &file);

    if (status == 0)
        file_close(file);
    return status;
}

static void put(const char *path, const char *text)
{
    struct file *file;

    assert_int_equal(file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file), 0);
    assert_int_equal(file_write(file, text, strlen(text)), strlen(text));
    file_close(file);
}

static void reads(const char *path, const char *text)
{
    char bytes[100] = {0};
    struct file *file;

    assert_int_equal(file_open(path, FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, bytes, sizeof(bytes) - 1), strlen(text));
    file_close(file);
    assert_string_equal(bytes, text);
}

static int64_t number(const char *path)
{
    struct file_stat stat;
    int status = file_stat(path, false, &stat);

    return status != 0 ? status : (int64_t)stat.inode;
}

/* The names of a directory in its order, with a blank behind each. */
static const char *names(const char *path)
{
    static char text[2000];
    struct dir_entry entry;
    struct file *dir;

    text[0] = '\0';
    assert_int_equal(file_open(path, FILE_READ, 0, &dir), 0);
    while (dir_read(dir, &entry) == 1) {
        char child[600];

        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        strcat(strcat(text, entry.name), " ");
        snprintf(child, sizeof(child), "%s/%s", path, entry.name);
        assert_int_equal(number(child), entry.inode);
    }
    file_close(dir);
    return text;
}

/* ---- Spelling ------------------------------------------------------------ */

static void test_case_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(number("/foo.txt"), -ENOENT);
    put("/Foo.txt", "1");
    assert_string_equal(names("/"), "Foo.txt ");
    assert_true(number("/foo.txt") > 0);
    assert_int_equal(number("/FOO.TXT"), number("/foo.txt"));
    assert_int_equal(make("/fOO.txt", FILE_EXCLUSIVE), -EEXIST);
    reads("/FOO.txt", "1");
    assert_int_equal(file_unlink("/foo.TXT"), 0);
    assert_int_equal(number("/Foo.txt"), -ENOENT);
    assert_int_equal(number("/FOO.TXT"), -ENOENT);
    assert_int_equal(number("/foo.txt"), -ENOENT);
    put("/\xc3\x84pfel und mehr", "2");
    reads("/\xc3\xa4PFEL UND MEHR", "2");
}

static void test_short_name_leads_to_it_too(void **state)
{
    (void)state;
    put("/A Long Name.txt", "1");
    put("/A Long Name.text", "2");
    put("/A Long Name two.txt", "3");
    assert_int_equal(number("/ALONGN~1.TXT"), number("/a long name.txt"));
    assert_int_equal(number("/alongn~1.tex"), number("/a long name.text"));
    assert_int_equal(number("/alongn~2.txt"), number("/a long name two.txt"));
    assert_int_equal(number("/alongn~2.tex"), -ENOENT);
    assert_int_equal(make("/alongn~1.txt", FILE_EXCLUSIVE), -EEXIST);
    assert_int_equal(file_unlink("/ALONGN~1.TXT"), 0);
    assert_string_equal(names("/"), "A Long Name.text A Long Name two.txt ");
    assert_int_equal(number("/a long name.txt"), -ENOENT);
}

static void test_names_are_spelled_another_way(void **state)
{
    int64_t before;

    (void)state;
    put("/foo", "1");
    before = number("/foo");
    assert_int_equal(file_rename("/foo", "/FOO", 0), 0);
    assert_string_equal(names("/"), "FOO ");
    assert_int_equal(number("/foo"), before);
    assert_int_equal(file_rename("/fOO", "/Foo", FILE_RENAME_NOREPLACE), 0);
    assert_string_equal(names("/"), "Foo ");
    assert_int_equal(file_rename("/Foo", "/Foo", 0), 0);
    assert_int_equal(file_rename("/Foo", "/Foo", FILE_RENAME_NOREPLACE),
                     -EEXIST);
    assert_string_equal(names("/"), "Foo ");
    assert_int_equal(file_mkdir("/dir", 0755), 0);
    put("/dir/in", "2");
    assert_int_equal(file_rename("/dir", "/DiR", 0), 0);
    reads("/dir/IN", "2");
    assert_int_equal(file_rename("/foo", "/a longer name", 0), 0);
    assert_int_equal(file_rename("/ALONGE~1", "/A LONGER NAME", 0), 0);
    assert_string_equal(names("/"), "A LONGER NAME DiR ");
    again();
    assert_string_equal(names("/"), "A LONGER NAME DiR ");
    reads("/a longer name", "1");
}

static void test_replaced_whatever_the_spelling(void **state)
{
    (void)state;
    put("/one", "1");
    put("/Two", "2");
    assert_int_equal(file_rename("/ONE", "/two", FILE_RENAME_NOREPLACE),
                     -EEXIST);
    assert_int_equal(file_rename("/ONE", "/two", 0), 0);
    assert_string_equal(names("/"), "Two ");
    reads("/TWO", "1");
    assert_int_equal(number("/one"), -ENOENT);
    put("/one", "3");
    assert_int_equal(file_rename("/ONE", "/two", FILE_RENAME_EXCHANGE), 0);
    reads("/one", "1");
    reads("/two", "3");
}

static void test_names_that_are_none(void **state)
{
    static const char *const bad[] = {
        "/a:b", "/a*", "/\x01", "/a\xff", "/\xed\xa0\x80", "/...", "/ "};

    (void)state;
    put("/f", "1");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(make(bad[i], 0), -EINVAL);
        assert_int_equal(file_mkdir(bad[i], 0755), -EINVAL);
        assert_int_equal(file_rename("/f", bad[i], 0), -EINVAL);
        assert_int_equal(number(bad[i]), -ENOENT);
        assert_int_equal(file_unlink(bad[i]), -ENOENT);
    }
    put("/x. . ", "2");
    assert_string_equal(names("/"), "f x ");
    reads("/x", "2");
    reads("/x...", "2");
    assert_int_equal(file_unlink("/x."), 0);
    assert_int_equal(number("/x"), -ENOENT);
}

static void test_many_names_that_begin_alike(void **state)
{
    char path[60];

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/d/they begin alike %u", i);
        assert_int_equal(make(path, FILE_EXCLUSIVE), 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/d/they begin alike %u", i);
        assert_true(number(path) > 0);
    }
    for (unsigned i = 0; i < 200; i += 2) {
        snprintf(path, sizeof(path), "/d/THEY begin alike %u", i);
        assert_int_equal(file_unlink(path), 0);
    }
}

static uint64_t slots_looked_at(void)
{
    const struct fat_fs *fs = root_mount()->fs_data;

    return fs->slots_of_names;
}

/* Make names first .. end-1; how many slots were looked at for it. */
static uint64_t make_names(unsigned first, unsigned end)
{
    uint64_t before = slots_looked_at();
    char path[60];

    for (unsigned i = first; i < end; i++) {
        snprintf(path, sizeof(path), "/d/a name of some length %u", i);
        assert_int_equal(make(path, FILE_EXCLUSIVE), 0);
    }
    return slots_looked_at() - before;
}

static void check_names(unsigned count, unsigned step)
{
    char path[60];

    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/d/A NAME of some length %u", i);
        if (i % step == 0)
            assert_true(number(path) > 0);
        else
            assert_int_equal(number(path), -ENOENT);
    }
}

static void test_large_directory_in_proportion(void **state)
{
    enum { NAMES = 1500 };
    uint64_t first, second;
    char path[60];

    (void)state;
    end();
    begin("-F 32 -s 1", 35000);
    assert_int_equal(file_mkdir("/d", 0755), 0);
    (void)make_names(0, NAMES / 2);
    first = make_names(NAMES / 2, NAMES);
    second = make_names(NAMES, 2 * NAMES);
    assert_in_range(second, 0, 3 * first + 1000);
    check_names(2 * NAMES, 1);
    again();
    check_names(2 * NAMES, 1);
    for (unsigned i = 0; i < 2 * NAMES; i++) {
        if (i % 3 == 0)
            continue;
        snprintf(path, sizeof(path), "/d/a NAME of some length %u", i);
        assert_int_equal(file_unlink(path), 0);
    }
    check_names(2 * NAMES, 3);
    for (unsigned i = 0; i < 200; i++) { /* where others were, too */
        snprintf(path, sizeof(path), "/d/other %u", i);
        assert_int_equal(make(path, FILE_EXCLUSIVE), 0);
        assert_int_equal(make(path, FILE_EXCLUSIVE), -EEXIST);
    }
    check_names(2 * NAMES, 3);
    assert_int_equal(file_rename("/d/other 7", "/d/OTHER 7", 0), 0);
    vfs_check();
    again();
    check_names(2 * NAMES, 3);
    assert_true(number("/d/other 199") > 0);
}

/* Each allocation fails once, with the index to be made, or to grow. */
static void test_large_directory_without_memory(void **state)
{
    char path[60];

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    (void)make_names(0, 400);
    for (unsigned n = 1; n < 400; n++) {
        int status;

        if (n < 30)
            again();
        snprintf(path, sizeof(path), "/d/without memory %u", n);
        heap_fail(n < 30 ? n : n % 9 + 1);
        status = make(path, FILE_EXCLUSIVE);
        heap_fail(0);
        assert_true(status == 0 || status == -ENOMEM);
        assert_true((number(path) > 0) == (status == 0));
    }
    vfs_check();
    check_names(400, 1);
}

/* Free slots that are too few for a name are left when a directory grows. */
static void test_holes_of_a_large_directory(void **state)
{
    char path[60];

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    for (unsigned i = 0; i < 1200; i++) {
        snprintf(path, sizeof(path), "/d/F%u", i);
        assert_int_equal(make(path, FILE_EXCLUSIVE), 0);
    }
    for (unsigned i = 0; i < 1200; i += 2) {
        snprintf(path, sizeof(path), "/d/F%u", i);
        assert_int_equal(file_unlink(path), 0);
    }
    (void)make_names(0, 100);
    check_names(100, 1);
    for (unsigned i = 0; i < 1200; i++) {
        snprintf(path, sizeof(path), "/d/F%u", i);
        assert_true((number(path) > 0) == (i % 2 == 1));
        assert_int_equal(make(path, 0), 0);
    }
    vfs_check();
}

/* Up to the last slot that a directory may have. */
static void test_directory_of_65536_slots(void **state)
{
    char path[300] = "/d/";
    unsigned count = 0;

    (void)state;
    end();
    begin("-F 32 -s 8", 8000);
    assert_int_equal(file_mkdir("/d", 0755), 0);
    memset(path + 3, 'n', 255);
    do
        snprintf(path + 3 + 250, 6, "%05u", count);
    while (make(path, FILE_EXCLUSIVE) == 0 && ++count < 4000);
    assert_int_equal(count, (65536 - 2) / 21);
    assert_int_equal(make("/d/a short one", 0), 0);
    assert_int_equal(make("/d/a long one, which has more parts", 0), 0);
    while (make(path, FILE_EXCLUSIVE) == 0)
        count++;
    assert_int_equal(count, (65536 - 2) / 21);
}

/* A name whose parts are damaged: the short one is left, and a new entry takes
 * the place of the parts. */
static void test_parts_of_nothing(void **state)
{
    (void)state;
    put("/a rather long name of some parts", "1");
    put("/B", "2");
    unmount();
    for (size_t at = 0; at + 32 < image_size; at += 32) {
        if (image[at + 11] == 0x0f && image[at] == 0x43)
            image[at + 13] ^= 0xff;
    }
    mount();
    assert_string_equal(names("/"), "ARATHE~1 B ");
    assert_int_equal(number("/a rather long name of some parts"), -ENOENT);
    put("/another name here", "3");
    put("/C", "4");
    assert_string_equal(names("/"), "another name here ARATHE~1 B C ");
    reads("/arathe~1", "1");
}

/* ---- Attributes ---------------------------------------------------------- */

static void test_what_fat_has_not(void **state)
{
    (void)state;
    put("/f", "1");
    assert_int_equal(file_link("/f", "/g"), -EPERM);
    assert_int_equal(file_symlink("f", "/g"), -EPERM);
    assert_int_equal(file_make_node("/g", FILE_FIFO, 0644, 0), -EPERM);
    assert_int_equal(file_chown("/f", true, 0, 5), -EPERM);
    assert_int_equal(file_chown("/f", true, 5, 0), -EPERM);
    assert_int_equal(file_chown("/f", true, 0, 0), 0);
    assert_int_equal(file_xattr_set("/f", true, "user.a", "b", 1, 0), -ENOTSUP);
    assert_string_equal(names("/"), "f ");
}

static uint32_t mode(const char *path)
{
    struct file_stat stat;

    assert_int_equal(file_stat(path, true, &stat), 0);
    return stat.mode;
}

static void test_read_only_is_a_mode(void **state)
{
    (void)state;
    put("/f", "1");
    assert_int_equal(file_mkdir("/d", 0500), 0);
    assert_int_equal(mode("/f"), 0755);
    assert_int_equal(mode("/d"), 0755);
    assert_int_equal(file_chmod("/f", true, 0400), 0);
    assert_int_equal(mode("/f"), 0555);
    assert_int_equal(file_chmod("/d", true, 0), 0);
    assert_int_equal(mode("/d"), 0755);
    again();
    assert_int_equal(mode("/f"), 0555);
    unmount();
    fat_mtools(image, image_size, "mattrib -r -i IMAGE ::/F");
    mount();
    assert_int_equal(mode("/f"), 0755);
    assert_int_equal(file_chmod("/f", true, 0), 0);
    assert_int_equal(file_chmod("/f", true, 0200), 0);
    again();
    assert_int_equal(mode("/f"), 0755);
}

static void test_options(void **state)
{
    const struct fat_options options = {.uid = 7, .gid = 8, .umask = 077};
    struct file_stat stat;

    (void)state;
    put("/f", "1");
    unmount();
    attach();
    assert_int_equal(file_mount_fat(&disk.block.device, "/", &options), 0);
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.uid, 7);
    assert_int_equal(stat.gid, 8);
    assert_int_equal(stat.mode, 0700);
    assert_int_equal(stat.links, 1);
    assert_int_equal(file_chown("/f", true, 7, 8), 0);
    put("/g", "1");
    assert_int_equal(file_stat("/g", true, &stat), 0);
    assert_int_equal(stat.uid, 7);
    assert_int_equal(stat.mode, 0700);
}

static void test_times_as_far_as_they_go(void **state)
{
    const struct file_time odd = {1709251201, 5}, far = {9000000000, 0};
    struct file_stat stat;

    (void)state;
    put("/f", "1");
    put("/g", "1");
    assert_int_equal(file_set_times("/f", true, odd, odd), 0);
    assert_int_equal(file_set_times("/g", true, far, far), 0);
    again();
    assert_int_equal(file_stat("/f", true, &stat), 0);
    assert_int_equal(stat.mtime.s, 1709251200);
    assert_int_equal(stat.atime.s, 1709251200);
    assert_int_equal(stat.ctime.s, 1709251200); /* FAT has none */
    assert_int_equal(stat.btime.s % 10 >= 0, 1);
    assert_int_equal(file_stat("/g", true, &stat), 0);
    assert_int_equal(stat.mtime.s, 4354819198);
}

/* ---- Numbers of inodes --------------------------------------------------- */

static void test_an_inode_keeps_its_number(void **state)
{
    struct file *file;
    int64_t first;
    char byte;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    put("/a", "1");
    first = number("/a");
    assert_int_equal(file_rename("/a", "/d/b", 0), 0);
    assert_int_equal(number("/d/b"), first);
    put("/a", "2"); /* where the other one was */
    assert_true(number("/a") != first);
    put("/c", "3");
    vfs_check();
    reads("/d/b", "1");
    reads("/a", "2");
    assert_int_equal(file_rename("/d/b", "/a", 0), 0);
    assert_int_equal(number("/a"), first);
    /* Removed while it is open. */
    assert_int_equal(file_open("/a", FILE_READ, 0, &file), 0);
    assert_int_equal(file_unlink("/a"), 0);
    put("/a", "4");
    assert_true(number("/a") != first);
    assert_int_equal(file_read(file, &byte, 1), 1);
    assert_int_equal(byte, '1');
    vfs_check();
    file_close(file);
    assert_string_equal(names("/"), "d a c ");
    again();
    assert_string_equal(names("/"), "d a c ");
}

static void test_up_from_where_nobody_has_been(void **state)
{
    struct inode *dir, *up;
    int64_t want;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_mkdir("/d/a longer name", 0755), 0);
    assert_int_equal(file_mkdir("/d/a longer name/f", 0755), 0);
    again();
    want = number("/d/a longer name");
    assert_int_equal(vfs_walk("/d/a longer name/f", true, &dir), 0);
    dentries_shrink(dir->mount, 0);
    inodes_shrink(dir->mount, 0, true);
    assert_int_equal(dir->mount->inodes.count, 2); /* and the root */
    assert_int_equal(fat_lookup(dir, &(struct name){"..", 2, 0}, &up), 0);
    assert_int_equal(up->number, want);
    inode_put(dir);
    vfs_check();
    dentries_shrink(up->mount, 0);
    inodes_shrink(up->mount, 0, true);
    assert_int_equal(fat_lookup(up, &(struct name){"..", 2, 0}, &dir), 0);
    assert_int_equal(dir->number, number("/d"));
    inode_put(up);
    assert_int_equal(fat_lookup(dir, &(struct name){"..", 2, 0}, &up), 0);
    assert_int_equal(up->number, FAT_ROOT_NUMBER);
    inode_put(dir);
    inode_put(up);
    /* With its entry known it can be renamed. */
    assert_int_equal(file_rename("/d/a longer name", "/x", 0), 0);
    assert_int_equal(number("/x"), want);
}

/* ---- Limits -------------------------------------------------------------- */

static void test_root_of_fixed_size(void **state)
{
    char path[40];
    unsigned count = 0;

    (void)state;
    do
        snprintf(path, sizeof(path), "/F%u", count);
    while (make(path, FILE_EXCLUSIVE) == 0 && ++count < 2000);
    assert_int_equal(count, 512);
    assert_int_equal(make("/one more", 0), -ENOSPC);
    assert_int_equal(file_rename("/F1", "/LONGER NAME", 0), -ENOSPC);
    assert_int_equal(file_unlink("/F7"), 0);
    assert_int_equal(make("/one more", 0), -ENOSPC); /* two slots */
    assert_int_equal(make("/MORE", 0), 0);
}

static void test_files_of_4_gib(void **state)
{
    struct file *file;

    (void)state;
    assert_int_equal(make("/f", 0), 0);
    assert_int_equal(file_open("/f", FILE_WRITE, 0, &file), 0);
    assert_int_equal(file_truncate(file, UINT64_C(1) << 32), -EFBIG);
    assert_int_equal(file_write_at(file, "x", 1, 0xffffffff), -EFBIG);
    assert_int_equal(file_allocate(file, 0, UINT64_C(1) << 32, 0), -EFBIG);
    assert_int_equal(file_truncate(file, 0xffffffff), -ENOSPC);
    assert_int_equal(file_write_at(file, "x", 1, 0xfffffffe), -ENOSPC);
    assert_int_equal(file_allocate(file, 0, 100000, FILE_KEEP_SIZE), -ENOTSUP);
    assert_int_equal(file_allocate(file, 0, 100000, 0), 0);
    assert_int_equal(file_seek(file, 0, FILE_SEEK_HOLE), 100000);
    assert_int_equal(file_seek(file, 0, FILE_SEEK_DATA), 0);
    assert_int_equal(
        file_allocate(file, 0, 1000, FILE_PUNCH_HOLE | FILE_KEEP_SIZE),
        -ENOTSUP);
    file_close(file);
}

static void test_removed_and_open_until_closed(void **state)
{
    struct file_fs_stat before, now;
    struct file_stat stat;
    struct file *file;
    char bytes[3000] = {1};

    (void)state;
    assert_int_equal(file_stat_fs("/", &before), 0);
    assert_int_equal(
        file_open("/f", FILE_READ | FILE_WRITE | FILE_CREATE, 0644, &file), 0);
    assert_int_equal(file_write(file, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(file_write(file, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.blocks, 12); /* before they have places */
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.blocks, 12);
    assert_int_equal(file_read_at(file, bytes, sizeof(bytes), 0),
                     sizeof(bytes));
    assert_int_equal(file_stat_fs("/", &now), 0);
    assert_int_equal(now.blocks_free, before.blocks_free - 12);
    file_close(file);
    assert_int_equal(file_stat_fs("/", &now), 0);
    assert_int_equal(now.blocks_free, before.blocks_free);
    assert_int_equal(now.blocks, before.blocks);
    assert_int_equal(now.block_bytes, 512);
}

/* Let time pass, and the flusher do what is due. */
static void pass(unsigned seconds)
{
    clock_set(time_ns() + seconds * NS_PER_S);
    timer_run(time_ns());
    for (unsigned i = 0; i < 20; i++)
        thread_yield();
}

static bool is_free_on_disk(uint32_t cluster)
{
    size_t fat = (size_t)512 * le16_get(image + BOOT_RESERVED);

    return le16_get(image + fat + (size_t)2 * cluster) == 0;
}

/* What is removed is free on the disk when its entry has gone there. */
static void test_freed_some_time_later(void **state)
{
    const struct fat_fs *fs = root_mount()->fs_data;
    struct inode *inode;
    uint32_t first;

    (void)state;
    put("/f", "1");
    again();
    fs = root_mount()->fs_data;
    assert_int_equal(vfs_walk("/f", true, &inode), 0);
    first = fat_inode_of(inode)->chain.first;
    inode_put(inode);
    assert_int_equal(file_unlink("/f"), 0);
    assert_int_equal(fs->pending_clusters, 1);
    pass(6);
    assert_int_equal(fs->pending_clusters, 0);
    assert_false(is_free_on_disk(first)); /* in memory it is */
    pass(6);
    assert_true(is_free_on_disk(first));
    /* A disk that fails keeps them. */
    put("/g", "1");
    pass(6); /* it gets its cluster */
    assert_int_equal(file_unlink("/g"), 0);
    disk.fail_from = 1;
    pass(6);
    assert_int_equal(fs->pending_clusters, 1);
    disk.fail_from = 0;
    pass(6);
    assert_int_equal(fs->pending_clusters, 0);
    clock_set(0);
}

/* So many are remembered, and no more. */
static void test_many_files_are_removed(void **state)
{
    const struct fat_fs *fs = root_mount()->fs_data;
    char path[60];

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    for (unsigned i = 0; i < FAT_PENDING_MAX + 100; i++) {
        snprintf(path, sizeof(path), "/d/F%u", i);
        put(path, "1");
    }
    again();
    fs = root_mount()->fs_data;
    for (unsigned i = 0; i < FAT_PENDING_MAX + 100; i++) {
        snprintf(path, sizeof(path), "/d/F%u", i);
        assert_int_equal(file_unlink(path), 0);
        assert_in_range(fs->pending_count, 0, FAT_PENDING_MAX - 1);
    }
    assert_int_equal(fs->pending_count, 100);
    assert_int_equal(fs->pending_clusters, 100);
}

/* The FAT cannot be written in the middle of a run of clusters. */
static void test_a_run_that_cannot_be_taken(void **state)
{
    struct file_fs_stat before, now;
    struct file *file;

    (void)state;
    assert_int_equal(file_stat_fs("/", &before), 0);
    assert_int_equal(file_open("/f", FILE_WRITE | FILE_CREATE, 0, &file), 0);
    assert_int_equal(file_allocate(file, 0, 2000 * 512, 0), 0);
    /* Of the second FAT: it has not been read. */
    disk.bad_sector = le16_get(image + BOOT_RESERVED) +
                      le16_get(image + BOOT_FAT_SECTORS_16) + 9;
    assert_int_equal(file_allocate(file, 0, 4000 * 512, 0), 0);
    assert_int_equal(file_sync(file), -EIO);
    vfs_check();
    disk.bad_sector = 0;
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_stat_fs("/", &now), 0);
    assert_int_equal(now.blocks_free, before.blocks_free - 4000);
    file_close(file);
}

static void test_a_removed_directory_lists_nothing(void **state)
{
    struct dir_entry entry;
    struct file *dir;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_open("/d", FILE_READ, 0, &dir), 0);
    assert_int_equal(file_rmdir("/d"), 0);
    assert_int_equal(dir_read(dir, &entry), 0);
    assert_int_equal(make("/d/f", 0), -ENOENT);
    vfs_check();
    file_close(dir);
}

/* A reader of a directory sees once what stays. */
static void test_a_reader_goes_on(void **state)
{
    unsigned seen[60] = {0};
    struct dir_entry entry;
    struct file *dir;
    char path[60];

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    for (unsigned i = 0; i < 60; i++) {
        snprintf(path, sizeof(path), "/d/some longer name %u", i);
        assert_int_equal(make(path, 0), 0);
    }
    assert_int_equal(file_open("/d", FILE_READ, 0, &dir), 0);
    for (unsigned i = 0; dir_read(dir, &entry) == 1; i++) {
        unsigned which;

        if (sscanf(entry.name, "some longer name %u", &which) == 1)
            seen[which]++;
        snprintf(path, sizeof(path), "/d/some longer name %u", i * 7 % 60);
        if (i % 3 == 0 && i < 40)
            (void)!file_unlink(path);
        snprintf(path, sizeof(path), "/d/another one of some length %u", i);
        if (i % 4 == 0 && i < 40)
            (void)!make(path, 0);
    }
    file_close(dir);
    for (unsigned i = 0; i < 60; i++) {
        assert_in_range(seen[i], 0, 1);
        snprintf(path, sizeof(path), "/d/some longer name %u", i);
        if (number(path) > 0)
            assert_int_equal(seen[i], 1);
    }
}

/* Two files that grow in turns: their chains are in pieces of all lengths. */
static void test_long_chains(void **state)
{
    enum { PIECES = 1200, BYTES = 10000 };
    static uint8_t bytes[BYTES];
    struct file *file[2];

    (void)state;
    end();
    begin("-F 32 -s 1", 35000);
    for (unsigned f = 0; f < 2; f++)
        assert_int_equal(file_open(f == 0 ? "/a" : "/b",
                                   FILE_READ | FILE_WRITE | FILE_CREATE, 0644,
                                   &file[f]),
                         0);
    for (unsigned i = 0; i < PIECES; i++) {
        memset(bytes, (int)(i % 251), BYTES);
        assert_int_equal(file_write(file[0], bytes, BYTES), BYTES);
        if (i % 5 == 0)
            assert_int_equal(file_sync(file[0]), 0);
        if (i % 50 != 0)
            continue;
        assert_int_equal(file_write(file[1], bytes, BYTES), BYTES);
        assert_int_equal(file_sync(file[1]), 0);
    }
    for (unsigned f = 0; f < 2; f++)
        file_close(file[f]);
    again();
    assert_int_equal(file_open("/a", FILE_READ, 0, &file[0]), 0);
    for (unsigned n = 0; n < 400; n++) {
        unsigned i = n * 377 % PIECES;

        assert_int_equal(
            file_read_at(file[0], bytes, 100, (uint64_t)i * BYTES + 50), 100);
        assert_int_equal(bytes[0], i % 251);
        assert_int_equal(bytes[99], i % 251);
    }
    file_close(file[0]);
    assert_int_equal(file_open("/a", FILE_WRITE, 0, &file[0]), 0);
    assert_int_equal(file_truncate(file[0], 5000000), 0);
    vfs_check();
    assert_int_equal(file_truncate(file[0], 100), 0);
    vfs_check();
    file_close(file[0]);
}

/* ---- What the volume says of itself -------------------------------------- */

static bool says_clean(void)
{
    size_t fat = (size_t)512 * le16_get(image + BOOT_RESERVED);
    bool clean = (le16_get(image + fat + 2) & FAT16_CLEAN) != 0;

    assert_int_equal(clean, (image[BOOT_STATE_16] & BOOT_STATE_DIRTY) == 0);
    return clean;
}

static void test_marked_while_it_is_mounted(void **state)
{
    (void)state;
    assert_false(says_clean());
    assert_int_equal(file_remount("/", true), 0);
    assert_true(says_clean());
    assert_int_equal(make("/f", 0), -EROFS);
    assert_int_equal(file_remount("/", false), 0);
    assert_false(says_clean());
    put("/f", "1");
    unmount();
    assert_true(says_clean());
    /* As after a crash: it stays, until fsck.fat has looked. */
    image[BOOT_STATE_16] |= BOOT_STATE_DIRTY;
    mount();
    assert_true(console_has("was not unmounted"));
    unmount();
    assert_true((image[BOOT_STATE_16] & BOOT_STATE_DIRTY) != 0);
    (void)fat_fsck(image, image_size, true);
    assert_true(says_clean());
    mount();
    assert_false(console_has("was not unmounted"));
}

static void test_read_only_disk(void **state)
{
    (void)state;
    put("/f", "1");
    unmount();
    attach();
    disk.block.read_only = true;
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
    reads("/f", "1");
    assert_int_equal(make("/g", 0), -EROFS);
    assert_int_equal(file_remount("/", false), -EROFS);
    assert_int_equal(disk.requests > 0, 1);
}

static uint8_t *fat32_sector(unsigned sector)
{
    return image + (size_t)512 * sector;
}

static void test_fsinfo_is_a_hint(void **state)
{
    struct file_fs_stat stat;
    uint32_t free_before;

    (void)state;
    end();
    begin("-F 32 -s 1", 35000);
    free_before = le32_get(fat32_sector(1) + FSINFO_FREE);
    put("/f", "1");
    unmount(); /* without counting them all */
    assert_int_equal(le32_get(fat32_sector(1) + FSINFO_FREE), free_before - 1);
    assert_int_equal(fat_fsck(image, image_size, false), 0);
    mount();
    assert_int_equal(file_stat_fs("/", &stat), 0);
    unmount();
    assert_int_equal(le32_get(fat32_sector(1) + FSINFO_FREE), stat.blocks_free);
    le32_put(fat32_sector(1) + FSINFO_FREE, 5);
    le32_put(fat32_sector(1) + FSINFO_NEXT, 0x12345678);
    mount();
    put("/g", "1");
    assert_int_equal(file_stat_fs("/", &stat), 0);
    unmount();
    assert_int_equal(le32_get(fat32_sector(1) + FSINFO_FREE), stat.blocks_free);
    fat32_sector(1)[0] = 'x';
    mount();
    assert_true(console_has("FSInfo is damaged"));
    put("/h", "1");
    unmount();
    assert_int_equal(fat32_sector(1)[0], 'x');
    fat32_sector(1)[0] = 'R';
    le32_put(fat32_sector(1) + FSINFO_FREE, FSINFO_UNKNOWN);
    mount();
}

/* What cannot be counted is neither free nor full. */
static void test_groups_that_cannot_be_counted(void **state)
{
    struct file_fs_stat stat;
    struct file *file;
    struct fat_fs *fs;

    (void)state;
    end();
    begin("-F 32 -s 1 -f 1", 35000);
    fs = root_mount()->fs_data;
    put("/f", "1");
    assert_int_equal(file_open("/g", FILE_WRITE | FILE_CREATE, 0, &file), 0);
    assert_int_equal(file_sync(file), 0);
    assert_true(fs->group_count > 3);
    fs->search_at = fs->group_count / 2 << fs->group_shift;
    disk.bad_sector = le16_get(image + BOOT_RESERVED) + fs->search_at * 4 / 512;
    assert_int_equal(file_write(file, "2", 1), 1);
    assert_int_equal(file_sync(file), -EIO);
    assert_int_equal(file_stat_fs("/", &stat), -EIO);
    disk.bad_sector = 0;
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_stat_fs("/", &stat), 0);
    file_close(file);
}

static uint32_t first_cluster(const char *path)
{
    struct inode *inode;
    uint32_t first;

    assert_int_equal(vfs_walk(path, true, &inode), 0);
    first = fat_inode_of(inode)->chain.first;
    inode_put(inode);
    return first;
}

/* The first cluster of all is no goal: it is taken, or clusters begin there. */
static void test_directory_where_clusters_are_taken(void **state)
{
    struct fat_fs *fs = root_mount()->fs_data;

    (void)state;
    assert_int_equal(file_mkdir("/a", 0755), 0);
    assert_int_equal(first_cluster("/a"), FAT_FIRST);
    fs->search_at = 1000;
    assert_int_equal(file_mkdir("/a/b", 0755), 0);
    assert_int_equal(first_cluster("/a/b"), 1000);
    assert_int_equal(file_mkdir("/a/b/c", 0755), 0);
    assert_int_equal(first_cluster("/a/b/c"), 1001);
}

static void test_only_the_active_fat_is_written(void **state)
{
    uint32_t fat, bytes;

    (void)state;
    end();
    begin("-F 32 -s 1", 35000);
    unmount();
    le16_put(image + BOOT_FAT_FLAGS, BOOT_FAT_NO_MIRROR | 1);
    fat = 512U * le16_get(image + BOOT_RESERVED);
    bytes = 512U * le32_get(image + BOOT_FAT_SECTORS_32);
    memset(image + fat + 12, 0x77, 1000); /* of the first one */
    mount();
    put("/f", "text");
    again();
    reads("/f", "text");
    unmount();
    for (unsigned i = 12; i < 1012; i++)
        assert_int_equal(image[fat + i], 0x77);
    memcpy(image + fat, image + fat + bytes, bytes);
    le16_put(image + BOOT_FAT_FLAGS, 0);
    mount();
    reads("/f", "text");
}

static void test_second_fat_where_the_first_cannot_be_read(void **state)
{
    struct inode *inode;
    struct file *file;
    uint32_t start;

    (void)state;
    assert_int_equal(file_open("/large", FILE_WRITE | FILE_CREATE, 0, &file),
                     0);
    assert_int_equal(file_truncate(file, 1500000), 0);
    file_close(file);
    again();
    put("/f", "text");
    again();
    assert_int_equal(vfs_walk("/f", true, &inode), 0);
    start = fat_inode_of(inode)->chain.first;
    inode_put(inode);
    unmount();
    attach();
    disk.block.read_only = true;
    disk.bad_sector = le16_get(image + BOOT_RESERVED) + start * 2 / 512;
    assert_true(disk.bad_sector > 8); /* not with the boot sector */
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
    reads("/f", "text");
    reads("/f", "text");
    assert_true(disk.failures > 0);
    disk.bad_sector = 0;
}

/* ---- Threads ------------------------------------------------------------- */

enum { THREADS = 3, ROUNDS = 150 };

static int worker(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    char a[60], b[60];

    for (unsigned n = 0; n < ROUNDS; n++) {
        struct file *file;

        seed = seed * 1103515245 + 12345;
        snprintf(a, sizeof(a), "/d/name of a file %u", seed >> 16 & 63);
        snprintf(b, sizeof(b), "%s/name of a file %u",
                 (seed & 1) != 0 ? "/d" : "/e", seed >> 8 & 63);
        switch (seed >> 24 & 3) {
        case 0:
            if (file_open(a, FILE_WRITE | FILE_CREATE, 0644, &file) == 0) {
                assert_int_equal(file_write(file, a, sizeof(a)), sizeof(a));
                file_close(file);
            }
            break;
        case 1:
            (void)!file_rename(a, b, 0);
            break;
        case 2:
            (void)!file_unlink(b);
            break;
        default:
            (void)number(a);
            break;
        }
    }
    return 0;
}

static void test_threads_in_two_directories(void **state)
{
    static unsigned seeds[THREADS] = {1, 22, 333};
    thread_id threads[THREADS];
    int status;

    (void)state;
    assert_int_equal(file_mkdir("/d", 0755), 0);
    assert_int_equal(file_mkdir("/e", 0755), 0);
    root_mount()->cached_max = 8;
    disk.by_interrupt = true;
    for (unsigned i = 0; i < THREADS; i++) {
        const struct thread_attr attr = {.name = "worker"};

        assert_int_equal(thread_create(&attr, worker, &seeds[i], &threads[i]),
                         0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(thread_join(threads[i], &status), 0);
    vfs_check();
    (void)names("/d");
    (void)names("/e");
}

static int number_told(void *arg)
{
    *(int64_t *)arg = number("/x");
    return 0;
}

static int disk_answers(void *arg)
{
    (void)arg;
    disk.deferred = false;
    assert_true(ramblk_complete(&disk) > 0);
    return 0;
}

/* "/x" in the slots of a file that was removed and is open: its number is not
 * that of its place. */
static struct inode *numbered_otherwise(void)
{
    struct file *removed;
    struct inode *inode;

    assert_int_equal(file_open("/y", FILE_WRITE | FILE_CREATE, 0644, &removed),
                     0);
    assert_int_equal(file_unlink("/y"), 0);
    put("/x", "text");
    assert_int_equal(file_sync_mount("/"), 0);
    inodes_shrink(root_mount(), 0, true); /* with what was read of it */
    assert_int_equal(vfs_walk("/x", true, &inode), 0);
    assert_true(inode->number !=
                (FAT_NUMBER_FILE | fat_inode_of(inode)->position));
    file_close(removed);
    return inode;
}

/* An inode leaves the memory while its pages are read, and two ask for it: one
 * waits for it to be gone, the other comes directly behind that, when the
 * number of the place is free again. They get one inode. */
static void test_one_inode_of_an_entry(void **state)
{
    const struct thread_attr attr = {.name = "worker"};
    struct inode *inode = numbered_otherwise();
    int64_t before = (int64_t)inode->number, waited = 0, after;
    thread_id threads[2];
    int status;

    (void)state;
    disk.deferred = true;
    page_read_ahead(&inode->pages, 0, 1);
    inode_put(inode);
    assert_int_equal(thread_create(&attr, number_told, &waited, &threads[0]),
                     0);
    assert_int_equal(thread_create(&attr, disk_answers, NULL, &threads[1]), 0);
    inodes_shrink(root_mount(), 0, true);
    after = number("/x");
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(thread_join(threads[i], &status), 0);
    assert_true(before > 0 && after > 0 && after != before);
    assert_int_equal(waited, after);
    vfs_check();
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_case_does_not_count),
        ATTACHED(test_short_name_leads_to_it_too),
        ATTACHED(test_names_are_spelled_another_way),
        ATTACHED(test_replaced_whatever_the_spelling),
        ATTACHED(test_names_that_are_none),
        ATTACHED(test_many_names_that_begin_alike),
        ATTACHED(test_large_directory_in_proportion),
        ATTACHED(test_large_directory_without_memory),
        ATTACHED(test_holes_of_a_large_directory),
        ATTACHED(test_directory_of_65536_slots),
        ATTACHED(test_parts_of_nothing),
        ATTACHED(test_what_fat_has_not),
        ATTACHED(test_read_only_is_a_mode),
        ATTACHED(test_options),
        ATTACHED(test_times_as_far_as_they_go),
        ATTACHED(test_an_inode_keeps_its_number),
        ATTACHED(test_up_from_where_nobody_has_been),
        ATTACHED(test_root_of_fixed_size),
        ATTACHED(test_files_of_4_gib),
        ATTACHED(test_removed_and_open_until_closed),
        ATTACHED(test_freed_some_time_later),
        ATTACHED(test_many_files_are_removed),
        ATTACHED(test_a_run_that_cannot_be_taken),
        ATTACHED(test_a_removed_directory_lists_nothing),
        ATTACHED(test_a_reader_goes_on),
        ATTACHED(test_long_chains),
        ATTACHED(test_marked_while_it_is_mounted),
        ATTACHED(test_read_only_disk),
        ATTACHED(test_fsinfo_is_a_hint),
        ATTACHED(test_groups_that_cannot_be_counted),
        ATTACHED(test_directory_where_clusters_are_taken),
        ATTACHED(test_only_the_active_fat_is_written),
        ATTACHED(test_second_fat_where_the_first_cannot_be_read),
        ATTACHED(test_threads_in_two_directories),
        ATTACHED(test_one_inode_of_an_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
