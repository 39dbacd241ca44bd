/*
 * What files hold, in each file system that can be written: reading, writing,
 * sizes, holes, slices that are lent, limits, and memory that fails.
 */
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/world.h"
#include <stdlib.h>
#include <string.h>
#include <torc/thread.h>

enum { RW = FILE_READ | FILE_WRITE, MODEL_MAX = 60000 };

static int setup(void **state)
{
    (void)state;
    world_attach(16 << 20);
    world_mount();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vfs_check();
    world_unmount();
    world_detach();
    return 0;
}

static struct file *open_new(const char *path, unsigned flags)
{
    struct file *file;

    assert_int_equal(file_open(path, flags | FILE_CREATE, 0644, &file), 0);
    return file;
}

static uint64_t size_of(struct file *file)
{
    struct file_stat stat;

    assert_int_equal(file_fstat(file, &stat), 0);
    return stat.size_bytes;
}

/* ---- Flags --------------------------------------------------------------- */

static void test_flags_are_kept_to(void **state)
{
    struct file *file = open_new("/f", FILE_WRITE);
    unsigned count = 1;
    struct slice slice;
    char buf[4] = "abc";

    (void)state;
    assert_int_equal(file_write(file, buf, 3), 3);
    assert_int_equal(file_read(file, buf, 3), -EBADF);
    assert_int_equal(file_lend(file, 0, 3, &slice, &count), -EBADF);
    assert_int_equal(count, 0);
    file_close(file);
    assert_int_equal(file_open("/f", FILE_READ, 0, &file), 0);
    assert_int_equal(file_write(file, buf, 3), -EBADF);
    assert_int_equal(file_write_at(file, buf, 3, 0), -EBADF);
    assert_int_equal(file_truncate(file, 0), -EBADF);
    assert_int_equal(file_read(file, buf, 3), 3);
    file_close(file);
    assert_int_equal(file_open("/f", FILE_WRITE | FILE_TRUNCATE, 0, &file), 0);
    assert_int_equal(size_of(file), 0);
    file_close(file);
    assert_int_equal(file_open("/f", FILE_READ | FILE_TRUNCATE, 0, &file),
                     -EINVAL);
}

static void test_append(void **state)
{
    struct file *file = open_new("/f", RW | FILE_APPEND);
    struct file *other = open_new("/f", RW);
    char buf[16] = {0};

    (void)state;
    assert_int_equal(file_write(file, "abc", 3), 3);
    assert_int_equal(file_write(other, "XYZW", 4), 4);
    assert_int_equal(file_seek(file, 0, FILE_SEEK_SET), 0);
    assert_int_equal(file_write(file, "de", 2), 2); /* at the end */
    assert_int_equal(file_seek(file, 0, FILE_SEEK_CUR), 6);
    assert_int_equal(file_read_at(other, buf, 16, 0), 6);
    assert_string_equal(buf, "XYZWde");
    file_close(file);
    file_close(other);
}

static void test_parts(void **state)
{
    static char a[5000], b[4000], c[10000];
    static char head[] = "head";
    const struct file_part write[] = {{head, 4}, {NULL, 0}, {a, 5000}};
    const struct file_part read[] = {{b, 4000}, {NULL, 0}, {c, 10000}};
    struct file *file = open_new("/f", RW);

    (void)state;
    memset(a, 'a', sizeof(a));
    assert_int_equal(file_write_parts(file, write, 3), 5004);
    assert_int_equal(file_write_parts(file, write + 1, 1), 0);
    assert_int_equal(file_write_parts(file, write, 0), 0);
    assert_int_equal(file_seek(file, 0, FILE_SEEK_CUR), 5004);
    assert_int_equal(file_seek(file, 2, FILE_SEEK_SET), 2);
    assert_int_equal(file_read_parts(file, read, 3), 5002);
    assert_memory_equal(b, "ada", 3);
    assert_memory_equal(c, a, 1002);
    assert_int_equal(file_read_parts(file, read, 3), 0);
    file_close(file);
}

/* ---- Edges --------------------------------------------------------------- */

static void test_sizes_at_the_edge(void **state)
{
    struct file *file = open_new("/f", RW);
    char buf[16];

    (void)state;
    assert_int_equal(file_write_at(file, "ab", 2, INT64_MAX - 1), 1);
    assert_int_equal(size_of(file), INT64_MAX);
    assert_int_equal(file_write_at(file, "ab", 2, INT64_MAX), -EFBIG);
    assert_int_equal(file_write_at(file, "ab", 2, UINT64_MAX), -EFBIG);
    assert_int_equal(file_write_at(file, "ab", 0, UINT64_MAX), 0);
    assert_int_equal(file_read_at(file, buf, 16, INT64_MAX - 3), 3);
    assert_memory_equal(buf, "\0\0a", 3);
    assert_int_equal(file_read_at(file, buf, 16, INT64_MAX), 0);
    assert_int_equal(file_read_at(file, buf, 16, UINT64_MAX), 0);
    assert_int_equal(file_read_at(file, buf, 16, 0), 16); /* a hole */
    assert_int_equal(file_truncate(file, UINT64_MAX), -EFBIG);
    assert_int_equal(size_of(file), INT64_MAX);
    assert_int_equal(file_truncate(file, 1), 0);
    assert_int_equal(file_read_at(file, buf, 16, 0), 1);
    assert_int_equal(buf[0], 0);
    file_close(file);
}

static void test_times_and_blocks(void **state)
{
    const struct file_time old = {100, 5};
    struct file *file = open_new("/f", RW);
    struct file_stat stat;
    char buf[4];

    (void)state;
    assert_int_equal(file_set_times("/f", true, old, old), 0);
    assert_int_equal(file_read_at(file, buf, 4, 0), 0);
    assert_int_equal(file_write(file, "", 0), 0);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.mtime.s, 100);
    assert_int_equal(stat.mtime.ns, 5);
    assert_int_equal(stat.atime.s, 100);
    assert_int_equal(stat.blocks, 0);
    assert_int_equal(file_write_at(file, "x", 1, 8192), 1);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_true(stat.mtime.s != 100);
    assert_true(stat.ctime.s == stat.mtime.s);
    assert_int_equal(stat.blocks, 8); /* one page; the rest is a hole */
    assert_int_equal(file_truncate(file, 4096), 0);
    assert_int_equal(file_fstat(file, &stat), 0);
    assert_int_equal(stat.blocks, 0);
    file_close(file);
}

/* ---- Limits -------------------------------------------------------------- */

static void test_byte_limit(void **state)
{
    const struct memfs_limits limits = {.bytes = 4 * 4096};
    static char buf[5 * 4096];
    struct file *file, *second;

    (void)state;
    assert_int_equal(file_mkdir("/m", 0755), 0);
    assert_int_equal(file_mount_memory("/m", &limits), 0);
    file = open_new("/m/f", RW);
    second = open_new("/m/g", RW); /* names: a page */
    assert_int_equal(file_write(second, "x", 1), 1);
    assert_int_equal(file_write(file, buf, sizeof(buf)), 2 * 4096);
    assert_int_equal(size_of(file), 2 * 4096);
    assert_int_equal(file_write(file, buf, 1), -ENOSPC);
    assert_int_equal(file_write_at(file, buf, 1, 100000), -ENOSPC);
    assert_int_equal(size_of(file), 2 * 4096);                  /* as it was */
    assert_int_equal(file_write_at(file, buf, 100, 5000), 100); /* has room */
    assert_int_equal(file_write(second, buf, 4095), 4095);
    assert_int_equal(file_truncate(file, 1 << 30), 0); /* a hole */
    vfs_check();
    assert_int_equal(file_truncate(file, 4097), 0);
    assert_int_equal(file_write(second, buf, 1), -ENOSPC);
    assert_int_equal(file_truncate(file, 4096), 0);
    assert_int_equal(file_write(second, buf, 1), 1);
    /* What has no name gives its room back when it is closed. */
    assert_int_equal(file_unlink("/m/g"), 0);
    assert_int_equal(file_write_at(file, buf, 1, 4096), -ENOSPC);
    file_close(second);
    assert_int_equal(file_write_at(file, buf, 8192, 4096), 8192);
    vfs_check();
    file_close(file);
    assert_int_equal(file_unmount("/m"), 0);
}

/* ---- Lending ------------------------------------------------------------- */

static void test_lend(void **state)
{
    struct file *file = open_new("/f", RW);
    static char data[10000], buf[10000];
    struct slice slices[3];
    unsigned count = 3;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 + (i >> 8));
    assert_int_equal(file_write(file, data, sizeof(data)), sizeof(data));
    assert_int_equal(file_lend(file, 100, 20000, slices, &count), 9900);
    assert_int_equal(count, 3);
    assert_int_equal(slices_read(slices, 3, 0, buf, sizeof(buf)), 9900);
    assert_memory_equal(buf, data + 100, 9900);
    /* What is written then goes to other memory. */
    assert_int_equal(file_write_at(file, "new", 3, 5000), 3);
    assert_int_equal(file_truncate(file, 6000), 0);
    assert_int_equal(slices_read(slices, 3, 0, buf, sizeof(buf)), 9900);
    assert_memory_equal(buf, data + 100, 9900);
    vfs_check();
    file_close(file);
    assert_int_equal(file_unlink("/f"), 0);
    assert_memory_equal(slice_data(&slices[0]), data + 100, 3996);
    for (unsigned i = 0; i < 3; i++)
        buf_put(slices[i].buf);
    /* As many as there is room for, and not behind the end. */
    file = open_new("/g", RW);
    assert_int_equal(file_write(file, data, sizeof(data)), sizeof(data));
    count = 1;
    assert_int_equal(file_lend(file, 4000, 5000, slices, &count), 96);
    assert_int_equal(count, 1);
    buf_put(slices[0].buf);
    count = 3;
    assert_int_equal(file_lend(file, 10000, 5, slices, &count), 0);
    count = 2;
    assert_int_equal(file_lend(file, 10001, 5, slices, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(count, 0);
    file_close(file);
}

/* ---- Against a model ----------------------------------------------------- */

static uint32_t random_state;

static unsigned roll(unsigned below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static struct {
    unsigned char bytes[MODEL_MAX];
    size_t size;
} model;

/* Sizes and places that are often at an edge of a page. */
static size_t pick(size_t max)
{
    size_t at = roll(2) == 0
                    ? roll((unsigned)max)
                    : roll((unsigned)(max / 4096 + 1)) * 4096 + roll(3);

    return at < max ? at : max;
}

static void model_write(size_t at, const unsigned char *from, size_t size)
{
    memcpy(model.bytes + at, from, size);
    if (at + size > model.size)
        model.size = at + size;
}

static void model_truncate(size_t size)
{
    if (size < model.size)
        memset(model.bytes + size, 0, model.size - size);
    model.size = size;
}

static void compare(struct file *file)
{
    static unsigned char bytes[MODEL_MAX + 1];
    size_t at = pick(MODEL_MAX);
    size_t rest = at < model.size ? model.size - at : 0;

    assert_int_equal(size_of(file), model.size);
    assert_int_equal(file_read_at(file, bytes, MODEL_MAX + 1, 0), model.size);
    assert_memory_equal(bytes, model.bytes, model.size);
    assert_int_equal(file_read_at(file, bytes, MODEL_MAX + 1, at), rest);
    assert_memory_equal(bytes, model.bytes + at, rest);
}

static void test_like_the_model(void **state)
{
    static unsigned char data[MODEL_MAX];

    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct file *file = open_new("/f", RW | FILE_TRUNCATE);

        random_state = seed;
        memset(&model, 0, sizeof(model));
        for (unsigned i = 0; i < 300; i++) {
            size_t at = pick(MODEL_MAX - 1);
            size_t size = 1 + pick(MODEL_MAX - 1 - at);

            for (size_t j = 0; j < size; j++)
                data[j] = (unsigned char)roll(256);
            if (roll(3) == 0) {
                model_truncate(at);
                assert_int_equal(file_truncate(file, at), 0);
            } else {
                model_write(at, data, size);
                assert_int_equal(file_write_at(file, data, size, at), size);
            }
            vfs_check();
            compare(file);
        }
        file_close(file);
    }
}

/* ---- Memory that fails --------------------------------------------------- */

/* The n-th allocation fails: what was written before it is there, and nothing
 * else has changed. */
static void test_write_without_memory(void **state)
{
    static char data[3 * 4096], buf[5 * 4096];
    unsigned failures = 0;
    bool failed = true;

    (void)state;
    memset(data, 'd', sizeof(data));
    for (uint64_t n = 1; failed; n++) {
        struct file *file = open_new("/f", RW);
        size_t blocks;
        int64_t put;

        assert_int_equal(file_write(file, "abc", 3), 3);
        blocks = stats().block_count;
        heap_fail(n);
        put = file_write_at(file, data, sizeof(data), 5000);
        failed = heap_failed();
        heap_fail(0);
        vfs_check();
        assert_int_equal(failed, put != sizeof(data));
        assert_true(put == -ENOMEM || put > 0);
        assert_int_equal(size_of(file), put < 0 ? 3 : 5000 + put);
        memset(buf, 'x', sizeof(buf));
        assert_int_equal(file_read_at(file, buf, sizeof(buf), 0),
                         size_of(file));
        assert_memory_equal(buf, "abc", 3);
        for (int64_t i = 0; i < put; i++)
            assert_int_equal(buf[5000 + i], 'd');
        assert_true(put > 0 || stats().block_count == blocks);
        failures += failed;
        file_close(file);
        assert_int_equal(file_unlink("/f"), 0);
    }
    assert_true(failures >= 4);
}

/* ---- Threads ------------------------------------------------------------- */

static struct file *shared;

static int append_lines(void *arg)
{
    const char *line = arg;

    for (int i = 0; i < 50; i++) {
        assert_int_equal(file_write(shared, line, 7), 7);
        thread_yield();
    }
    return 0;
}

/* Each write is whole, and none is lost. */
static void test_threads_append(void **state)
{
    static const char *const lines[] = {"aaaaaa\n", "bbbbbb\n", "cccccc\n"};
    static char buf[3 * 50 * 7 + 1];
    unsigned counts[3] = {0};
    thread_id ids[3];

    (void)state;
    shared = open_new("/f", RW | FILE_APPEND);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            thread_create(NULL, append_lines, (void *)lines[i], &ids[i]), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    assert_int_equal(file_read_at(shared, buf, sizeof(buf), 0), 3 * 50 * 7);
    for (unsigned i = 0; i < 3 * 50; i++) {
        unsigned which = (unsigned)(buf[7 * i] - 'a');

        assert_true(which < 3);
        assert_memory_equal(buf + 7 * i, lines[which], 7);
        counts[which]++;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(counts[i], 50);
    file_close(shared);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_flags_are_kept_to),
        ATTACHED(test_append),
        ATTACHED(test_parts),
        ATTACHED(test_byte_limit),
        ATTACHED(test_lend),
        ATTACHED(test_like_the_model),
        ATTACHED(test_write_without_memory),
        ATTACHED(test_threads_append),
    };
    /* What depends on how a file system keeps its data. */
    const struct CMUnitTest memory_tests[] = {
        ATTACHED(test_sizes_at_the_edge),
        ATTACHED(test_times_and_blocks),
    };

    return world_run("data", tests, COUNT_OF(tests)) +
           world_run_in(&worlds[0], "data", memory_tests,
                        COUNT_OF(memory_tests));
}
