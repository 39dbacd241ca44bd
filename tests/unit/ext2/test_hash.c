/* Hashes of names: by debugfs where it knows them; the others by the images of
 * test_index.c. */
#include "fs/ext2/hash.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <string.h>

static const uint32_t no_seed[4];

static uint32_t by_debugfs(const char *algorithm, const char *seed,
                           const char *name)
{
    char command[700];
    unsigned hash = 1;
    FILE *pipe;

    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; debugfs -R 'dx_hash -h %s %s %s' "
             "2>/dev/null | sed 's/.* is //'",
             algorithm, seed, name);
    pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%x", &hash), 1);
    pclose(pipe);
    return hash;
}

static void test_hash_by_debugfs(void **state)
{
    static const char *const algorithms[] = {"legacy", "half_md4", "tea"};
    static const char *const seeds[] = {
        "", "-s 11111111-2222-3333-4444-0123456789ab"};
    static const uint32_t seeded[4] = {0x11111111, 0x33332222, 0x23014444,
                                       0xab896745};
    static const size_t lengths[] = {1,  2,  3,  4,  5,  15,  16,
                                     17, 31, 32, 33, 64, 200, 255};
    char name[256];

    (void)state;
    for (unsigned version = 0; version < 3; version++) {
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            for (size_t k = 0; k < lengths[i]; k++)
                name[k] = (char)('A' + (k * 7 + i) % 57);
            for (size_t k = 0; k < lengths[i]; k++)
                name[k] = name[k] == '\\' || name[k] == '`' ? '-' : name[k];
            name[lengths[i]] = '\0';
            for (unsigned s = 0; s < 2; s++) {
                uint32_t want = by_debugfs(algorithms[version], seeds[s], name);

                assert_int_equal(
                    ext2_hash(version, s ? seeded : no_seed, name, lengths[i]),
                    want);
                /* Without bytes above 127 the sign says nothing. */
                assert_int_equal(ext2_hash(version + 3, s ? seeded : no_seed,
                                           name, lengths[i]),
                                 want);
            }
        }
    }
}

/* Bytes above 127 are negative numbers, or not. */
static void test_hash_signs(void **state)
{
    static const char name[] = "gr\xc3\xbc\xc3\x9f"
                               "e-und-mehr-als-sechzehn";

    (void)state;
    for (unsigned version = 0; version < 3; version++)
        assert_int_not_equal(
            ext2_hash(version, no_seed, name, sizeof(name) - 1),
            ext2_hash(version + 3, no_seed, name, sizeof(name) - 1));
}

/* The end of a directory is no hash of a name: this one's would be it. */
static void test_hash_is_not_the_end(void **state)
{
    (void)state;
    assert_int_equal(ext2_hash(EXT2_HASH_LEGACY, no_seed, "oyle44", 6),
                     0xfffffffc);
    /* e2fsprogs makes no difference. */
    assert_int_equal(by_debugfs("legacy", "", "oyle44"), 0xfffffffe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_not_the_end),
        cmocka_unit_test(test_hash_by_debugfs),
        cmocka_unit_test(test_hash_signs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
