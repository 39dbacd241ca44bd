/*
 * Devices of file systems that are not as they should be, and servers that are
 * gone: errors, and no wait without an end.
 */
#include "kernel/file/vfs_internal.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/fuse_world.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/file.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { MEMORY = 16 << 20 };
#define T0 (1000 * NS_PER_S)

/* ---- Finding ------------------------------------------------------------- */

static void test_found(void **state)
{
    static const struct {
        const char *what, *tag, *name;
        uint64_t offered; /* beside VERSION_1 */
        uint32_t queues;
        uint32_t queue_max;
        bool works;
        bool over_mmio;
    } rows[] = {
        {"as usual", "share", "share", 0, 1, 128, true, false},
        {"over MMIO", "share", "share", 0, 1, 128, true, true},
        {"packed", "share", "share", UINT64_C(1) << 34, 1, 128, true, false},
        {"tables", "share", "share", 1 << 28, 1, 128, true, false},
        {"many queues", "share", "share", 0, 9, 128, true, false},
        {"no tag", "", NULL, 0, 1, 128, false, false},
        {"no queue", "share", NULL, 0, 0, 128, false, false},
        {"shortest queue", "share", "share", 0, 1, 64, true, false},
        {"short queue", "share", NULL, 0, 1, 32, false, false},
        {"slash", "a/b", "fsa", 0, 1, 128, true, false},
        {"long", "abcdefghijklmnop", "fsa", 0, 1, 128, true, false},
        {"as long as can be", "abcdefghijklmno", "abcdefghijklmno", 0, 1, 128,
         true, false},
        {"no text", "a\x7f", "fsa", 0, 1, 128, true, false},
        {"blank", "a b", "fsa", 0, 1, 128, true, false},
        {"whole field", "123456789012345678901234567890123456", "fsa", 0, 1,
         128, true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status;

        fuse_world_plug(MEMORY, rows[i].over_mmio);
        memset(fuse_model.virtio.config, 0, 36);
        memcpy(fuse_model.virtio.config, rows[i].tag, strlen(rows[i].tag));
        fuse_model.virtio.config[36] = (uint8_t)rows[i].queues;
        fuse_model.virtio.offered |= rows[i].offered;
        fuse_model.virtio.queue_max = rows[i].queue_max;
        status = fuse_world_start();
        ROW(rows[i].what, (status == 0) == rows[i].works);
        if (status == 0) {
            struct file *file;
            char buf[8];

            ROW(rows[i].what,
                strcmp(fuse_channel->block.device.name, rows[i].name) == 0);
            fuse_world_mount();
            (void)fs_model_file(&fuse_model, "f", "abc", 3);
            ROW(rows[i].what, file_open("/f", FILE_READ, 0, &file) == 0);
            ROW(rows[i].what, file_read(file, buf, 8) == 3);
            file_close(file);
            fuse_world_unmount();
        }
        fuse_world_detach();
    }
}

static void test_sessions_that_cannot_be(void **state)
{
    static const struct {
        const char *what;
        uint32_t minor, max_write, flags, max_pages;
        int status;
    } rows[] = {
        {"as usual", 31, 131072, UINT32_MAX, 32, 0},
        {"later", 40, 131072, UINT32_MAX, 256, 0},
        {"older", 30, 131072, UINT32_MAX, 32, -ENOTSUP},
        {"a page", 31, 4096, UINT32_MAX, 32, 0},
        {"less", 31, 4095, UINT32_MAX, 32, -EIO},
        {"no pages", 31, 131072, UINT32_MAX, 0, -EIO},
        {"they are not said", 31, 131072, 0, 0, 0},
    };
    static uint8_t big[100000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file *file;
        int status;

        fuse_world_attach(MEMORY);
        fuse_model.minor = rows[i].minor;
        fuse_model.max_write = rows[i].max_write;
        fuse_model.init_flags = rows[i].flags;
        fuse_model.max_pages = rows[i].max_pages;
        status = file_mount(&fuse_channel->block.device, "/", "fuse");
        ROW(rows[i].what, status == rows[i].status);
        if (status == 0) {
            ROW(rows[i].what,
                file_open("/f", FILE_WRITE | FILE_CREATE, 0644, &file) == 0);
            ROW(rows[i].what,
                file_write(file, big, sizeof(big)) == (int64_t)sizeof(big));
            ROW(rows[i].what, file_sync(file) == 0);
            file_close(file);
            fuse_world_unmount();
        }
        fuse_world_detach();
    }
}

/* Nothing is mounted: it is no disk that could be. */
static void test_no_disk(void **state)
{
    struct file_stat stat;

    (void)state;
    fuse_world_attach(MEMORY);
    assert_int_equal(file_mount(&fuse_channel->block.device, "/", "ext2"),
                     -EINVAL);
    assert_int_equal(file_mount(&fuse_channel->block.device, "/", NULL), 0);
    assert_int_equal(file_stat("/", true, &stat), 0);
    fuse_world_unmount();
    fuse_world_detach();
}

/* ---- Gone ---------------------------------------------------------------- */

static int64_t asked;

static int ask_stat(void *arg)
{
    struct file_stat stat;

    (void)arg;
    asked = file_stat("/other", true, &stat);
    return 0;
}

static int ask_read(void *arg)
{
    char buf[4];

    asked = file_read_at(arg, buf, 4, 8192);
    return 0;
}

static int ask_unmount(void *arg)
{
    (void)arg;
    asked = file_unmount("/");
    return 0;
}

static void pass(uint64_t ns)
{
    clock_set(clock_now() + ns);
    for (int i = 0; i < 20; i++) {
        timer_run(clock_now());
        thread_yield();
    }
}

static void silence(struct virtio_model *model)
{
    (void)model;
    fuse_model.is_silent = true;
}

static void need_reset(struct virtio_model *model)
{
    fuse_model.is_silent = true;
    model_need_reset(model);
}

static void use_nonsense(struct virtio_model *model)
{
    fuse_model.is_silent = true;
    model_use_raw(model, 1, 77, 0);
    model_interrupt(model, 1);
}

static void test_gone(void **state)
{
    static const struct {
        const char *what;
        void (*happens)(struct virtio_model *model);
        int (*ask)(void *);
        bool at_once;
        int64_t status;
    } rows[] = {
        {"silent, a message", silence, ask_stat, false, -EIO},
        {"silent, data", silence, ask_read, false, -ETIMEDOUT},
        {"silent, the end", silence, ask_unmount, false, 0},
        {"reset, a message", need_reset, ask_stat, true, -EIO},
        {"reset, data", need_reset, ask_read, true, -EIO},
        {"nonsense, a message", use_nonsense, ask_stat, true, -EIO},
        {"nonsense, data", use_nonsense, ask_read, true, -EIO},
    };
    static char content[20000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file *file = NULL;
        struct file_stat stat;
        thread_id thread;

        console_forget();
        fuse_world_attach(MEMORY);
        fuse_world_mount();
        (void)fs_model_file(&fuse_model, "f", content, sizeof(content));
        if (rows[i].ask == ask_read)
            assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
        clock_set(T0);
        asked = 1;
        fuse_model.is_silent = true;
        assert_int_equal(thread_create(NULL, rows[i].ask, file, &thread), 0);
        pass(0);
        ROW(rows[i].what, asked == 1);
        rows[i].happens(&fuse_model.virtio);
        pass(29 * NS_PER_S);
        ROW(rows[i].what, (asked != 1) == rows[i].at_once);
        pass(2 * NS_PER_S);
        pass(31 * NS_PER_S); /* OPEN, then READ */
        ROW(rows[i].what, asked == rows[i].status || asked == -EIO);
        ROW(rows[i].what, console_has("given up"));
        assert_int_equal(thread_join(thread, NULL), 0);
        if (file != NULL)
            file_close(file);
        if (rows[i].ask != ask_unmount) {
            ROW(rows[i].what, file_mkdir("/d", 0755) == -EIO);
            ROW(rows[i].what, file_stat("/x", true, &stat) == -EIO);
            ROW(rows[i].what, file_unmount("/") == 0);
        }
        ROW(rows[i].what,
            file_mount(&fuse_channel->block.device, "/", "fuse") == -EIO);
        clock_set(0);
        fuse_world_detach();
    }
}

/* "f" is read, and has no name when it is closed: nobody waits for RELEASE and
 * FORGET. */
static void read_unlinked(void)
{
    struct file *file;
    char buf[4];

    (void)fs_model_file(&fuse_model, "f", "abc", 3);
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_read(file, buf, 4), 3);
    assert_int_equal(file_unlink("/f"), 0);
    file_close(file);
}

/* A server that answers all that somebody waits for, but never closes a file:
 * it is given up, too. */
static void test_never_closes(void **state)
{
    struct file_stat stat;

    (void)state;
    console_forget();
    fuse_world_attach(MEMORY);
    fuse_world_mount();
    clock_set(T0);
    fuse_model.late_opcode = 18; /* RELEASE */
    read_unlinked();
    for (unsigned i = 0; i < 28; i++) {
        pass(NS_PER_S);
        assert_int_equal(file_stat("/other", true, &stat), -ENOENT);
    }
    assert_true(fuse_model.is_late);
    assert_false(console_has("given up"));
    for (unsigned i = 0; i < 4; i++)
        pass(NS_PER_S);
    assert_true(console_has("given up"));
    assert_int_equal(file_stat("/other", true, &stat), -EIO);
    assert_int_equal(file_unmount("/"), 0);
    clock_set(0);
    fuse_world_detach();
}

/* What is done is not late, however long ago that was. */
static void test_long_after_the_last_answer(void **state)
{
    struct file_stat stat;

    (void)state;
    console_forget();
    fuse_world_attach(MEMORY);
    fuse_world_mount();
    clock_set(T0);
    for (unsigned i = 0; i < 3; i++) {
        read_unlinked();
        pass(NS_PER_S);
        assert_int_equal(fuse_model.counts[18], i + 1);
        pass(100 * NS_PER_S);
    }
    assert_false(console_has("given up"));
    assert_int_equal(file_stat("/f", true, &stat), -ENOENT);
    fuse_world_unmount();
    clock_set(0);
    fuse_world_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_sessions_that_cannot_be),
        cmocka_unit_test(test_no_disk),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_never_closes),
        cmocka_unit_test(test_long_after_the_last_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
