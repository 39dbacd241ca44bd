/*
 * Hashes of names: whoever chooses the names but does not know the key cannot
 * put them into one chain.
 */
#include "kernel/file/vfs_internal.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/root_mount.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <torc/file_systems.h>
#include <unistd.h>

enum {
    BLOCK = 8,   /* bytes of a name that are one of two */
    BLOCKS = 12, /* of a name */
    NAMES = 1 << BLOCKS,
    KEYS = 16,
    LEN = BLOCK * BLOCKS,
    CHAIN_MAX = 24, /* with one or two names in a chain on average */
};

/*
 * Two strings whose values at any odd number are the same in the low 14 bits
 * (Thue and Morse: the difference is 64 (x-1) (x^2-1) (x^4-1)). Hashes that are
 * polynomials modulo 2^32 cannot tell names of them apart by those, whatever
 * their factor is.
 */
static const char blocks[2][BLOCK + 1] = {"0pp0p00p", "p00p0pp0"};

static const char *hostile(unsigned i)
{
    static char name[LEN + 1];

    for (unsigned k = 0; k < BLOCKS; k++)
        memcpy(name + (size_t)k * BLOCK, blocks[i >> k & 1], BLOCK);
    name[LEN] = '\0';
    return name;
}

/* What an odd factor alone would make of them. */
static uint32_t product(const char *text, uint32_t factor)
{
    uint32_t hash = 0;

    for (; *text != '\0'; text++)
        hash = (hash + (unsigned char)*text) * factor;
    return hash;
}

/* Nothing is random that a test decides by: keys of a known sequence. */
static struct hash_key key_number(unsigned i)
{
    uint64_t random[2];

    for (unsigned k = 0; k < 2; k++) {
        uint64_t z = (2 * i + k + 1) * UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        random[k] = z ^ z >> 31;
    }
    return hash_key(random);
}

static void test_names_that_collide_for_factors(void **state)
{
    static const uint32_t factors[] = {0x9e3779b1, 31, 0x01000193, 0xdeadbeef};

    (void)state;
    for (size_t k = 0; k < sizeof(factors) / sizeof(factors[0]); k++) {
        uint32_t first = product(hostile(0), factors[k]);

        for (unsigned i = 1; i < NAMES; i++)
            assert_int_equal((product(hostile(i), factors[k]) ^ first) % NAMES,
                             0);
    }
}

/* Names of `kind` over NAMES chains: the longest. */
static unsigned longest(const struct hash_key *key, const char *kind(unsigned))
{
    static unsigned chains[NAMES];
    unsigned most = 0;

    memset(chains, 0, sizeof(chains));
    for (unsigned i = 0; i < NAMES; i++) {
        const char *name = kind(i);
        unsigned *len = &chains[hash_bytes(key, name, strlen(name)) % NAMES];

        (*len)++;
        most = *len > most ? *len : most;
    }
    return most;
}

static const char *counted(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof(name), "file%u.html", i);
    return name;
}

/* Two bytes, and nothing else, differ. */
static const char *two_bytes(unsigned i)
{
    static char name[3];

    name[0] = (char)(0x80 + i / 64);
    name[1] = (char)(0x80 + i % 64);
    return name;
}

static void test_names_are_spread(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        const struct hash_key key = key_number(i);

        assert_in_range(longest(&key, hostile), 2, CHAIN_MAX);
        assert_in_range(longest(&key, counted), 1, CHAIN_MAX);
        assert_in_range(longest(&key, two_bytes), 1, CHAIN_MAX);
    }
}

/* All of a key counts: with another one names are elsewhere. */
static void test_the_key_counts(void **state)
{
    const struct hash_key key = key_number(1);
    struct hash_key point = key, spread = key;
    unsigned moved[2] = {0};

    (void)state;
    point.point ^= 1 << 12;
    spread.spread ^= 1 << 20;
    for (unsigned i = 0; i < NAMES; i++) {
        const char *name = counted(i);
        uint32_t hash = hash_bytes(&key, name, strlen(name));

        moved[0] += (hash_bytes(&point, name, strlen(name)) ^ hash) % NAMES > 0;
        moved[1] +=
            (hash_bytes(&spread, name, strlen(name)) ^ hash) % NAMES > 0;
    }
    assert_in_range(moved[0], NAMES * 9 / 10, NAMES);
    assert_in_range(moved[1], NAMES * 9 / 10, NAMES);
}

/* Every key is a good one, and the longest name stays in its numbers. */
static void test_keys_at_the_edges(void **state)
{
    static const uint64_t rows[][2] = {
        {0, 0}, {HASH_POINT_MAX - 1, UINT64_MAX}, {UINT64_MAX, 2}};
    char text[FILE_NAME_MAX];

    (void)state;
    memset(text, 0xff, sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hash_key key = hash_key(rows[i]);
        uint64_t value = 0, exact = 0;

        assert_in_range(key.point, 1, HASH_POINT_MAX);
        assert_int_equal(key.spread % 2, 1);
        for (size_t k = 0; k < sizeof(text); k++) {
            value = hash_byte(key.point, value, text[k]);
            exact = (exact + 0xff) * key.point % HASH_PRIME;
            assert_true(value < UINT64_C(1) << 33);
            assert_int_equal(value % HASH_PRIME, exact);
        }
    }
}

/* ---- Mounts -------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static void mount_root(void)
{
    assert_int_equal(file_mount_memory("/", NULL), 0);
}

/*
 * Somebody asks for as many files that are not there as names are kept: a
 * lookup passes a few of them, not all. The slots are NAMES / 2 or more.
 */
static void test_lookups_are_bounded(void **state)
{
    struct hash_table *table;
    uint64_t passed = 0;
    char path[LEN + 2] = "/";

    (void)state;
    mount_root();
    root_mount()->name_key = key_number(3);
    root_mount()->cached_max = NAMES;
    for (unsigned i = 0; i < NAMES; i++) {
        struct file *file;

        memcpy(path + 1, hostile(i), LEN + 1);
        assert_int_equal(file_open(path, FILE_READ, 0, &file), -ENOENT);
    }
    vfs_check();
    table = &root_mount()->dentries;
    assert_int_equal(table->count, NAMES);
    for (uint32_t i = 0; i <= table->mask; i++) {
        unsigned len = 0;

        for (struct hash_node *node = table->slots[i]; node != NULL;
             node = node->next)
            passed += ++len;
        assert_in_range(len, 0, CHAIN_MAX);
    }
    assert_in_range(passed / NAMES, 1, 3);
    assert_int_equal(file_unmount("/"), 0);
}

/* Where a hash is the same for all, names are told apart by what they are. */
static void test_names_of_one_hash(void **state)
{
    static const char *const names[] = {"/abc", "/ab", "/abd", "/xbc", "/abcd"};
    struct file_stat stat;
    struct file *file;

    (void)state;
    mount_root();
    root_mount()->name_key = (struct hash_key){1, 1};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(file_stat(names[i], true, &stat), -ENOENT);
        assert_int_equal(
            file_open(names[i], FILE_WRITE | FILE_CREATE, 0644, &file), 0);
        assert_int_equal(file_write(file, "text", i), i);
        file_close(file);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(file_stat(names[i], true, &stat), 0);
        assert_int_equal(stat.size_bytes, i);
    }
    assert_int_equal(file_unmount("/"), 0);
}

/* Each mount has a key of its own. */
static void test_a_mount_draws_its_key(void **state)
{
    struct hash_key keys[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        mount_root();
        keys[i] = root_mount()->name_key;
        assert_in_range(keys[i].point, 1, HASH_POINT_MAX);
        assert_int_equal(file_unmount("/"), 0);
    }
    assert_int_not_equal(keys[0].point, keys[1].point);
    assert_int_not_equal(keys[0].spread, keys[1].spread);
}

static bool no_random_numbers;

/* In the place of the C library's: the hosted machine's random numbers. */
ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    if (!no_random_numbers)
        return syscall(SYS_getrandom, buf, len, flags);
    errno = ENOSYS;
    return -1;
}

static int mount_two(void *arg)
{
    struct hash_key first;

    (void)arg;
    mount_root();
    first = root_mount()->name_key;
    assert_int_equal(file_unmount("/"), 0);
    mount_root();
    return first.point == root_mount()->name_key.point;
}

/* Without random numbers keys still differ, and there is a warning. */
static void test_keys_without_random_numbers(void **state)
{
    static const char warning[] = "which names collide can be guessed";
    char output[2000];

    (void)state;
    no_random_numbers = true;
    assert_int_equal(machine_run_output(1, 16 << 20, "", mount_two, NULL,
                                        output, sizeof(output)),
                     0);
    assert_non_null(strstr(output, warning));
    no_random_numbers = false;
    assert_int_equal(machine_run_output(1, 16 << 20, "", mount_two, NULL,
                                        output, sizeof(output)),
                     0);
    assert_null(strstr(output, warning));
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_collide_for_factors),
        cmocka_unit_test(test_names_are_spread),
        cmocka_unit_test(test_the_key_counts),
        cmocka_unit_test(test_keys_at_the_edges),
        ATTACHED(test_lookups_are_bounded),
        ATTACHED(test_names_of_one_hash),
        ATTACHED(test_a_mount_draws_its_key),
        cmocka_unit_test(test_keys_without_random_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
