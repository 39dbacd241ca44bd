/* Files that stay open between two requests: apps/site/open_files.c. */
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>

#include <torc/buf.h>
#include <torc/file.h>

static void world_file_close(struct file *file);
static int64_t world_file_lend(struct file *file, uint64_t offset,
                               uint64_t size, struct slice *slices,
                               unsigned *count);
#define file_close(file) world_file_close(file)
#define file_lend(file, offset, size, slices, count) \
    world_file_lend(file, offset, size, slices, count)
#include "apps/site/open_files.c"

enum { PATHS = 400 };

static unsigned closed;

static void world_file_close(struct file *file)
{
    assert_non_null(file);
    closed++;
}

static struct buf *page;

static int64_t world_file_lend(struct file *file, uint64_t offset,
                               uint64_t size, struct slice *slices,
                               unsigned *count)
{
    uint64_t done = 0;
    unsigned i = 0;

    assert_non_null(file);
    assert_int_equal(offset, 0);
    for (; done < size; i++) {
        uint64_t len = size - done < 4096 ? size - done : 4096;

        assert_true(i < *count);
        slices[i] = (struct slice){page, 0, (uint32_t)len};
        buf_get(page);
        done += len;
    }
    *count = i;
    return (int64_t)done;
}

/* Paths of several lengths, each with and without a slash behind it. */
static void target_set(struct http_target *target, unsigned i)
{
    target->has_trailing_slash = i % 2;
    target->path_len =
        (size_t)snprintf(target->path, sizeof(target->path),
                         i % 3 == 0 ? "/%u" : "/directory/%u.html", i / 2 % 97);
}

static bool is_same(const struct http_target *a, const struct http_target *b)
{
    return a->has_trailing_slash == b->has_trailing_slash &&
           a->path_len == b->path_len &&
           memcmp(a->path, b->path, a->path_len) == 0;
}

/* Whatever is in a place, only its own target finds it. */
static void test_only_its_target_finds_a_file(void **state)
{
    static int files[PATHS]; /* stand for open files */
    static struct http_target target, other;
    struct open_files cache;

    (void)state;
    closed = 0;
    assert_int_equal(open_files_init(&cache, 0), 0);
    for (unsigned i = 0; i < PATHS; i++) {
        struct open_file *kept;

        target_set(&target, i);
        kept = open_files_keep(&cache, &target, (struct file *)&files[i],
                               "text/html", NULL);
        assert_non_null(kept);
        open_files_release(kept);
        for (unsigned j = 0; j < PATHS; j++) {
            struct open_file *found;

            target_set(&other, j);
            found = open_files_find(&cache, &other);
            if (is_same(&target, &other))
                assert_ptr_equal(found, kept);
            else
                assert_true(found != kept);
            if (found != NULL)
                open_files_release(found);
        }
    }
    open_files_fini(&cache);
    assert_int_equal(closed, PATHS);
}

static void test_a_file_in_use_keeps_its_place(void **state)
{
    static int files[2];
    static struct http_target target = {.path = "/a", .path_len = 2};
    struct open_files cache;
    struct open_file *open;

    (void)state;
    assert_int_equal(open_files_init(&cache, 0), 0);
    open =
        open_files_keep(&cache, &target, (struct file *)&files[0], "a", NULL);
    assert_non_null(open);
    assert_null(
        open_files_keep(&cache, &target, (struct file *)&files[1], "b", NULL));
    open_files_release(open);
    memset(target.path, 'a', OPEN_FILES_PATH + 1);
    target.path_len = OPEN_FILES_PATH + 1;
    assert_null(
        open_files_keep(&cache, &target, (struct file *)&files[1], "b", NULL));
    target.path_len--;
    open =
        open_files_keep(&cache, &target, (struct file *)&files[1], "b", NULL);
    assert_non_null(open);
    open_files_release(open);
    open_files_fini(&cache);
}

/* Pages count, however few of their bytes are a file's. */
static void test_pages_of_others_are_bounded(void **state)
{
    static int files[PATHS];
    static struct http_target target;
    const uint64_t sizes[] = {100, 4096, 4097, 5 * 4096 - 1};
    const unsigned wanted[] = {5, 5, 4, 5};

    (void)state;
    page = buf_alloc(4096);
    assert_non_null(page);
    for (unsigned s = 0; s < COUNT_OF(sizes); s++) {
        const struct file_stat stat = {.size_bytes = sizes[s]};
        struct open_files cache;

        assert_int_equal(open_files_init(&cache, 5 * 4096 + 4095), 0);
        for (unsigned i = 0; i < PATHS; i++) {
            struct open_file *kept;

            target_set(&target, i);
            kept = open_files_keep(&cache, &target, (struct file *)&files[i],
                                   "text/html", &stat);
            assert_non_null(kept);
            open_files_release(kept);
            assert_true(page->refs <= 1 + 5);
        }
        assert_int_equal(page->refs, 1 + wanted[s]);
        open_files_fini(&cache);
        assert_int_equal(cache.pages_bytes, 0);
        assert_int_equal(page->refs, 1);
    }
    buf_put(page);
}

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_its_target_finds_a_file,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_in_use_keeps_its_place,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_of_others_are_bounded, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
