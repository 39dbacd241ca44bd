/* One direction of a wire: what it does to frames, and that a seed says it. */
#include "hal/posix/host/line.h"
#include "tests/fakes/cmocka_all.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <torc/compiler.h>
#include <unistd.h>

enum { FRAME_MAX = 1514, MANY = 100000 };

#define MS UINT64_C(1000000)

static bool map_fails;

/* The sanitizers call it before they are ready for more. */
__attribute__((no_sanitize_thread)) void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (map_fails) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

static struct line line;

static void open_line(struct host_line_config config)
{
    assert_int_equal(line_open(&line, &config, FRAME_MAX, 0), 0);
    line_check(&line);
}

static void close_line(void)
{
    line_check(&line);
    line_close(&line);
}

/* A frame of `len` bytes that knows its number. */
static int push(uint64_t now_ns, uint32_t number, uint32_t len)
{
    uint8_t bytes[FRAME_MAX];
    const struct host_vec vec[] = {{bytes, 15}, {bytes + 15, len - 15}};
    const struct host_frame frame = {.vec = vec, .vec_count = 2, .len = len};

    memset(bytes, (int)number, sizeof(bytes));
    memcpy(bytes, &number, sizeof(number));
    return line_push(&line, now_ns, &frame);
}

/* Its number, or -1: none has arrived. */
static int64_t pop_as(uint64_t now_ns, uint8_t *bytes, uint32_t *len)
{
    const struct host_vec vec[] = {{bytes, 15}, {bytes + 15, FRAME_MAX - 15}};
    struct host_frame frame = {.vec = vec, .vec_count = 2};
    int err = line_pop(&line, now_ns, &frame);
    uint32_t number;

    if (err == -EAGAIN)
        return -1;
    assert_int_equal(err, 0);
    *len = frame.len;
    memcpy(&number, bytes, sizeof(number));
    return number;
}

static int64_t pop(uint64_t now_ns)
{
    uint8_t bytes[FRAME_MAX];
    uint32_t len;
    int64_t number = pop_as(now_ns, bytes, &len);

    for (uint32_t i = 14; number >= 0 && i < len; i++)
        assert_int_equal(bytes[i], (uint8_t)number);
    return number;
}

/* ---- Without faults ------------------------------------------------------ */

static void test_frames_arrive_in_order(void **state)
{
    uint8_t bytes[FRAME_MAX];
    uint32_t len;

    (void)state;
    open_line((struct host_line_config){.seed = 1});
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(push(7, i, 60 + i % (FRAME_MAX - 59)), 0);
        if (i % 3 == 2)
            line_check(&line);
        if (i >= 900) {
            assert_int_equal(pop_as(7, bytes, &len), i - 900);
            assert_int_equal(len, 60 + (i - 900) % (FRAME_MAX - 59));
        }
    }
    for (uint32_t i = 4100; i < 5000; i++)
        assert_int_equal(pop(7), i);
    assert_int_equal(pop(7), -1);
    assert_int_equal(line.stats.sent, 5000);
    assert_int_equal(line.stats.received, 5000);
    close_line();
}

static void test_a_line_has_room_for_1024(void **state)
{
    (void)state;
    open_line((struct host_line_config){.seed = 1});
    for (uint32_t i = 0; i < 1024; i++)
        assert_int_equal(push(7, i, 60), 0);
    assert_int_equal(push(7, 0, 60), -EAGAIN);
    assert_int_equal(line.stats.sent, 1024);
    assert_int_equal(pop(7), 0);
    assert_int_equal(push(7, 1024, 60), 0);
    for (uint32_t i = 1; i <= 1024; i++)
        assert_int_equal(pop(7), i);
    close_line();
}

static void test_a_frame_that_does_not_fit(void **state)
{
    uint8_t bytes[60];
    const struct host_vec vec = {bytes, sizeof(bytes)};
    struct host_frame frame = {.vec = &vec, .vec_count = 1, .csum_valid = true};

    (void)state;
    open_line((struct host_line_config){.seed = 1});
    assert_int_equal(push(7, 1, 61), 0);
    assert_int_equal(push(7, 2, 60), 0);
    assert_int_equal(line_pop(&line, 7, &frame), -EMSGSIZE);
    assert_int_equal(line_pop(&line, 7, &frame), 0);
    assert_int_equal(frame.len, 60);
    assert_false(frame.csum_valid);
    assert_int_equal(bytes[0], 2);
    close_line();
}

static void test_a_line_is_cleared(void **state)
{
    (void)state;
    open_line((struct host_line_config){.seed = 1, .reorder_ppm = 300000});
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(push(7, i, 60), 0);
    line.config.reorder_ppm = 1000000;
    assert_int_equal(push(7, 1000, 60), 0);
    assert_true(line.held_count > 0);
    line_clear(&line);
    line_check(&line);
    assert_int_equal(pop(LINE_NEVER), -1);
    assert_true(line_next(&line) == LINE_NEVER);
    line.config.reorder_ppm = 0;
    for (uint32_t i = 0; i < 1024; i++)
        assert_int_equal(push(8, i, 60), 0);
    assert_int_equal(pop(8), 0);
    close_line();
}

static void test_no_memory(void **state)
{
    const struct host_line_config config = {.seed = 1};

    (void)state;
    map_fails = true;
    assert_int_equal(line_open(&line, &config, FRAME_MAX, 0), -ENOMEM);
    map_fails = false;
    line_close(&line);
}

/* ---- Faults, by themselves ----------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    struct host_line_config config;
} fault_rows[] = {
    {"nothing", {.seed = 3}},
    {"loss", {.seed = 3, .loss_ppm = 50000}},
    {"repeat", {.seed = 3, .repeat_ppm = 50000}},
    {"reorder", {.seed = 3, .reorder_ppm = 50000}},
    {"corrupt", {.seed = 3, .corrupt_ppm = 50000}},
    {"all", {.seed = 3, .loss_ppm = 50000, .repeat_ppm = 50000,
             .reorder_ppm = 50000, .corrupt_ppm = 50000}},
};
/* clang-format on */

/* How many bits two frames of that number differ in. */
static unsigned bits_wrong(const uint8_t *bytes, uint32_t len, uint32_t number)
{
    unsigned count = 0;

    for (uint32_t i = 14; i < len; i++)
        count += (unsigned)__builtin_popcount(bytes[i] ^ (uint8_t)number);
    return count;
}

/* Of 100,000 frames: about as many as wished meet each fault, and what they
 * meet is what arrives. */
static void test_faults_are_as_many_as_wished(void **state)
{
    static uint8_t times[MANY];

    (void)state;
    for (size_t row = 0; row < COUNT_OF(fault_rows); row++) {
        const struct host_line_config *config = &fault_rows[row].config;
        const char *name = fault_rows[row].name;
        unsigned arrived = 0, missing = 0, twice = 0, wrong = 0, late = 0;
        int64_t newest = -1, number;
        uint64_t now = 1;

        memset(times, 0, sizeof(times));
        open_line(*config);
        for (uint32_t i = 0; i <= MANY; i++) {
            uint8_t bytes[FRAME_MAX];
            uint32_t len;

            if (i < MANY)
                assert_int_equal(push(now, i, 100), 0);
            else
                now += 100 * MS;
            while ((number = pop_as(now, bytes, &len)) >= 0) {
                unsigned bits = bits_wrong(bytes, len, (uint32_t)number);

                ROW(name, bits <= 1 && number < MANY);
                wrong += bits;
                times[number]++;
                arrived++;
                late += number < newest;
                if (number > newest)
                    newest = number;
            }
        }
        for (unsigned i = 0; i < MANY; i++) {
            missing += times[i] == 0;
            twice += times[i] == 2;
            ROW(name, times[i] <= 2);
        }
        ROW(name, missing == line.stats.lost);
        ROW(name, twice == line.stats.repeated);
        ROW(name, wrong == line.stats.corrupted);
        ROW(name, arrived == line.stats.received);
        /* One that is held and sent again arrives late only once. */
        ROW(name, config->reorder_ppm > 0 ? late > line.stats.reordered * 8 / 10
                                          : late == 0);
        /* Five standard deviations of 5 % are 345. */
        for (unsigned k = 0; k < 4; k++) {
            const uint32_t ppm[] = {config->loss_ppm, config->repeat_ppm,
                                    config->reorder_ppm, config->corrupt_ppm};
            const uint64_t got[] = {line.stats.lost, line.stats.repeated,
                                    line.stats.reordered, line.stats.corrupted};
            uint64_t alive = k == 0 ? MANY : MANY - line.stats.lost;
            int64_t want = (int64_t)(alive * ppm[k] / 1000000);

            ROW(name, ppm[k] != 0 || got[k] == 0);
            ROW(name, ppm[k] == 0 || llabs((int64_t)got[k] - want) < 345);
        }
        close_line();
    }
}

/* ---- Seeds --------------------------------------------------------------- */

/* What arrives of 2,000 frames, as a hash. */
static uint64_t hash_of(struct host_line_config config, unsigned which)
{
    uint64_t hash = 14695981039346656037U, now = 1;

    assert_int_equal(line_open(&line, &config, FRAME_MAX, which), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t bytes[FRAME_MAX];
        uint32_t len;

        now += 10000;
        assert_int_equal(push(now, i, 60 + i % 1000), 0);
        while (pop_as(now, bytes, &len) >= 0) {
            for (uint32_t at = 0; at < len; at++)
                hash = (hash ^ bytes[at]) * 1099511628211U;
            hash = (hash ^ len) * 1099511628211U;
        }
    }
    close_line();
    return hash;
}

static void test_a_seed_says_everything(void **state)
{
    struct host_line_config config = {.seed = 5,
                                      .loss_ppm = 20000,
                                      .repeat_ppm = 20000,
                                      .reorder_ppm = 20000,
                                      .corrupt_ppm = 20000,
                                      .delay_ns = 3 * MS,
                                      .jitter_ns = MS,
                                      .rate_bps = 500000000};
    uint64_t first = hash_of(config, 0), other = hash_of(config, 1);

    (void)state;
    assert_true(hash_of(config, 0) == first);
    assert_true(hash_of(config, 1) == other);
    assert_true(first != other);
    config.seed = 6;
    assert_true(hash_of(config, 0) != first);
    assert_true(hash_of(config, 0) != other);
}

/* What is lost does not depend on the other faults. */
static void test_faults_are_drawn_one_by_one(void **state)
{
    static bool lost[1000];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        open_line(
            (struct host_line_config){.seed = 9,
                                      .loss_ppm = 100000,
                                      .repeat_ppm = round == 0 ? 0 : 300000,
                                      .corrupt_ppm = round == 0 ? 0 : 300000,
                                      .jitter_ns = round == 0 ? 0 : MS});
        for (uint32_t i = 0; i < 1000; i++) {
            uint64_t before = line.stats.lost;
            uint8_t bytes[FRAME_MAX];
            uint32_t len;

            assert_int_equal(push(1, i, 60), 0);
            if (round == 0)
                lost[i] = line.stats.lost != before;
            else
                assert_int_equal(lost[i], line.stats.lost != before);
            while (pop_as(100 * MS, bytes, &len) >= 0)
                ;
        }
        close_line();
    }
}

/* ---- Time ---------------------------------------------------------------- */

static void test_frames_take_time(void **state)
{
    (void)state;
    open_line((struct host_line_config){.seed = 1, .delay_ns = 5 * MS});
    assert_true(line_next(&line) == LINE_NEVER);
    assert_int_equal(push(10 * MS, 1, 60), 0);
    assert_int_equal(push(11 * MS, 2, 60), 0);
    assert_true(line_next(&line) == 15 * MS);
    assert_int_equal(pop(15 * MS - 1), -1);
    assert_int_equal(pop(15 * MS), 1);
    assert_true(line_next(&line) == 16 * MS);
    assert_int_equal(pop(15 * MS), -1);
    assert_int_equal(pop(20 * MS), 2);
    assert_true(line_next(&line) == LINE_NEVER);
    close_line();
}

/* Between 0 and 2 ms more; so frames overtake each other. */
static void test_jitter(void **state)
{
    unsigned overtaken = 0;
    uint64_t least = 9 * MS, most = 0;

    (void)state;
    open_line((struct host_line_config){
        .seed = 1, .delay_ns = 5 * MS, .jitter_ns = 2 * MS});
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t now = 10 * MS, at;

        assert_int_equal(push(now, i, 60), 0);
        at = line_next(&line) - now;
        assert_true(at >= 5 * MS && at <= 7 * MS);
        least = at < least ? at : least;
        most = at > most ? at : most;
        assert_int_equal(pop(now + at), i);
    }
    assert_true(least < 5 * MS + 20000 && most > 7 * MS - 20000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(push(20 * MS + i, i, 60), 0);
    for (int64_t i = 0, newest = -1, number; i < 1000; i++) {
        number = pop(40 * MS);
        overtaken += number < newest;
        newest = number > newest ? number : newest;
    }
    assert_true(overtaken > 500);
    close_line();
}

/* 8 Mbit/s are a byte a microsecond; the wire carries one after the other. */
static void test_the_rate_is_kept(void **state)
{
    (void)state;
    open_line((struct host_line_config){
        .seed = 1, .rate_bps = 8000000, .delay_ns = MS});
    assert_int_equal(push(10 * MS, 1, 1000), 0);
    assert_int_equal(push(10 * MS, 2, 500), 0);
    assert_true(line_next(&line) == 12 * MS);
    assert_int_equal(pop(12 * MS), 1);
    assert_true(line_next(&line) == 12 * MS + MS / 2);
    assert_int_equal(pop(13 * MS), 2);
    /* It was idle meanwhile. */
    assert_int_equal(push(20 * MS, 3, 1000), 0);
    assert_true(line_next(&line) == 22 * MS);
    assert_int_equal(pop(22 * MS), 3);
    /* What is lost has been carried, too. */
    line.config.loss_ppm = 1000000;
    assert_int_equal(push(30 * MS, 4, 1000), 0);
    line.config.loss_ppm = 0;
    assert_int_equal(push(30 * MS, 5, 1000), 0);
    assert_true(line_next(&line) == 33 * MS);
    assert_int_equal(pop(33 * MS), 5);
    close_line();
}

static void test_a_queue_overflows(void **state)
{
    (void)state;
    open_line(
        (struct host_line_config){.seed = 1, .rate_bps = 8000000, .queue = 3});
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(push(MS, i, 1000), 0);
    assert_int_equal(line.stats.full, 2);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(pop((2 + i) * MS), i);
    assert_int_equal(pop(99 * MS), -1);
    assert_int_equal(push(100 * MS, 5, 1000), 0);
    assert_int_equal(line.stats.full, 2);
    assert_int_equal(pop(101 * MS), 5);
    close_line();
}

/* ---- Order --------------------------------------------------------------- */

/* A frame is overtaken by one to three others. */
static void test_how_far_frames_are_overtaken(void **state)
{
    unsigned by[5] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        unsigned place = 0;

        open_line(
            (struct host_line_config){.seed = seed, .reorder_ppm = 1000000});
        assert_int_equal(push(1, 0, 60), 0);
        line.config.reorder_ppm = 0;
        assert_int_equal(pop(1), -1);
        assert_true(line_next(&line) == 1 + 10 * MS);
        for (uint32_t i = 1; i < 5; i++)
            assert_int_equal(push(1, i, 60), 0);
        while (pop(1) != 0)
            place++;
        by[place]++;
        close_line();
    }
    assert_int_equal(by[0], 0);
    assert_int_equal(by[4], 0);
    for (unsigned i = 1; i <= 3; i++)
        assert_in_range(by[i], 70, 130);
}

/* When no other comes, it goes on after ten milliseconds. */
static void test_a_frame_waits_for_others(void **state)
{
    (void)state;
    open_line((struct host_line_config){
        .seed = 1, .reorder_ppm = 1000000, .delay_ns = MS});
    assert_int_equal(push(5 * MS, 7, 60), 0);
    assert_true(line_next(&line) == 16 * MS);
    assert_int_equal(pop(16 * MS - 1), -1);
    assert_int_equal(pop(16 * MS), 7);
    close_line();
}

/* It arrives after the one that overtakes it, also where that is sent later. */
static void test_who_overtakes_arrives_first(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t now = 1;
        int64_t number;

        open_line((struct host_line_config){
            .seed = seed, .reorder_ppm = 1000000, .delay_ns = 5 * MS});
        assert_int_equal(push(now, 0, 60), 0);
        line.config.reorder_ppm = 0;
        for (uint32_t i = 1; i < 4; i++)
            assert_int_equal(push(now + i * MS, i, 60), 0);
        while ((number = pop(now)) < 0)
            now = line_next(&line);
        assert_int_equal(number, 1);
        close_line();
    }
}

/* Eight wait at most; others pass. */
static void test_few_are_overtaken_at_once(void **state)
{
    unsigned held = 0;

    (void)state;
    open_line((struct host_line_config){.seed = 1, .reorder_ppm = 1000000});
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(push(1, i, 60), 0);
        held = line.held_count > held ? line.held_count : held;
        line_check(&line);
    }
    assert_true(held <= 8);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(pop(20 * MS) >= 0);
    assert_int_equal(pop(20 * MS), -1);
    close_line();
}

/* A copy needs room, too. */
static void test_copies_when_the_line_is_full(void **state)
{
    (void)state;
    open_line((struct host_line_config){.seed = 1, .repeat_ppm = 1000000});
    for (uint32_t i = 0; i < 511; i++)
        assert_int_equal(push(1, i, 60), 0);
    assert_int_equal(pop(1), 0);
    assert_int_equal(push(1, 511, 60), 0);
    assert_int_equal(push(1, 512, 60), 0); /* without its copy */
    assert_int_equal(push(1, 513, 60), -EAGAIN);
    assert_int_equal(line.stats.repeated, 512);
    assert_int_equal(pop(1), 0); /* the second of the first */
    for (unsigned i = 1; i < 512; i++) {
        assert_int_equal(pop(1), i);
        assert_int_equal(pop(1), i);
    }
    assert_int_equal(pop(1), 512);
    assert_int_equal(pop(1), -1);
    close_line();
}

/* Nothing is corrupted where there is nothing but a header. */
static void test_headers_are_not_corrupted(void **state)
{
    uint8_t bytes[20] = {0};
    const struct host_vec vec = {bytes, 14};
    const struct host_frame frame = {.vec = &vec, .vec_count = 1, .len = 14};

    (void)state;
    open_line((struct host_line_config){.seed = 1, .corrupt_ppm = 1000000});
    assert_int_equal(line_push(&line, 1, &frame), 0);
    assert_int_equal(line.stats.corrupted, 0);
    close_line();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_arrive_in_order),
        cmocka_unit_test(test_a_line_has_room_for_1024),
        cmocka_unit_test(test_a_frame_that_does_not_fit),
        cmocka_unit_test(test_a_line_is_cleared),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_faults_are_as_many_as_wished),
        cmocka_unit_test(test_a_seed_says_everything),
        cmocka_unit_test(test_faults_are_drawn_one_by_one),
        cmocka_unit_test(test_frames_take_time),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_the_rate_is_kept),
        cmocka_unit_test(test_a_queue_overflows),
        cmocka_unit_test(test_how_far_frames_are_overtaken),
        cmocka_unit_test(test_a_frame_waits_for_others),
        cmocka_unit_test(test_who_overtakes_arrives_first),
        cmocka_unit_test(test_few_are_overtaken_at_once),
        cmocka_unit_test(test_copies_when_the_line_is_full),
        cmocka_unit_test(test_headers_are_not_corrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
