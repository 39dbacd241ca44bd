/*
 * The crash explorer itself: which states it makes of a log, and that a flush
 * that is missing is found.
 */
#include "kernel/cache/mapping.h"
#include "tests/crash/states.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>

enum { SIZE = 64 * 1024, SEEN_MAX = 4096 };

static uint8_t base[SIZE], image[SIZE];
static struct crash_disk disk;
static const struct crash_limits whole = {.exhaustive = 1000, .seed = 1};

/* ---- A log by hand ------------------------------------------------------- */

/* What the first bytes of sectors 0 to 3 were, in the states told. */
static struct {
    char seen[SEEN_MAX][5];
    unsigned count;
} told;

static bool note(void *context, const struct crash_state *state)
{
    (void)context;
    assert_true(told.count < SEEN_MAX);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = state->image[(size_t)i * BLOCK_SECTOR_SIZE];

        /* All of a sector is of one version. */
        for (unsigned k = 1; k < BLOCK_SECTOR_SIZE; k++)
            assert_int_equal(state->image[(size_t)i * BLOCK_SECTOR_SIZE + k],
                             byte);
        told.seen[told.count][i] = byte == 0 ? '.' : (char)byte;
    }
    told.seen[told.count++][4] = '\0';
    return true;
}

static bool was_seen(const char *sectors)
{
    for (unsigned i = 0; i < told.count; i++)
        if (strcmp(told.seen[i], sectors) == 0)
            return true;
    return false;
}

/*
 * Tell the states of a log: words of "0a" (write of 'a' to sector 0), "0-2a"
 * (to sectors 0 to 2), "!0a" (with FUA), "f" (flush), "m" (mark).
 */
static struct crash_counts states_of(const char *words,
                                     const struct crash_limits *limits)
{
    struct crash_log log = {.event = calloc(64, sizeof(*log.event))};
    struct crash_counts counts = {0};

    for (const char *at = words; *at != '\0'; at++) {
        struct crash_event *event = &log.event[log.count];
        unsigned last;

        if (*at == ' ')
            continue;
        log.count++;
        *event =
            (struct crash_event){.kind = *at == 'f' ? CRASH_FLUSH : CRASH_MARK};
        if (*at == 'f' || *at == 'm')
            continue;
        event->kind = CRASH_WRITE;
        event->is_durable = *at == '!';
        at += *at == '!';
        event->sector = (unsigned)(*at - '0');
        last = (unsigned)(at[1] == '-' ? at[2] : at[0]) - '0';
        at += at[1] == '-' ? 3 : 1;
        event->sectors = last - (uint32_t)event->sector + 1;
        event->data = malloc((size_t)event->sectors * BLOCK_SECTOR_SIZE);
        memset(event->data, *at, (size_t)event->sectors * BLOCK_SECTOR_SIZE);
    }
    told.count = 0;
    crash_states(base, SIZE, &log, limits, note, NULL, &counts);
    crash_log_free(&log);
    if (limits->only == 0)
        assert_int_equal(counts.distinct, told.count);
    return counts;
}

static void test_states_of_small_logs(void **state)
{
    static const struct {
        const char *log;
        const char *all; /* the states, in any order */
    } rows[] = {
        {"", "...."},
        {"0a", ".... a..."},
        {"0-1a", ".... a... .a.. aa.."},
        {"0a 1b", ".... a... .b.. ab.."},
        {"0a 0b", ".... a... b..."},
        /* Behind a flush the window is empty: one state. */
        {"0a f", ".... a... a..."},
        {"0a f 1b", ".... a... a... ab.."},
        {"0a f 0b", ".... a... a... b..."},
        /* The same bytes are told again when something else may hold. */
        {"0a m", ".... a... .... a..."},
        {"0a m 1b", ".... a... .... a... .b.. ab.."},
        /* A write with FUA is there once it has ended, and what was written to
         * the sector before does not come back; others may still be missing. */
        {"!0a", ".... a..."},
        {"!0a 1b", ".... a... a... ab.."},
        {"1b !0a m", ".... a... .b.. ab.. a... ab.."},
        {"0b !0a 1c", ".... b... a... a... ac.."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct crash_counts counts = states_of(rows[i].log, &whole);
        unsigned wanted = 0;

        for (const char *at = rows[i].all; *at != '\0';
             at += at[4] == ' ' ? 5 : 4) {
            char sectors[5] = {at[0], at[1], at[2], at[3], '\0'};

            ROW(rows[i].log, was_seen(sectors));
            wanted++;
        }
        ROW(rows[i].log, counts.windows == counts.explored_all);
        ROW(rows[i].log, told.count == wanted);
    }
}

/* Too many to make all: what is made then, and that a seed repeats it. */
static void test_states_of_a_large_window(void **state)
{
    static const char log[] = "0-1a 2-3b 0c 3d";
    struct crash_limits limits = {.exhaustive = 10, .seed = 1};
    struct crash_counts counts = states_of(log, &limits);
    unsigned count;

    (void)state;
    assert_int_equal(counts.explored_all, 0);
    assert_true(was_seen("...."));
    assert_true(was_seen("aa..")); /* prefixes */
    assert_true(was_seen("aabb"));
    assert_true(was_seen("cabb"));
    assert_true(was_seen("cabd"));
    assert_true(was_seen("a...")); /* torn */
    assert_true(was_seen(".a.."));
    assert_true(was_seen("aa.b"));
    assert_true(was_seen("..bb")); /* alone */
    assert_true(was_seen("...d"));
    assert_true(was_seen("c.bd")); /* all but one */
    assert_false(was_seen(".abd"));
    count = told.count;
    limits.drawn = 200;
    states_of(log, &limits);
    assert_true(told.count > count);
    count = told.count;
    states_of(log, &limits);
    assert_int_equal(told.count, count);
    /* All there are: 3 * 2 * 2 * 3. */
    limits.drawn = 5000;
    states_of(log, &limits);
    assert_int_equal(told.count, 36);
}

/* A state is found again by its number. */
static void test_only_one_state(void **state)
{
    struct crash_limits limits = whole;
    char third[5];

    (void)state;
    states_of("0a 1b", &whole);
    memcpy(third, told.seen[2], 5);
    limits.only = 3;
    states_of("0a 1b", &limits);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.seen[0], third);
}

static bool note_number(void *context, const struct crash_state *state)
{
    uint64_t *last = context;

    *last = state->number;
    return true;
}

/* States of a log are numbered from 1, also where counts go on. */
static void test_numbers_begin_anew_with_each_log(void **state)
{
    struct crash_log log = {.event = NULL};
    struct crash_counts counts = {0};
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 1; i <= 2; i++) {
        crash_states(base, SIZE, &log, &whole, note_number, &last, &counts);
        assert_int_equal(last, 1);
        assert_int_equal(counts.states, i);
    }
}

/* ---- Through the cache --------------------------------------------------- */

enum { ROUNDS = 3, A = 0, B = 16 }; /* sectors: pages of their own */

static struct block_open opened;
static struct mapping device;

static void put(uint64_t sector, int byte)
{
    struct mapping_ref ref;

    assert_int_equal(mapping_ref(&device, sector * 512, &ref), 0);
    assert_int_equal(mapping_modify(&ref, 0, 512), 0);
    memset(ref.data, byte, 512);
    mapping_dirty(&ref, 0, 512);
    mapping_unref(&ref);
}

static void write_and_flush(void)
{
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(block_flush(&opened), 0);
}

/* A gets a number, and when that is durable B gets it, too. */
static void workload(void)
{
    for (int i = 1; i <= ROUNDS; i++) {
        put(A, i);
        write_and_flush();
        put(B, i);
        write_and_flush();
    }
}

static bool b_is_not_ahead(void *context, const struct crash_state *state)
{
    unsigned *broken = context;

    if (state->image[(size_t)B * 512] > state->image[(size_t)A * 512])
        ++*broken;
    return true;
}

/* How many states break the rule when the n-th flush is dropped. */
static unsigned broken_without(unsigned flush)
{
    struct crash_counts counts = {0};
    unsigned broken = 0;

    memset(image, 0, SIZE);
    assert_int_equal(block_open(&disk.block, BLOCK_EXCLUSIVE, &opened), 0);
    assert_int_equal(mapping_init_device(&device, &opened), 0);
    crash_disk_record(&disk);
    disk.drop_flush = flush;
    workload();
    disk.is_recording = false;
    mapping_destroy(&device);
    block_close(&opened);
    crash_states(base, SIZE, &disk.log, &whole, b_is_not_ahead, &broken,
                 &counts);
    assert_true(counts.states >= 4 * ROUNDS);
    crash_log_free(&disk.log);
    return broken;
}

static void test_missing_flush_is_found(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    crash_disk_init(&disk, image, SIZE, false);
    assert_int_equal(broken_without(0), 0);
    /* Behind A: then B may be there without it. Behind B: no rule is broken. */
    for (unsigned flush = 1; flush <= 2 * ROUNDS; flush++)
        assert_int_equal(broken_without(flush) > 0, flush % 2);
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_of_small_logs),
        cmocka_unit_test(test_states_of_a_large_window),
        cmocka_unit_test(test_only_one_state),
        cmocka_unit_test(test_numbers_begin_anew_with_each_log),
        cmocka_unit_test(test_missing_flush_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
