/*
 * The clock's arithmetic against a simulated machine: a TSC and a reference
 * counter that both count real time, and looks that take a while. The sources
 * are pure, so they are included as they are.
 */
#include "hal/baremetal/time/discipline.c"
#include "hal/baremetal/time/tsc_sync.h"
#include "tests/fakes/cmocka_all.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { PM_HZ = 3579545, PIT_HZ = 1193182 };
#define PM_MASK  UINT64_C(0xffffff)
#define PIT_MASK UINT64_C(0xffff)

/* The machine. Real time is in picoseconds, so that nothing is rounded. */
static uint64_t real_ns;
static uint64_t tsc_hz;
static uint64_t tsc_lost; /* ticks in which the TSC stood still */
static uint64_t reference_hz, reference_mask;
static uint64_t look_ns; /* how long a look takes */

static struct discipline state;
static struct line line;

static uint64_t count_at(uint64_t ns, uint64_t hz)
{
    return (uint64_t)((unsigned __int128)ns * hz / NS_PER_S);
}

static uint64_t tsc_now(void)
{
    return 1000000 + count_at(real_ns, tsc_hz) - tsc_lost;
}

/* The counter was read anywhere in the window, the TSC says its middle. */
static struct reading look(void)
{
    struct reading reading;
    uint64_t first = tsc_now();
    uint64_t at = real_ns + (look_ns == 0 ? 0 : (uint64_t)rand() % look_ns);

    reading.count = count_at(at, reference_hz) & reference_mask;
    real_ns += look_ns;
    reading.window = tsc_now() - first;
    reading.tsc = first + reading.window / 2;
    return reading;
}

static int64_t clock_error_ns(void)
{
    return (int64_t)(line_ns(&line, tsc_now()) - real_ns);
}

static void begin(uint64_t hz, uint64_t ref_hz, uint64_t mask, int wrong_ppm,
                  uint64_t uncertain_ppb)
{
    struct reading reading;
    uint64_t factor;

    srand(1);
    real_ns = 77777777;
    tsc_hz = hz;
    tsc_lost = 0;
    reference_hz = ref_hz;
    reference_mask = mask;
    look_ns = 0;
    reading = look();
    factor = (uint64_t)((double)NS_PER_S * 4294967296.0 / (double)hz *
                        (1 + wrong_ppm / 1e6));
    line = (struct line){
        .base_tsc = reading.tsc, .base_ns = real_ns, .factor = factor};
    discipline_start(&state, ref_hz, mask, &reading, real_ns, factor,
                     uncertain_ppb);
}

/* Let time pass and take a reading; time must not go backwards by it. */
static void pass(uint64_t ns)
{
    struct reading reading;
    uint64_t before;

    real_ns += ns;
    before = line_ns(&line, tsc_now());
    reading = look();
    discipline_sample(&state, &reading, &line);
    assert_true(line_ns(&line, reading.tsc) >= before);
    discipline_check(&state);
}

/* Time goes forward in every step of the line that is now. */
static void assert_forward(uint64_t tsc, uint64_t step, unsigned steps)
{
    uint64_t last = line_ns(&line, tsc);

    for (unsigned i = 0; i < steps; i++) {
        uint64_t now = line_ns(&line, tsc += step);

        assert_true(now >= last);
        last = now;
    }
}

static int64_t rate_error_ppb(void)
{
    double right = (double)NS_PER_S * 4294967296.0 / (double)tsc_hz;

    return (int64_t)(((double)state.factor / right - 1) * 1e9);
}

#define assert_within(value, limit)               \
    do {                                          \
        int64_t value_ = (value);                 \
        assert_true(value_ <= (int64_t)(limit));  \
        assert_true(value_ >= -(int64_t)(limit)); \
    } while (0)

/* As the clock does: readings when they are due, in the first second. */
static void first_second(void)
{
    for (unsigned i = 0; discipline_pause_ns(&state) < NS_PER_S; i++) {
        assert_true(i < 6);
        pass(discipline_pause_ns(&state));
    }
    pass(NS_PER_S);
}

static void test_any_first_rate_is_corrected(void **unused)
{
    static const struct {
        uint64_t hz, reference_hz, mask;
        int wrong_ppm;
    } row[] = {
        {2445000000, PM_HZ, PM_MASK, 0},
        {2445000000, PM_HZ, PM_MASK, 30000},
        {2445000000, PM_HZ, PM_MASK, -30000},
        {2445000000, PIT_HZ, PIT_MASK, 20000},
        {2445000000, PIT_HZ, PIT_MASK, -20000},
        {800000000, PM_HZ, UINT32_MAX, 500},
        {5700000000, PIT_HZ, PIT_MASK, -500},
    };

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        begin(row[i].hz, row[i].reference_hz, row[i].mask, row[i].wrong_ppm,
              30000000);
        look_ns = 500;
        first_second();
        assert_within(rate_error_ppb(), 5000);
        pass(NS_PER_S);
        assert_within(clock_error_ns(), 20 * NS_PER_US);
        /* A minute in which nothing is measured. */
        real_ns += 60 * NS_PER_S;
        assert_within(clock_error_ns(), 60 * 5 * NS_PER_US);
    }
}

/* Sleeps of any length: the counter wraps any number of times in them. */
static void test_sleeps_of_any_length(void **unused)
{
    (void)unused;
    for (unsigned seed = 0; seed < 20; seed++) {
        begin(2900000000, seed % 2 ? PM_HZ : PIT_HZ,
              seed % 2 ? PM_MASK : PIT_MASK, 9000, 30000000);
        srand(seed);
        look_ns = 2000;
        first_second();
        for (unsigned i = 0; i < 400; i++) {
            uint64_t limit = rand() % 4 == 0 ? 120 * NS_PER_S : NS_PER_S;

            pass(1 + (uint64_t)rand() * 1000 % limit);
            assert_forward(state.last.tsc, 1 << 24, 100);
            assert_within(rate_error_ppb(), 5000);
            if (i > 5)
                assert_within(clock_error_ns(), 600 * NS_PER_US);
        }
        assert_within(rate_error_ppb(), 100);
    }
}

/* The crystal warms up: the rate follows, and so does the time. */
static void test_rate_follows(void **unused)
{
    (void)unused;
    begin(3000000000, PM_HZ, PM_MASK, 0, 30000000);
    look_ns = 500;
    first_second();
    for (unsigned i = 0; i < 400; i++) {
        tsc_lost += 3000000000 / 1000000 * 20; /* 20 ppm slower */
        pass(NS_PER_S);
        assert_within(clock_error_ns(), 40 * NS_PER_US);
    }
    assert_within(rate_error_ppb() - 20000, 500);
}

/* A bad look is believed only as far as its window allows. */
static void test_long_look_changes_little(void **unused)
{
    (void)unused;
    begin(2445000000, PM_HZ, PM_MASK, 0, 30000000);
    look_ns = 500;
    first_second();
    for (unsigned i = 0; i < 10; i++)
        pass(NS_PER_S);
    look_ns = 10 * NS_PER_MS;
    pass(NS_PER_S);
    assert_within(rate_error_ppb(), 1000);
    assert_within(clock_error_ns(), 10 * NS_PER_MS);
    look_ns = 500;
    pass(NS_PER_S);
    pass(NS_PER_S);
    assert_within(clock_error_ns(), 20 * NS_PER_US);
    assert_within(rate_error_ppb(), 1000);
}

/* An error is taken away without a jump, in four times its length. */
static void test_errors_are_slewed(void **unused)
{
    static const int64_t errors[] = {
        NS_PER_US,      3 * NS_PER_MS,    200 * NS_PER_MS, -NS_PER_US,
        -3 * NS_PER_MS, -200 * NS_PER_MS, -900 * NS_PER_MS};

    (void)unused;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct reading reading;

        begin(2445000000, PM_HZ, PM_MASK, 0, 30000000);
        first_second();
        pass(NS_PER_S);
        line.base_ns += (uint64_t)errors[i];
        assert_within(clock_error_ns() - errors[i], 20 * NS_PER_US);
        real_ns += NS_PER_MS;
        reading = look();
        discipline_sample(&state, &reading, &line);
        assert_within(clock_error_ns() - errors[i], 20 * NS_PER_US);
        assert_forward(reading.tsc, 1, 1000);
        assert_forward(reading.tsc, 1 << 20, 10000);
        real_ns += (uint64_t)llabs(errors[i]) * 2;
        if (llabs(errors[i]) >= 20 * (int64_t)NS_PER_MS)
            assert_within(clock_error_ns() - errors[i] / 2, NS_PER_MS);
        real_ns += (uint64_t)llabs(errors[i]) * 2 + 20 * NS_PER_MS;
        assert_within(clock_error_ns(), 2 * NS_PER_US);
        real_ns += 100 * NS_PER_S; /* and no more than that */
        assert_within(clock_error_ns(), 100 * NS_PER_US);
    }
}

/* The TSC stood still (a sleep of the processor): the clock jumps forward. */
static void test_lost_time_is_jumped_over(void **unused)
{
    (void)unused;
    begin(2445000000, PM_HZ, PM_MASK, 0, 30000000);
    first_second();
    tsc_lost += tsc_hz * 2;
    pass(2 * NS_PER_S + NS_PER_MS);
    assert_within(clock_error_ns(), NS_PER_MS);
    assert_within(rate_error_ppb(), 10000);
    pass(NS_PER_S);
    assert_within(rate_error_ppb(), 10000);
}

/* The reference was set back, or stood still: the clock goes on from there. */
static void test_reference_that_stops(void **unused)
{
    struct reading reading;
    uint64_t now;

    (void)unused;
    begin(2445000000, PM_HZ, UINT32_MAX, 0, 30000000);
    first_second();
    for (unsigned i = 0; i < 20; i++)
        pass(NS_PER_S);
    reading = look();
    reading.tsc += 3 * tsc_hz; /* three seconds in which it did not count */
    now = line_ns(&line, reading.tsc);
    discipline_sample(&state, &reading, &line);
    assert_int_equal(line_ns(&line, reading.tsc), now);
    assert_int_equal(line.slew, 0);
    assert_within(rate_error_ppb(), 1000);
}

static void test_second_reading_at_once_is_nothing(void **unused)
{
    struct reading reading;
    struct line before;

    (void)unused;
    begin(2445000000, PM_HZ, PM_MASK, 100, 30000000);
    reading = look();
    before = line;
    discipline_sample(&state, &reading, &line);
    assert_memory_equal(&before, &line, sizeof(line));
}

static void test_conversions(void **unused)
{
    (void)unused;
    assert_int_equal(ns_of_count(PM_HZ, PM_HZ), NS_PER_S);
    assert_int_equal(ns_of_count(UINT64_C(1) << 40, PIT_HZ),
                     921495319051075); /* 2^40 / 1193182 s */
    assert_int_equal(rate_of(1, 1), UINT64_C(1) << 32);
    assert_int_equal(rate_of(NS_PER_S, 2 * NS_PER_S), UINT64_C(1) << 31);
    assert_int_equal(rate_of(60 * NS_PER_S, 120 * NS_PER_S), UINT64_C(1) << 31);
    assert_int_equal(scaled(UINT64_C(1) << 62, UINT64_C(3) << 31), UINT64_C(3)
                                                                       << 61);
    assert_int_equal(tsc_khz_of_crystal(2, 168, 24000000), 2016000);
    assert_int_equal(tsc_khz_of_crystal(0, 168, 24000000), 0);
    assert_int_equal(tsc_khz_of_crystal(2, 0, 24000000), 0);
    assert_int_equal(tsc_khz_of_crystal(2, 168, 0), 0);
    assert_int_equal(tsc_khz_of_crystal(1, UINT32_MAX, UINT32_MAX),
                     UINT64_C(18446744065119617)); /* no overflow */
}

static void test_line(void **unused)
{
    struct line at = {.base_tsc = 1000,
                      .base_ns = 50,
                      .factor = UINT64_C(1) << 31,
                      .slew = -(INT64_C(1) << 29),
                      .slew_ticks = 100};

    (void)unused;
    assert_int_equal(line_ns(&at, 1000), 50);
    assert_int_equal(line_ns(&at, 999), 50); /* another CPU, a moment behind */
    assert_int_equal(line_ns(&at, 0), 50);
    assert_int_equal(line_ns(&at, 1080), 50 + 40 - 10);
    assert_int_equal(line_ns(&at, 1100), 50 + 50 - 13);
    assert_int_equal(line_ns(&at, 1200), 50 + 100 - 13);
    for (uint64_t tsc = 1000; tsc < 1300; tsc++)
        assert_true(line_ns(&at, tsc + 1) >= line_ns(&at, tsc));
}

static unsigned counter_reads;
static struct timeline shared;

/* The writer changes the line while the reader reads the counter. */
static uint64_t counter_disturbed(void)
{
    counter_reads++;
    if (counter_reads < 3) {
        struct line next = {counter_reads, 10 * counter_reads, 1, 0, 0};

        timeline_write(&shared, &next);
    }
    return 1000 + counter_reads;
}

/* One copy of what is inline, which all tests use. */
static void line_read(struct line *out, uint64_t *tsc, uint64_t (*read)(void))
{
    timeline_read(&shared, out, tsc, read);
}

static void test_timeline_reads_again(void **unused)
{
    struct line first = {7, 70, 700, -7, 77};
    struct line out;
    uint64_t tsc;

    (void)unused;
    timeline_write(&shared, &first);
    line_read(&out, &tsc, counter_disturbed);
    assert_int_equal(counter_reads, 3);
    assert_int_equal(tsc, 1003);
    assert_int_equal(out.base_tsc, 2);
    assert_int_equal(out.base_ns, 20);
    timeline_write(&shared, &first);
    line_read(&out, &tsc, counter_disturbed);
    assert_memory_equal(&out, &first, sizeof(out));
}

static uint64_t counter_quiet(void)
{
    return 5;
}

static void *finish_change(void *arg)
{
    const struct timespec meanwhile = {.tv_nsec = 5000000};

    (void)arg;
    nanosleep(&meanwhile, NULL);
    atomic_store(&shared.sequence, 100);
    return NULL;
}

/* A reader that comes in the middle of a change waits for its end. */
static void test_timeline_waits_for_the_writer(void **unused)
{
    const struct line first = {1, 1, 1, 1, 1};
    struct line out;
    uint64_t tsc;
    pthread_t writer;

    (void)unused;
    timeline_write(&shared, &first);
    atomic_store(&shared.sequence, 99);
    assert_int_equal(pthread_create(&writer, NULL, finish_change, NULL), 0);
    line_read(&out, &tsc, counter_quiet);
    assert_int_equal(atomic_load(&shared.sequence), 100);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(tsc, 5);
    assert_memory_equal(&out, &first, sizeof(out));
}

static void test_tsc_of_another_cpu(void **unused)
{
    (void)unused;
    assert_int_equal(tsc_sync_offset(100, 100, 200), 0);
    assert_int_equal(tsc_sync_offset(100, 200, 200), 0);
    assert_int_equal(tsc_sync_offset(100, 201, 200), 1);
    assert_int_equal(tsc_sync_offset(100, 99, 200), -1);
    assert_int_equal(tsc_sync_offset(100, 5000, 200), 4800);
    assert_int_equal(tsc_sync_offset(100, 0, 200), -100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_first_rate_is_corrected),
        cmocka_unit_test(test_sleeps_of_any_length),
        cmocka_unit_test(test_rate_follows),
        cmocka_unit_test(test_long_look_changes_little),
        cmocka_unit_test(test_errors_are_slewed),
        cmocka_unit_test(test_lost_time_is_jumped_over),
        cmocka_unit_test(test_reference_that_stops),
        cmocka_unit_test(test_second_reading_at_once_is_nothing),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_timeline_reads_again),
        cmocka_unit_test(test_timeline_waits_for_the_writer),
        cmocka_unit_test(test_tsc_of_another_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
