/*
 * What is written to volumes, by the judgement of others: fsck.fat finds
 * nothing, mcopy reads what a directory of the host has after the same
 * operations.
 */
#include "fs/fat/fat_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <torc/file_systems.h>
#include <torc/memory.h>
#include <unistd.h>

static const struct file_system *const file_systems[] = {&fat_file_system,
                                                         NULL};
static struct ramblk disk;
static uint8_t *image;
static size_t image_size;

static const struct shape {
    const char *options;
    unsigned kib;
    uint32_t sector_size; /* of the disk */
    bool for_mtools;
} shapes[] = {
    {"-F 12 -s 1", 2000, 512, true},
    {"-F 12 -s 128 -f 1", 30000, 512, true},
    {"-F 16 -s 2 -r 1024", 9000, 512, true},
    {"-F 16 -s 8", 20000, 512, true},
    {"-F 16 -s 8", 20000, 4096, true},
    {"-F 32 -s 1", 35000, 512, true},
    {"-F 32 -s 8", 8000, 512, false},
    {"-F 32 -S 4096 -s 1", 20000, 4096, false},
    {"-F 12 -S 4096 -s 1", 8000, 512, true},
};

static void mount(uint32_t sector_size)
{
    machine_attach(32 << 20);
    vfs_init(file_systems);
    ramblk_prepare(&disk, image, image_size);
    disk.block.sector_size = sector_size;
    ramblk_start(&disk);
    assert_int_equal(file_mount(&disk.block.device, "/", "fat"), 0);
}

static void unmount(void)
{
    vfs_check();
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

static void make(const struct shape *shape)
{
    print_message("%s\n", shape->options);
    image = fat_image(shape->options, NULL, shape->kib, &image_size);
}

/* ---- The same on the host ------------------------------------------------ */

static char host[64];

static void host_begin(void)
{
    strcpy(host, "/tmp/torc_host_XXXXXX");
    assert_non_null(mkdtemp(host));
}

static void host_end(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -rf %s", host);
    assert_int_equal(system(command), 0);
}

static const char *on_host(const char *path)
{
    static char paths[2][600];
    static unsigned which;

    which ^= 1;
    snprintf(paths[which], sizeof(paths[which]), "%s%s", host, path);
    return paths[which];
}

static uint8_t byte_at(uint64_t at, unsigned seed)
{
    return (uint8_t)(at * 31 + at / 251 + seed * 17);
}

/* Write on both; returns what ours returned. */
static int64_t put(const char *path, uint64_t offset, size_t size,
                   unsigned seed)
{
    uint8_t *bytes = malloc(size);
    struct file *file;
    int64_t done = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);
    int fd;

    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(offset + i, seed);
    if (done == 0) {
        done = file_write_at(file, bytes, size, offset);
        file_close(file);
        fd = open(on_host(path), O_WRONLY | O_CREAT, 0644);
        assert_true(fd >= 0);
        if (done > 0)
            assert_int_equal(pwrite(fd, bytes, (size_t)done, (off_t)offset),
                             done);
        close(fd);
    }
    free(bytes);
    return done;
}

/* Both say the same: how ours ended, and errno of the host. */
static void same(int ours, int theirs)
{
    assert_int_equal(ours, theirs == 0 ? 0 : -errno);
}

static int set_size(const char *path, uint64_t size)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE, 0, &file);

    if (status != 0)
        return status;
    status = file_truncate(file, size);
    file_close(file);
    return status;
}

static void judge(const struct shape *shape)
{
    assert_int_equal(fat_compare("/", host), 0);
    unmount();
    assert_int_equal(fat_fsck(image, image_size, false), 0);
    if (shape->for_mtools) {
        char command[200];

        snprintf(command, sizeof(command), "diff -r %s %s",
                 fat_extract(image, image_size), host);
        assert_int_equal(system(command), 0);
        fat_extracted_end();
    }
    mount(shape->sector_size);
    assert_int_equal(fat_compare("/", host), 0);
}

/* ---- Tests --------------------------------------------------------------- */

static void fill(void)
{
    static const unsigned sizes[] = {0,     1,     511,   512,   513,
                                     4095,  4096,  4097,  32768, 65535,
                                     65536, 65537, 100000};
    static const char *const names[] = {
        "/UPPER.TXT",
        "/lower.txt",
        "/Mixed Case.Text",
        "/noext",
        "/many.dots.in.c",
        "/.hidden",
        "/thirteenunits",
        "/a+b,c;d=e[f]",
        "/twentysixunitsinthisname01",
        "/\xc3\xa4\xc3\xb6\xc3\xbc",
        "/\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 world",
        "/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.\xe6\x97\xa5",
    };
    char name[300];

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        snprintf(name, sizeof(name), "/size-%u", sizes[i]);
        assert_int_equal(put(name, 0, sizes[i], i), sizes[i]);
    }
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(put(names[i], 0, i, i), i);
    assert_int_equal(file_mkdir("/Sub Directory", 0755), 0);
    assert_int_equal(mkdir(on_host("/Sub Directory"), 0755), 0);
    for (unsigned i = 0; i < 120; i++) {
        snprintf(name, sizeof(name), "/Sub Directory/entry number %u", i);
        assert_int_equal(put(name, 0, 10, i), 10);
    }
    strcpy(name, "/Sub Directory/");
    memset(name + 15, 'n', 255);
    name[15 + 255] = '\0';
    assert_int_equal(put(name, 0, 10, 1), 10);
    assert_int_equal(put("/gap", 30000, 10, 1), 10);
}

static void test_what_is_written_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        make(&shapes[i]);
        host_begin();
        mount(shapes[i].sector_size);
        fill();
        judge(&shapes[i]);
        unmount();
        host_end();
        free(image);
    }
}

/* A path of one of few names in one of few directories. */
static void choose_path(char *path, size_t size)
{
    static const char *const dirs[] = {"", "/d1", "/d1/e", "/a longer name"};
    static const char *const names[] = {
        "d1",   "e",  "a longer name",         "f",
        "g.tx", "hh", "the longest of names.x"};

    snprintf(path, size, "%s/%s", dirs[rand() % (int)COUNT_OF(dirs)],
             names[rand() % (int)COUNT_OF(names)]);
}

/* One operation on both, which say the same. */
static void step(unsigned n)
{
    char a[100], b[100];
    struct stat st;
    uint64_t size;

    choose_path(a, sizeof(a));
    choose_path(b, sizeof(b));
    switch (rand() % 9) {
    case 0:
    case 1:
    case 2:
        if (stat(on_host(a), &st) == 0 && S_ISREG(st.st_mode))
            assert_true(put(a, (uint64_t)(rand() % 20000),
                            (size_t)(rand() % 9000), n) >= 0);
        else if (stat(on_host(a), &st) != 0 && errno == ENOENT)
            (void)put(a, 0, (size_t)(rand() % 9000), n);
        break;
    case 3:
        same(file_mkdir(a, 0755), mkdir(on_host(a), 0755));
        break;
    case 4:
        if (stat(on_host(a), &st) == 0 && S_ISREG(st.st_mode)) {
            size = (uint64_t)(rand() % 30000);
            same(set_size(a, size), truncate(on_host(a), (off_t)size));
        }
        break;
    case 5:
        same(file_unlink(a), unlink(on_host(a)));
        break;
    case 6:
        same(file_rmdir(a), rmdir(on_host(a)));
        break;
    default:
        same(file_rename(a, b, 0), rename(on_host(a), on_host(b)));
        break;
    }
}

static void test_random_operations_as_on_the_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        make(&shapes[i]);
        host_begin();
        mount(shapes[i].sector_size);
        for (unsigned n = 0; n < 900; n++) {
            srand(n + 1000 * (unsigned)i);
            step(n);
            if (n % 300 == 299)
                judge(&shapes[i]);
            else if (n % 10 == 0)
                vfs_check();
        }
        unmount();
        host_end();
        free(image);
    }
}

static uint64_t free_blocks(void)
{
    struct file_fs_stat stat;

    assert_int_equal(file_stat_fs("/", &stat), 0);
    return stat.blocks_free;
}

static void test_full_disk_and_empty_again(void **state)
{
    uint64_t before;
    int64_t done;
    char name[40];
    unsigned count, dirs;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        count = 0;
        make(&shapes[i]);
        host_begin();
        mount(shapes[i].sector_size);
        before = free_blocks();
        do {
            snprintf(name, sizeof(name), "/file %u", count++);
            done = put(name, 0, 300000, count);
        } while (done == 300000);
        assert_true(done > 0 || done == -ENOSPC);
        assert_int_equal(put("/one more", 0, 300000, 1), -ENOSPC);
        /* A page is written as a whole: directories take what is left. */
        for (dirs = 0; free_blocks() > 0; dirs++) {
            assert_in_range(free_blocks(), 1, 7);
            snprintf(name, sizeof(name), "/dir %u", dirs);
            same(file_mkdir(name, 0755), mkdir(on_host(name), 0755));
        }
        assert_int_equal(file_mkdir("/dir", 0755), -ENOSPC);
        /* What is there still can be written. */
        assert_int_equal(put("/file 0", 1000, 1000, 7), 1000);
        assert_int_equal(free_blocks(), 0);
        judge(&shapes[i]);
        assert_int_equal(free_blocks(), 0);
        for (unsigned n = 0; n < count; n++) {
            snprintf(name, sizeof(name), "/file %u", n);
            same(file_unlink(name), unlink(on_host(name)));
        }
        for (unsigned n = 0; n < dirs; n++) {
            snprintf(name, sizeof(name), "/dir %u", n);
            same(file_rmdir(name), rmdir(on_host(name)));
        }
        assert_int_equal(free_blocks(), before);
        judge(&shapes[i]);
        assert_int_equal(free_blocks(), before);
        unmount();
        host_end();
        free(image);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_there),
        cmocka_unit_test(test_random_operations_as_on_the_host),
        cmocka_unit_test(test_full_disk_and_empty_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
