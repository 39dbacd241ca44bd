/* The generators: what they give, what they are given, and when they say that
 * it is not enough. The machine's own source is the test's. */
#include "kernel/cpu/percpu.h"
#include "kernel/device/random.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/chacha20.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>

/* The machine's own source gives `byte` only, of which `good` bytes nobody can
 * predict, and the time stands still. */
static void begin(size_t good, uint8_t byte)
{
    entropy_set(byte, good);
    clock_set(1000);
    machine_attach(8 << 20);
}

static void end(void)
{
    random_check();
    machine_detach();
    clock_set(0);
    entropy_set(-1, 0);
}

/* The first bytes that a fresh generator gives after `len` of `data`. */
static void first_bytes(const void *data, size_t len, uint8_t out[16])
{
    begin(0, 0);
    random_add(data, len, 0);
    assert_int_equal(random_bytes(out, 16), -EAGAIN);
    end();
}

/* ---- What they give ------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Words never come twice, neither in one answer nor in the next; and half of
 * their bits are set. */
static void test_words_do_not_repeat(void **state)
{
    static uint64_t words[4096];
    unsigned ones = 0;

    (void)state;
    begin(32, 7);
    for (size_t i = 0, n = 1; i < COUNT_OF(words); i += n, n = n % 40 + 1) {
        if (n > COUNT_OF(words) - i)
            n = COUNT_OF(words) - i;
        assert_int_equal(random_bytes(words + i, n * sizeof(*words)), 0);
    }
    for (size_t i = 0; i < COUNT_OF(words); i++)
        ones += (unsigned)__builtin_popcountll(words[i]);
    assert_in_range(ones, 4096 * 32 - 2000, 4096 * 32 + 2000);
    qsort(words, COUNT_OF(words), sizeof(*words), by_value);
    for (size_t i = 1; i < COUNT_OF(words); i++)
        assert_true(words[i] != words[i - 1]);
    end();
}

/* Any length, and not a byte more. */
static void test_lengths(void **state)
{
    static uint8_t out[300];

    (void)state;
    begin(32, 7);
    for (size_t len = 0; len + 1 < sizeof(out); len++) {
        unsigned zeros = 0;

        memset(out, 0, sizeof(out));
        out[len] = 0x77;
        assert_int_equal(random_bytes(out, len), 0);
        assert_int_equal(out[len], 0x77);
        for (size_t i = 0; i < len; i++)
            zeros += out[i] == 0;
        assert_true(zeros < 12);
    }
    end();
}

/* The same given, the same comes, whatever the lengths of the answers before;
 * an answer is of one stream. */
static void test_what_comes_depends_on_what_was_given(void **state)
{
    uint8_t a[100], b[100];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin(32, 7);
        assert_int_equal(random_bytes(i == 0 ? a : b, 100), 0);
        end();
    }
    assert_memory_equal(a, b, 100);
    begin(32, 7);
    assert_int_equal(random_bytes(b, 40), 0);
    assert_memory_equal(a, b, 40);
    end();
    begin(32, 8); /* another seed */
    assert_int_equal(random_bytes(b, 100), 0);
    assert_memory_not_equal(a, b, 32);
    end();
}

/* What the generator is after an answer does not tell the answer: its key is
 * another one, of which no byte was given. */
static void test_the_key_is_not_given(void **state)
{
    uint8_t answer[256], next[32];

    (void)state;
    begin(32, 7);
    assert_int_equal(random_bytes(answer, sizeof(answer)), 0);
    assert_int_equal(random_bytes(next, sizeof(next)), 0);
    for (size_t i = 0; i + 8 <= sizeof(answer); i++) {
        for (size_t k = 0; k + 8 <= sizeof(next); k++)
            assert_memory_not_equal(answer + i, next + k, 8);
    }
    end();
}

/* Block `counter` of the stream of answers that this CPU's key gives; the key
 * is the first that a generator has. */
static void stream(uint32_t counter, uint8_t out[CHACHA20_BLOCK])
{
    const uint32_t nonce[CHACHA20_NONCE_WORDS] = {1};
    uint32_t key[CHACHA20_KEY_WORDS];

    memcpy(key, cpu_self()->random, sizeof(key));
    chacha20_block(key, counter, nonce, out);
}

/* The first block is the next key, then the answer, which goes on with the
 * blocks that follow. */
static void test_an_answer_is_of_the_stream(void **state)
{
    static const size_t lengths[] = {0, 1, 32, 33, 96, 97, 200};

    (void)state;
    begin(32, 7);
    assert_int_equal(random_bytes(NULL, 0), 0); /* it is made */
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        uint8_t blocks[4 * CHACHA20_BLOCK];
        uint8_t answer[200];

        for (uint32_t k = 0; k < 4; k++)
            stream(k, blocks + k * CHACHA20_BLOCK);
        assert_int_equal(random_bytes(answer, lengths[i]), 0);
        assert_memory_equal(answer, blocks + 32, lengths[i]);
        assert_memory_equal(cpu_self()->random, blocks, 32);
    }
    end();
}

/* ---- What they are given ------------------------------------------------- */

/* Each byte counts, and so does the length. */
static void test_every_byte_counts(void **state)
{
    uint8_t data[70] = {0};
    uint8_t plain[16], other[16];

    (void)state;
    for (size_t len = 1; len <= sizeof(data); len += 3) {
        first_bytes(data, len, plain);
        for (size_t i = 0; i < len; i++) {
            data[i] = 1;
            first_bytes(data, len, other);
            data[i] = 0;
            assert_memory_not_equal(plain, other, 16);
        }
        first_bytes(data, len - 1, other);
        assert_memory_not_equal(plain, other, 16);
    }
}

/* What is given later takes nothing away. */
static void test_earlier_pieces_stay_in(void **state)
{
    uint8_t a[16], b[16];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin(0, (uint8_t)i);
        for (unsigned k = 0; k < 100; k++)
            random_add("the same", 8, 0);
        assert_int_equal(random_bytes(i == 0 ? a : b, 16), -EAGAIN);
        end();
    }
    assert_memory_not_equal(a, b, 16);
}

/* ---- Enough -------------------------------------------------------------- */

static void test_bits_add_up(void **state)
{
    uint8_t out[16];

    (void)state;
    begin(0, 0);
    assert_false(random_is_seeded());
    assert_int_equal(random_bytes(out, 16), -EAGAIN);
    random_add(out, 16, 255);
    assert_false(random_is_seeded());
    assert_int_equal(random_bytes(out, 16), -EAGAIN);
    random_add(out, 16, 0);
    assert_int_equal(random_bytes(out, 16), -EAGAIN);
    random_add(out, 16, 1);
    assert_true(random_is_seeded());
    assert_int_equal(random_bytes(out, 16), 0);
    random_add(out, 16, UINT32_MAX);
    assert_int_equal(random_bytes(out, 16), 0);
    end();

    begin(31, 0); /* the machine has almost enough */
    assert_int_equal(random_bytes(out, 0), -EAGAIN);
    random_add(out, 1, 8);
    assert_int_equal(random_bytes(out, 0), 0);
    end();
}

/* The machine's source is asked at the first time, and then seldom. */
static void test_how_often_the_machine_is_asked(void **state)
{
    uint8_t out[1];

    (void)state;
    begin(32, 7);
    assert_int_equal(entropy_asked(), 0);
    for (unsigned i = 0; i < 1 << 16; i++)
        assert_int_equal(random_bytes(out, 1), 0);
    assert_int_equal(entropy_asked(), 1);
    assert_int_equal(random_bytes(out, 1), 0);
    assert_int_equal(entropy_asked(), 2);
    for (unsigned i = 1; i < 1 << 16; i++)
        assert_int_equal(random_bytes(out, 1), 0);
    assert_int_equal(entropy_asked(), 2);
    assert_int_equal(random_bytes(out, 1), 0);
    assert_int_equal(entropy_asked(), 3);
    random_check();
    end();
}

/* Without memory each answer begins anew: nothing is kept, and it says so. */
static void test_without_memory(void **state)
{
    uint8_t a[16], b[16];

    (void)state;
    begin(32, 7);
    heap_fail(1);
    assert_int_equal(random_bytes(a, 16), 0);
    assert_true(heap_failed());
    heap_fail(1);
    random_add("lost", 4, 0);
    heap_fail(0);
    assert_int_equal(random_bytes(b, 16), 0);
    assert_int_equal(entropy_asked(), 3);
    end();
}

/* ---- All CPUs ------------------------------------------------------------ */

enum { CPUS = 3 };
static uint8_t of_cpu[CPUS][16];

static int ask(void *arg)
{
    return random_bytes(of_cpu[cpu_id()], sizeof(of_cpu[0])) ==
                   (int)(intptr_t)arg
               ? 0
               : 1;
}

static int seed_all(void *arg)
{
    static const uint8_t seed[RANDOM_SEED] = {1, 2, 3};

    (void)arg;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, ask, (void *)(intptr_t)-EAGAIN) != 0)
            return 1;
    }
    random_seed_all(seed, sizeof(seed));
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, ask, NULL) != 0)
            return 2;
        for (unsigned k = 0; k < i; k++) {
            if (memcmp(of_cpu[i], of_cpu[k], sizeof(of_cpu[0])) == 0)
                return 3;
        }
    }
    return 0;
}

static void test_seed_for_all(void **state)
{
    (void)state;
    entropy_set(0, 0);
    assert_int_equal(machine_run(CPUS, 8 << 20, seed_all, NULL), 0);
}

/* There is no memory for this CPU's generator, which takes the seed; the next
 * one that is made knows nothing of it, so the others are given nothing. */
static int seed_lost(void *arg)
{
    static const uint8_t seed[RANDOM_SEED] = {1, 2, 3};
    struct mem_stats before = stats();

    (void)arg;
    if (cpu_self()->random != NULL)
        return 1;
    heap_fail(1);
    random_seed_all(seed, sizeof(seed));
    heap_fail(0);
    if (cpu_self()->random == NULL)
        return 2;
    if (stats().block_count != before.block_count + 1)
        return 3;
    for (unsigned i = 0; i < CPUS; i++) {
        if (remote_call(i, ask, (void *)(intptr_t)-EAGAIN) != 0)
            return 4;
    }
    return 0;
}

static void test_seed_for_all_is_lost(void **state)
{
    (void)state;
    entropy_set(0, 0);
    assert_int_equal(machine_run(CPUS, 8 << 20, seed_lost, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_do_not_repeat),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_comes_depends_on_what_was_given),
        cmocka_unit_test(test_the_key_is_not_given),
        cmocka_unit_test(test_an_answer_is_of_the_stream),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_earlier_pieces_stay_in),
        cmocka_unit_test(test_bits_add_up),
        cmocka_unit_test(test_how_often_the_machine_is_asked),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_seed_for_all),
        cmocka_unit_test(test_seed_for_all_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
