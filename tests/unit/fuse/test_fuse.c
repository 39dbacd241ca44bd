/*
 * Files of a server: fs/fuse and drivers/virtio_fs.c, against the model of
 * both, VIRTIO 1.2, section 5.11, and FUSE 7.31.
 */
#include "kernel/file/vfs_internal.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/fuse_world.h"
#include "tests/fakes/root_mount.h"
#include <string.h>
#include <torc/file.h>
#include <torc/time.h>

static void test_read(void **state)
{
    char buf[100];
    struct file *file;

    (void)state;
    (void)fs_model_file(&fuse_model, "f", "hello", 5);
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "hello", 5);
    file_close(file);
}

int main(void)
{
#define MOUNTED(test) \
    cmocka_unit_test_setup_teardown(test, fuse_world_setup, fuse_world_teardown)
    const struct CMUnitTest tests[] = {
        MOUNTED(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
