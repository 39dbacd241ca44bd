/* Reader/writer locks: who holds them together, and in which order. */
#include "kernel/thread/rwlock.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/thread.h>

static struct rwlock lock;
static char track[64]; /* a letter as a thread gets the lock */
static unsigned inside_shared, inside_exclusive;

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    rwlock_init(&lock);
    track[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rwlock_check(&lock);
    machine_detach();
    return 0;
}

static void yield_some(void)
{
    for (int i = 0; i < 5; i++) {
        rwlock_check(&lock);
        thread_yield();
    }
}

static int reader(void *arg)
{
    (void)arg;
    rwlock_lock_shared(&lock);
    assert_int_equal(inside_exclusive, 0);
    inside_shared++;
    strcat(track, thread_name());
    thread_yield();
    inside_shared--;
    rwlock_unlock_shared(&lock);
    return 0;
}

static int writer(void *arg)
{
    (void)arg;
    rwlock_lock(&lock);
    assert_true(rwlock_is_mine(&lock));
    assert_int_equal(inside_exclusive, 0);
    assert_int_equal(inside_shared, 0);
    inside_exclusive++;
    strcat(track, thread_name());
    thread_yield();
    inside_exclusive--;
    rwlock_unlock(&lock);
    return 0;
}

/* Start a thread for each letter, capital ones write. */
static unsigned start(const char *letters, thread_id *ids)
{
    unsigned count = 0;

    for (; letters[count] != '\0'; count++) {
        const char name[2] = {letters[count]};
        const struct thread_attr attr = {.name = name};

        assert_int_equal(thread_create(&attr, name[0] < 'a' ? writer : reader,
                                       NULL, &ids[count]),
                         0);
        thread_yield();
    }
    return count;
}

static void join(const thread_id *ids, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    assert_false(rwlock_is_held(&lock));
    rwlock_check(&lock);
}

static void test_rwlock_order(void **state)
{
    /* clang-format off */
    static const struct {
        bool exclusive;   /* how the test holds it while the others come */
        const char *come;
        const char *go;
    } rows[] = {
        {false, "abc",     "abc"},     /* readers do not wait for readers */
        {false, "A",       "A"},
        {false, "aAb",     "aAb"},     /* b waits: A came before it */
        {false, "AaBb",    "AabB"},    /* readers before the second writer */
        {false, "AbcBdCe", "AbcdeBC"}, /* those that are there are let in */
        {true,  "abc",     "abc"},
        {true,  "AB",      "AB"},
        {true,  "AaB",     "aAB"},
        {true,  "ABab",    "abAB"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        thread_id ids[10];
        unsigned count;

        track[0] = '\0';
        if (rows[i].exclusive)
            rwlock_lock(&lock);
        else
            rwlock_lock_shared(&lock);
        count = start(rows[i].come, ids);
        yield_some();
        if (rows[i].exclusive) {
            ROW(rows[i].come, track[0] == '\0');
            rwlock_unlock(&lock);
        } else {
            rwlock_unlock_shared(&lock);
        }
        join(ids, count);
        ROW(rows[i].come, strcmp(track, rows[i].go) == 0);
    }
}

/* A lock that was handed over is not taken by one that comes meanwhile. */
static void test_rwlock_is_handed_over(void **state)
{
    thread_id id;

    (void)state;
    rwlock_lock(&lock);
    assert_int_equal(start("A", &id), 1);
    yield_some();
    rwlock_unlock(&lock);
    assert_string_equal(track, "");
    assert_false(rwlock_try_lock(&lock));
    rwlock_lock_shared(&lock); /* waits until A has gone */
    assert_string_equal(track, "A");
    rwlock_unlock_shared(&lock);
    join(&id, 1);
}

static void test_rwlock_try(void **state)
{
    (void)state;
    assert_true(rwlock_try_lock(&lock));
    assert_true(rwlock_is_mine(&lock));
    assert_false(rwlock_try_lock(&lock));
    rwlock_unlock(&lock);
    assert_false(rwlock_is_mine(&lock));
    rwlock_lock_shared(&lock);
    assert_false(rwlock_try_lock(&lock));
    assert_false(rwlock_is_mine(&lock));
    rwlock_unlock_shared(&lock);
}

/* Many threads, in every mixture: reader() and writer() look at each other. */
static void test_rwlock_crowd(void **state)
{
    thread_id ids[60];
    uint32_t random = 1;

    (void)state;
    for (int round = 0; round < 50; round++) {
        unsigned count = 0;

        track[0] = '\0';
        for (int i = 0; i < 20; i++) {
            random = random * 1664525 + 1013904223;
            count += start((random >> 16) % 3 == 0 ? "W" : "r", &ids[count]);
        }
        join(ids, count);
        assert_int_equal(strlen(track), 20);
    }
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_rwlock_order),
        ATTACHED(test_rwlock_is_handed_over),
        ATTACHED(test_rwlock_try),
        ATTACHED(test_rwlock_crowd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
