/* Files that stay open between two requests: apps/site/open_files.c. */
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>

#include <torc/file.h>

static void world_file_close(struct file *file);
#define file_close(file) world_file_close(file)
#include "apps/site/open_files.c"

enum { PATHS = 400 };

static unsigned closed;

static void world_file_close(struct file *file)
{
    assert_non_null(file);
    closed++;
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
