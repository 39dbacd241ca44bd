/*
 * Paths, links, mounts and open files, over two small ext2 volumes with the
 * same tree but for the contents of /f.
 */
#include "kernel/file/vfs.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/message.h>
#include <unistd.h>

static const struct file_system *const file_systems[] = {&ext2_file_system,
                                                         NULL};
static struct ramblk disks[3]; /* the third holds what the second does */
static uint8_t *images[2];
static char tree[] = "/tmp/torc_vfs_XXXXXX";

static void write_f(const char *text)
{
    char path[100];
    FILE *file;

    snprintf(path, sizeof(path), "%s/f", tree);
    file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

static int setup(void **state)
{
    char command[2000];
    size_t size;

    (void)state;
    if (mkdtemp(tree) == NULL)
        return -1;
    snprintf(
        command, sizeof(command),
        "cd %s && mkdir -p a/b mnt && echo -n ab >a/b/f "
        "&& ln -s f a/b/near && ln -s b/f a/below && ln -s f to_f && ln -s a/b "
        "to_b && ln -s /a/b/f abs && ln -s "
        "../../f a/b/up && ln -s loop2 loop1 && ln -s loop1 loop2 && ln -s "
        "nowhere dangling && ln -s f/ to_f_slash && ln -s . here && ln -s "
        "/ root && i=0; ln -s f c0; while [ $i -lt 45 ]; do ln -s c$i "
        "c$((i+1)); i=$((i+1)); done",
        tree);
    if (system(command) != 0)
        return -1;
    write_f("root");
    images[0] = ext2_image("-b 1024 -N 128", tree, 512, &size);
    machine_attach(64 << 20);
    vfs_init(file_systems);
    ramblk_init(&disks[0], images[0], size);
    write_f("second");
    images[1] = ext2_image("-b 1024 -N 128", tree, 512, &size);
    ramblk_init(&disks[1], images[1], size);
    ramblk_init(&disks[2], images[1], size);
    return file_mount(&disks[0].block.device, "/", NULL);
}

static int teardown(void **state)
{
    char command[100];

    (void)state;
    machine_detach();
    free(images[0]);
    free(images[1]);
    snprintf(command, sizeof(command), "rm -rf %s", tree);
    return system(command);
}

/* What opening and reading a path gives: 0 and its first bytes, or the
 * error. */
static int read_path(const char *path, char text[16])
{
    struct file *file;
    int64_t got;
    int status = file_open(path, FILE_READ, 0, &file);

    text[0] = '\0';
    if (status != 0)
        return status;
    got = file_read(file, text, 15);
    file_close(file);
    if (got < 0)
        return (int)got;
    text[got] = '\0';
    return 0;
}

static void test_vfs_paths(void **state)
{
    static const struct {
        const char *path;
        int status;
        const char *text;
    } rows[] = {
        {"/f", 0, "root"},
        {"//f", 0, "root"},
        {"/./f", 0, "root"},
        {"/../f", 0, "root"},
        {"/../../a/../f", 0, "root"},
        {"/a/b/f", 0, "ab"},
        {"/a//b///f", 0, "ab"},
        {"/a/b/../b/./f", 0, "ab"},
        {"/to_f", 0, "root"},
        {"/to_b/f", 0, "ab"},
        {"/to_b/../b/f", 0, "ab"},
        {"/abs", 0, "ab"},
        {"/a/b/up", 0, "root"},
        {"/a/b/near", 0, "ab"}, /* relative to the link's directory */
        {"/a/below", 0, "ab"},
        {"/here/here/here/f", 0, "root"},
        {"/a/b/../../root/a/b/f", 0, "ab"},
        {"/c39", 0, "root"},
        {"/c40", -ELOOP, ""},
        {"/loop1", -ELOOP, ""},
        {"/loop1/x", -ELOOP, ""},
        {"/dangling", -ENOENT, ""},
        {"/none", -ENOENT, ""},
        {"/none/f", -ENOENT, ""},
        {"/f/", -ENOTDIR, ""},
        {"/f/.", -ENOTDIR, ""},
        {"/f/..", -ENOTDIR, ""},
        {"/f/x", -ENOTDIR, ""},
        {"/to_f/", -ENOTDIR, ""},
        {"/to_f_slash", -ENOTDIR, ""},
        {"/", -EISDIR, ""},
        {"/a/b/", -EISDIR, ""},
        {"/to_b", -EISDIR, ""},
        {"f", 0, "root"}, /* from the working directory, which is "/" */
        {"a/b/f", 0, "ab"},
        {"", -ENOENT, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[16];

        ROW(rows[i].path, read_path(rows[i].path, text) == rows[i].status);
        ROW(rows[i].path, strcmp(text, rows[i].text) == 0);
    }
}

static void test_vfs_name_limits(void **state)
{
    static char path[FILE_PATH_MAX + 10];
    char text[16];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[256] = '\0';
    assert_int_equal(read_path(path, text), -ENOENT);
    path[256] = 'x';
    path[257] = '\0';
    assert_int_equal(read_path(path, text), -ENAMETOOLONG);
    /* Slashes up to the limit are fine, and one more is not. */
    memset(path, '/', sizeof(path));
    strcpy(path + FILE_PATH_MAX - 2, "f");
    assert_int_equal(read_path(path, text), 0);
    memset(path, '/', sizeof(path));
    strcpy(path + FILE_PATH_MAX - 1, "f");
    assert_int_equal(read_path(path, text), -ENAMETOOLONG);
    /* A link that makes it too long. */
    memset(path, '/', sizeof(path));
    memcpy(path, "/to_b", 5);
    strcpy(path + FILE_PATH_MAX - 2, "f");
    assert_int_equal(read_path(path, text), 0);
    memcpy(path, "/abs/", 5);
    assert_int_equal(read_path(path, text), -ENAMETOOLONG);
}

static void test_vfs_stat_and_links(void **state)
{
    struct file_stat stat;
    char link[10];

    (void)state;
    assert_int_equal(file_stat("/to_f", false, &stat), 0);
    assert_int_equal(stat.type, FILE_SYMLINK);
    assert_int_equal(stat.size_bytes, 1);
    assert_int_equal(file_stat("/to_f", true, &stat), 0);
    assert_int_equal(stat.type, FILE_REGULAR);
    assert_int_equal(stat.size_bytes, 4);
    assert_int_equal(file_stat("/to_b/", false, &stat), 0);
    assert_int_equal(stat.type, FILE_DIRECTORY);
    assert_int_equal(file_read_link("/abs", link, sizeof(link)), 6);
    assert_memory_equal(link, "/a/b/f", 6);
    link[2] = '#';
    assert_int_equal(file_read_link("/abs", link, 2), 6); /* cut */
    assert_int_equal(link[2], '#');
    assert_int_equal(file_read_link("/f", link, sizeof(link)), -EINVAL);
    assert_int_equal(file_read_link("/none", link, sizeof(link)), -ENOENT);
}

static void test_vfs_mounts(void **state)
{
    struct device *second = &disks[1].block.device;
    struct file *file;
    char text[16];

    (void)state;
    assert_int_equal(file_mount(second, "/", NULL), -EBUSY);
    assert_int_equal(file_mount(second, "/none", NULL), -ENOENT);
    assert_int_equal(file_mount(second, "/f", NULL), -ENOTDIR);
    assert_int_equal(file_mount(second, "/mnt", "ext3"), -ENODEV);
    assert_int_equal(file_mount(NULL, "/mnt", NULL), -ENODEV);
    assert_int_equal(file_mount(second, "/mnt", NULL), 0);
    assert_int_equal(file_mount(second, "/mnt", NULL), -EBUSY);
    vfs_check();
    assert_int_equal(read_path("/mnt/f", text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(read_path("/mnt/a/b/f", text), 0);
    assert_string_equal(text, "ab");
    /* Out again by "..", and links from "/" start at the very root. */
    assert_int_equal(read_path("/mnt/../f", text), 0);
    assert_string_equal(text, "root");
    assert_int_equal(read_path("/mnt/a/../../f", text), 0);
    assert_string_equal(text, "root");
    assert_int_equal(read_path("/mnt/a/../f", text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(read_path("/mnt/root/f", text), 0);
    assert_string_equal(text, "root");
    assert_int_equal(read_path("/mnt/root/mnt/f", text), 0);
    assert_string_equal(text, "second");
    /* From a directory beside it ".." and down leads in again. */
    assert_int_equal(read_path("/a/../mnt/to_f", text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(file_unmount("/mnt/a"), -EINVAL);
    assert_int_equal(file_open("/mnt/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_unmount("/mnt"), -EBUSY);
    assert_int_equal(file_unmount("/"), -EBUSY); /* it is covered */
    file_close(file);
    assert_int_equal(file_unmount("/mnt"), 0);
    assert_int_equal(read_path("/mnt/f", text), -ENOENT);
    assert_int_equal(file_unmount("/mnt"), -EINVAL);
    /* By way of a link. */
    assert_int_equal(file_mount(second, "/to_b", NULL), 0);
    assert_int_equal(read_path("/a/b/f", text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(read_path("/to_b/../b/f", text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(file_unmount("/to_b"), 0);
    assert_int_equal(read_path("/a/b/f", text), 0);
    assert_string_equal(text, "ab");
}

/* ---- Two mounts at once -------------------------------------------------- */

struct order {
    unsigned disk;
    const char *path;
    int status;
};

static int order_run(void *arg)
{
    struct order *order = arg;

    order->status =
        file_mount(&disks[order->disk].block.device, order->path, NULL);
    return 0;
}

static int pump(void *arg)
{
    bool *stop = arg;

    while (!*stop) {
        vfs_check();
        for (unsigned i = 0; i < COUNT_OF(disks); i++)
            ramblk_complete(&disks[i]);
        thread_yield();
    }
    return 0;
}

/* Mounting waits for the disk. Of two that want the same place or the same disk
 * meanwhile the second is refused, and the first one is not disturbed. */
static void two_mounts(struct order *first, struct order *second)
{
    thread_id threads[2], pumper;
    bool stop = false;

    for (unsigned i = 0; i < COUNT_OF(disks); i++)
        disks[i].deferred = true;
    assert_int_equal(thread_create(NULL, order_run, first, &threads[0]), 0);
    assert_int_equal(thread_create(NULL, order_run, second, &threads[1]), 0);
    thread_yield(); /* both have begun */
    assert_int_equal(thread_create(NULL, pump, &stop, &pumper), 0);
    assert_int_equal(thread_join(threads[0], NULL), 0);
    assert_int_equal(thread_join(threads[1], NULL), 0);
    stop = true;
    assert_int_equal(thread_join(pumper, NULL), 0);
    for (unsigned i = 0; i < COUNT_OF(disks); i++)
        disks[i].deferred = false;
    vfs_check();
}

static void test_vfs_two_mounts_of_the_root_at_once(void **state)
{
    struct order first = {0, "/", 1}, second = {1, "/", 1};
    char text[16];

    (void)state;
    assert_int_equal(file_unmount("/"), 0);
    two_mounts(&first, &second);
    assert_int_equal(first.status, 0);
    assert_int_equal(second.status, -EBUSY);
    assert_int_equal(read_path("/f", text), 0);
    assert_string_equal(text, "root");
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(file_unmount("/"), -ENOENT); /* one, and not two */
    assert_int_equal(file_mount(&disks[0].block.device, "/", NULL), 0);
}

static void test_vfs_two_mounts_of_a_directory_at_once(void **state)
{
    struct order first = {1, "/mnt", 1}, second = {2, "/a/../mnt", 1};
    char text[16];

    (void)state;
    two_mounts(&first, &second);
    assert_int_equal(first.status, 0);
    assert_int_equal(second.status, -EBUSY);
    assert_int_equal(read_path("/mnt/f", text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(file_unmount("/mnt"), 0);
    assert_int_equal(read_path("/mnt/f", text), -ENOENT);
}

static void test_vfs_one_disk_twice_at_once(void **state)
{
    struct order first = {1, "/mnt", 1}, second = {1, "/a", 1};
    char text[16];

    (void)state;
    two_mounts(&first, &second);
    assert_int_equal(first.status, 0);
    assert_int_equal(second.status, -EBUSY);
    assert_int_equal(read_path("/a/b/f", text), 0);
    assert_int_equal(file_mount(&disks[1].block.device, "/a", NULL), -EBUSY);
    assert_int_equal(file_mount(&disks[0].block.device, "/a", NULL), -EBUSY);
    vfs_check();
    assert_int_equal(file_unmount("/mnt"), 0);
    /* What failed has left nothing reserved. */
    assert_int_equal(file_mount(&disks[1].block.device, "/a", "ext2"), 0);
    assert_int_equal(file_unmount("/a"), 0);
}

/* While the second disk is being mounted, its place is an empty directory. */
static void test_vfs_walk_during_a_mount(void **state)
{
    struct order order = {1, "/mnt", 1};
    thread_id thread;
    char text[16];

    (void)state;
    disks[1].deferred = true;
    assert_int_equal(thread_create(NULL, order_run, &order, &thread), 0);
    thread_yield();
    assert_int_equal(order.status, 1);
    assert_int_equal(read_path("/mnt/f", text), -ENOENT);
    assert_int_equal(read_path("/mnt/../f", text), 0);
    assert_int_equal(file_unmount("/"), -EBUSY);
    disks[1].deferred = false;
    ramblk_complete(&disks[1]);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(order.status, 0);
    assert_int_equal(read_path("/mnt/f", text), 0);
    assert_int_equal(file_unmount("/mnt"), 0);
}

/* A partition that is a whole file system, and its disk. */
static void test_vfs_disk_and_its_partition(void **state)
{
    struct block_device part = {.sectors = disks[1].block.sectors - 1,
                                .sector_size = 512,
                                .limits = disks[1].block.limits,
                                .ops = disks[1].block.ops,
                                .disk = &disks[1].block,
                                .first_sector = 1,
                                .number = 1};

    (void)state;
    part.device.class = DEVICE_BLOCK;
    strcpy(part.device.name, "part");
    device_add_child(&disks[1].block.device, &part.device);
    list_push_back(&disks[1].block.partitions, &part.part_link);
    assert_int_equal(file_mount(&disks[1].block.device, "/mnt", NULL), 0);
    assert_int_equal(file_mount(&part.device, "/a", NULL), -EBUSY);
    assert_int_equal(file_unmount("/mnt"), 0);
    /* Not in use now: it is looked at, and is no file system. */
    assert_int_equal(file_mount(&part.device, "/a", NULL), -EINVAL);
    list_remove(&part.part_link);
}

static void test_file_position(void **state)
{
    struct file *file;
    char buf[8];

    (void)state;
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, buf, 2), 2);
    assert_memory_equal(buf, "ro", 2);
    assert_int_equal(file_read_at(file, buf, 8, 1), 3);
    assert_memory_equal(buf, "oot", 3);
    assert_int_equal(file_read(file, buf, 8), 2);
    assert_memory_equal(buf, "ot", 2);
    assert_int_equal(file_read(file, buf, 8), 0);
    assert_int_equal(file_seek(file, 3, FILE_SEEK_SET), 3);
    assert_int_equal(file_read(file, buf, 8), 1);
    assert_int_equal(file_seek(file, INT64_MAX, FILE_SEEK_SET), INT64_MAX);
    assert_int_equal(file_read(file, buf, 8), 0);
    assert_int_equal(file_seek(file, 1, FILE_SEEK_CUR), -EOVERFLOW);
    assert_int_equal(file_seek(file, -2, FILE_SEEK_END), 2);
    assert_int_equal(file_seek(file, -3, FILE_SEEK_CUR), -EINVAL);
    assert_int_equal(file_read(file, buf, 8), 2);
    assert_memory_equal(buf, "ot", 2);
    assert_int_equal(file_seek(file, -1, FILE_SEEK_CUR), 3);
    assert_int_equal(file_seek(file, -5, FILE_SEEK_END), -EINVAL);
    assert_int_equal(file_seek(file, -1, FILE_SEEK_SET), -EINVAL);
    assert_int_equal(file_read(file, buf, 8), 1);
    assert_int_equal(file_seek(file, 100, FILE_SEEK_END), 104);
    assert_int_equal(file_read(file, buf, 8), 0);
    assert_int_equal(file_read_at(file, buf, 0, 0), 0);
    file_close(file);
}

static void test_file_directory_is_no_file(void **state)
{
    struct dir_entry entry;
    struct file *file;
    char buf[8];

    (void)state;
    assert_int_equal(file_open("/a", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, buf, 8), -EISDIR);
    file_close(file);
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(dir_read(file, &entry), -ENOTDIR);
    file_close(file);
}

static void test_file_open_flags(void **state)
{
    static const struct {
        const char *path;
        unsigned flags;
        int status;
    } rows[] = {
        {"/f", FILE_READ, 0},
        {"/a", FILE_READ, 0},
        {"/f", FILE_READ | FILE_DIRECTORY_ONLY, -ENOTDIR},
        {"/a", FILE_READ | FILE_DIRECTORY_ONLY, 0},
        {"/to_f", FILE_READ | FILE_NOFOLLOW, -ELOOP},
        {"/to_b", FILE_READ | FILE_NOFOLLOW, -ELOOP},
        {"/to_b", FILE_READ | FILE_NOFOLLOW | FILE_DIRECTORY_ONLY, -ENOTDIR},
        {"/to_b/", FILE_READ | FILE_NOFOLLOW, 0},
        {"/to_b/f", FILE_READ | FILE_NOFOLLOW, 0},
        {"/f", FILE_WRITE, -EROFS},
        {"/f", FILE_READ | FILE_WRITE, -EROFS},
        {"/a", FILE_READ | FILE_WRITE, -EISDIR},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file *file;

        ROW(rows[i].path,
            file_open(rows[i].path, rows[i].flags, 0, &file) == rows[i].status);
        if (rows[i].status == 0)
            file_close(file);
    }
}

static void test_file_without_mounts(void **state)
{
    struct file *file;

    (void)state;
    assert_int_equal(file_unmount("/"), 0);
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), -ENOENT);
    disks[0].block.device.owner = 7; /* another CPU's */
    assert_int_equal(file_mount(&disks[0].block.device, "/", NULL), -EXDEV);
    disks[0].block.device.owner = 0;
    assert_int_equal(file_mount(&disks[0].block.device, "/", NULL), 0);
}

/* ---- Files belong to a CPU ----------------------------------------------- */

static struct file *foreign_file, *foreign_dir;

static int use_foreign(void *arg)
{
    struct dir_entry entry;
    struct file_stat stat;
    char buf[8];

    (void)arg;
    if (file_read_at(foreign_file, buf, 8, 0) != 4 || buf[0] != 'r')
        return 1;
    if (file_read(foreign_file, buf, 8) != 4)
        return 2;
    if (file_seek(foreign_file, 2, FILE_SEEK_SET) != 2)
        return 3;
    if (file_fstat(foreign_file, &stat) != 0 || stat.size_bytes != 4)
        return 4;
    if (dir_read(foreign_dir, &entry) != 1 || strcmp(entry.name, ".") != 0)
        return 5;
    if (file_mount(&disks[1].block.device, "/", NULL) != -EXDEV)
        return 6;
    if (file_stat("/f", true, &stat) != -ENOENT) /* nothing is mounted here */
        return 7;
    return 0;
}

static int two_cpus(void *arg)
{
    struct dir_entry entry;
    char buf[8];
    size_t size = *(const size_t *)arg;
    int status;

    vfs_init(file_systems);
    ramblk_init(&disks[0], images[0], size);
    ramblk_init(&disks[1], images[1], size);
    if (file_mount(&disks[0].block.device, "/", NULL) != 0)
        return 10;
    if (file_open("/f", FILE_READ, 0, &foreign_file) != 0 ||
        file_open("/a", FILE_READ, 0, &foreign_dir) != 0)
        return 11;
    status = remote_call(1, use_foreign, NULL);
    if (status != 0)
        return status;
    /* Positions are where the other CPU has left them. */
    if (file_read(foreign_file, buf, 8) != 2)
        return 12;
    if (dir_read(foreign_dir, &entry) != 1 || strcmp(entry.name, "..") != 0)
        return 13;
    file_close(foreign_file);
    file_close(foreign_dir);
    vfs_check();
    return -file_unmount("/");
}

static void test_file_of_another_cpu(void **state)
{
    size_t size = disks[0].block.sectors * 512;

    (void)state;
    assert_int_equal(machine_run(2, 64 << 20, two_cpus, &size), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vfs_paths),
        cmocka_unit_test(test_vfs_name_limits),
        cmocka_unit_test(test_vfs_stat_and_links),
        cmocka_unit_test(test_vfs_mounts),
        cmocka_unit_test(test_vfs_two_mounts_of_the_root_at_once),
        cmocka_unit_test(test_vfs_two_mounts_of_a_directory_at_once),
        cmocka_unit_test(test_vfs_one_disk_twice_at_once),
        cmocka_unit_test(test_vfs_walk_during_a_mount),
        cmocka_unit_test(test_vfs_disk_and_its_partition),
        cmocka_unit_test(test_file_position),
        cmocka_unit_test(test_file_directory_is_no_file),
        cmocka_unit_test(test_file_open_flags),
        cmocka_unit_test(test_file_without_mounts),
        cmocka_unit_test(test_file_of_another_cpu),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
