/* The queue of frames between a CPU and the thread of a network. */
#include "hal/posix/host/frame_ring.h"
#include "hal/posix/host/net.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/unit/posix/checked_locks.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOTS = 1024, FRAME_SIZE = 1514 };

static struct frame_ring ring;

static bool map_fails;

void *mmap(void *at, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    if (map_fails)
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

/* In two pieces. */
static int push(const void *bytes, size_t len, bool *tell)
{
    char *at = (char *)(uintptr_t)bytes;
    const struct host_vec vec[] = {{at, len / 3},
                                   {at + len / 3, len - len / 3}};
    const struct host_frame frame = {
        .vec = vec, .vec_count = 2, .len = (uint32_t)len};

    return frame_ring_push(&ring, &frame, tell);
}

static bool room_told;

/* Returns the length, or an error; with -EAGAIN the next push tells. */
static int pop(void *bytes, size_t size)
{
    char *at = bytes;
    const struct host_vec vec[] = {{at, size / 2},
                                   {at + size / 2, size - size / 2}};
    struct host_frame frame = {.vec = vec, .vec_count = 2, .csum_valid = true};
    int err = frame_ring_pop(&ring, &frame, &room_told);

    assert_true(err == 0 || frame.csum_valid);
    if (err == 0)
        assert_false(frame.csum_valid);
    if (err == -EAGAIN)
        assert_true(frame_ring_arm(&ring));
    return err != 0 ? err : (int)frame.len;
}

static int setup(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof(ring));
    return frame_ring_open(&ring, SLOTS, FRAME_SIZE);
}

static int teardown(void **state)
{
    (void)state;
    frame_ring_check(&ring);
    frame_ring_close(&ring);
    return 0;
}

static void test_frames_come_in_order(void **state)
{
    uint8_t frame[FRAME_SIZE], got[FRAME_SIZE];
    bool tell;

    (void)state;
    for (unsigned i = 0; i < 3 * SLOTS; i++) {
        size_t len = 14 + i % (FRAME_SIZE - 13);

        memset(frame, (int)i, len);
        assert_int_equal(push(frame, len, &tell), 0);
        assert_int_equal(pop(got, len), len);
        assert_memory_equal(got, frame, len);
    }
}

static void test_a_full_ring_refuses(void **state)
{
    uint32_t got;
    bool tell;

    (void)state;
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(push(&i, sizeof(i), &tell), 0);
    tell = true;
    assert_int_equal(push(&got, sizeof(got), &tell), -EAGAIN);
    assert_false(tell);
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_int_equal(pop(&got, sizeof(got)), 4);
        assert_int_equal(got, i);
    }
    assert_int_equal(pop(&got, sizeof(got)), -EAGAIN);
    assert_int_equal(push(&got, sizeof(got), &tell), 0);
}

/* The taker is told of the first frame after it found nothing, not of more. */
static void test_the_taker_is_told_once(void **state)
{
    uint8_t frame[64] = {0};
    bool tell;

    (void)state;
    assert_int_equal(push(frame, 64, &tell), 0);
    assert_true(tell); /* it has never looked */
    assert_int_equal(push(frame, 64, &tell), 0);
    assert_false(tell);
    assert_int_equal(pop(frame, 64), 64);
    assert_int_equal(push(frame, 64, &tell), 0);
    assert_false(tell);
    assert_int_equal(pop(frame, 64), 64);
    assert_int_equal(pop(frame, 64), 64);
    assert_int_equal(pop(frame, 64), -EAGAIN);
    assert_int_equal(push(frame, 64, &tell), 0);
    assert_true(tell);
}

static void test_a_frame_larger_than_the_room_is_dropped(void **state)
{
    uint8_t frame[100] = {1}, got[100];
    bool tell;

    (void)state;
    assert_int_equal(push(frame, 61, &tell), 0);
    assert_int_equal(push(frame, 60, &tell), 0);
    got[0] = 9;
    assert_int_equal(pop(got, 60), -EMSGSIZE);
    assert_int_equal(got[0], 9);
    assert_int_equal(pop(got, 60), 60);
    assert_int_equal(got[0], 1);
}

/* Down to nothing at all. */
static void test_short_frames(void **state)
{
    uint8_t frame = 7, got = 0;
    bool tell;

    (void)state;
    assert_int_equal(push(&frame, 1, &tell), 0);
    assert_int_equal(push(&frame, 0, &tell), 0);
    assert_int_equal(pop(&got, 1), 1);
    assert_int_equal(got, 7);
    assert_int_equal(pop(&got, 0), 0);
    assert_int_equal(pop(&got, 1), -EAGAIN);
}

/* The pusher that found no room is told when half of the ring is free. */
static void test_the_pusher_is_told_once(void **state)
{
    uint32_t got;
    bool tell;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < SLOTS; i++)
            assert_int_equal(push(&i, sizeof(i), &tell), 0);
        while (pop(&got, sizeof(got)) == 4)
            assert_false(room_told); /* it has found room */
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(push(&i, sizeof(i), &tell), 0);
    assert_int_equal(push(&got, 4, &tell), -EAGAIN);
    for (uint32_t i = 0; i < SLOTS; i++) {
        frame_ring_check(&ring);
        assert_int_equal(pop(&got, sizeof(got)), 4);
        assert_int_equal(room_told, i + 1 == SLOTS / 2);
    }
}

/* To arm a ring that has frames is to be told to look. */
static void test_a_ring_with_frames_is_not_armed(void **state)
{
    uint32_t got = 0;
    bool tell;

    (void)state;
    assert_int_equal(push(&got, 4, &tell), 0);
    assert_false(frame_ring_arm(&ring));
    assert_int_equal(push(&got, 4, &tell), 0);
    assert_false(tell);
    assert_int_equal(pop(&got, 4), 4);
    assert_int_equal(pop(&got, 4), 4);
    /* It has looked, but asked for nothing. */
    assert_int_equal(push(&got, 4, &tell), 0);
    assert_false(tell);
    assert_int_equal(pop(&got, 4), 4);
    assert_true(frame_ring_arm(&ring));
    assert_true(frame_ring_arm(&ring));
    assert_int_equal(push(&got, 4, &tell), 0);
    assert_true(tell);
}

static void test_open_needs_memory(void **state)
{
    struct frame_ring none = {.slots = NULL};
    unsigned char in_core;
    char *last;

    (void)state;
    map_fails = true;
    assert_int_equal(frame_ring_open(&none, SLOTS, FRAME_SIZE), -ENOMEM);
    map_fails = false;
    frame_ring_close(&none);
    assert_int_equal(frame_ring_open(&none, SLOTS, FRAME_SIZE), 0);
    last = (char *)none.slots + SLOTS * FRAME_SIZE;
    last -= (uintptr_t)last % 4096;
    assert_int_equal(mincore(last, 1, &in_core), 0);
    frame_ring_close(&none);
    assert_int_equal(mincore(last, 1, &in_core), -1);
}

static void test_close_without_open(void **state)
{
    struct frame_ring none = {.slots = NULL};

    (void)state;
    frame_ring_close(&none);
}

#define ON_RING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_RING(test_frames_come_in_order),
        ON_RING(test_a_full_ring_refuses),
        ON_RING(test_the_taker_is_told_once),
        ON_RING(test_a_frame_larger_than_the_room_is_dropped),
        ON_RING(test_short_frames),
        ON_RING(test_the_pusher_is_told_once),
        ON_RING(test_a_ring_with_frames_is_not_armed),
        cmocka_unit_test(test_open_needs_memory),
        cmocka_unit_test(test_close_without_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
