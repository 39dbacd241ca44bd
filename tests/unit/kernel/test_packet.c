#include "kernel/device/packet.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/thread.h>
#include <torc/time.h>

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

static void test_packet_pool_gives_all_and_no_more(void **state)
{
    struct packet *taken[10];

    (void)state;
    assert_null(packet_get());
    assert_int_equal(packet_free_count(), 0);
    assert_int_equal(packet_pool_grow(9), 0); /* rounded to pairs */
    assert_int_equal(packet_free_count(), 10);
    for (int i = 0; i < 10; i++) {
        taken[i] = packet_get();
        assert_non_null(taken[i]);
        packet_expose(taken[i]);
        memset(taken[i]->buf.base, i, PACKET_SIZE);
    }
    assert_null(packet_get());
    for (int i = 0; i < 10; i++) {
        assert_int_equal(taken[i]->buf.base[0], i);
        assert_int_equal(taken[i]->buf.base[PACKET_SIZE - 1], i);
        packet_put(taken[i]);
    }
    packet_put(NULL);
    assert_int_equal(packet_free_count(), 10);
}

static void test_packet_edges(void **state)
{
    struct packet *packet;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    packet = packet_get();
    assert_int_equal(packet_headroom(packet), PACKET_HEADROOM);
    assert_int_equal(packet_tailroom(packet), PACKET_SIZE - PACKET_HEADROOM);
    assert_non_null(packet_append(packet, 100));
    assert_null(packet_append(packet, packet_tailroom(packet) + 1));
    assert_non_null(packet_append(packet, packet_tailroom(packet)));
    assert_int_equal(packet_tailroom(packet), 0);
    assert_ptr_equal(packet_push(packet, 28), packet->buf.base + 100);
    assert_true(packet_bus(packet) == packet->buf.bus + 100);
    assert_null(packet_push(packet, 101));
    assert_non_null(packet_push(packet, 100));
    assert_int_equal(packet->len, PACKET_SIZE);
    assert_int_equal(packet_pull(packet, PACKET_SIZE + 1), -EINVAL);
    assert_int_equal(packet_pull(packet, PACKET_SIZE), 0);
    assert_int_equal(packet->len, 0);
    packet_put(packet);
}

#if SANITIZE_ADDRESS
int __asan_address_is_poisoned(void const volatile *addr);

/* AddressSanitizer sees an access outside the frame (up to 7 bytes before it
 * excepted), whatever was done to the frame. */
static void check_poison(const struct packet *packet)
{
    for (size_t i = 0; i < PACKET_SIZE; i++) {
        const uint8_t *at = packet->buf.base + i;
        bool inside = at >= packet->data && at < packet->data + packet->len;
        bool near = at < packet->data && packet->data - at < 8;

        if (!near)
            assert_int_equal(__asan_address_is_poisoned(at) != 0, !inside);
    }
}

static void test_packet_only_the_frame_is_accessible(void **state)
{
    struct packet *packet;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    packet = packet_get();
    check_poison(packet);
    (void)packet_append(packet, 101);
    check_poison(packet);
    (void)packet_push(packet, 14);
    check_poison(packet);
    (void)packet_append(packet, 3);
    check_poison(packet);
    assert_int_equal(packet_pull(packet, 34), 0);
    check_poison(packet);
    packet_trim(packet, 41);
    check_poison(packet);
    packet_set_frame(packet, 12, 1514);
    check_poison(packet);
    packet_expose(packet);
    packet->len = PACKET_SIZE;
    check_poison(packet);
    packet_set_frame(packet, 16, 100);
    check_poison(packet);
    packet_put(packet);
    packet = packet_get();
    check_poison(packet);
    packet_put(packet);
}
#endif

static void test_packet_frames_of_devices(void **state)
{
    struct packet *packet;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    packet = packet_get();
    packet_expose(packet);
    assert_int_equal(packet_headroom(packet), 0);
    assert_int_equal(packet->len, 0);
    memset(packet->buf.base, 7, PACKET_SIZE);
    packet_set_frame(packet, 12, 100);
    packet_expose(packet);
    assert_ptr_equal(packet->data, packet->buf.base);
    assert_int_equal(packet->len, 0);
    packet_set_frame(packet, 12, 100);
    packet_check(packet);
    assert_ptr_equal(packet->data, packet->buf.base + 12);
    assert_int_equal(packet->len, 100);
    packet_trim(packet, 60);
    assert_ptr_equal(packet->data, packet->buf.base + 12);
    assert_int_equal(packet->len, 60);
    packet_trim(packet, 60);
    packet_trim(packet, 0);
    assert_int_equal(packet->len, 0);
    packet_set_frame(packet, PACKET_SIZE, 0);
    packet_set_frame(packet, 0, PACKET_SIZE);
    packet_check(packet);
    packet_put(packet);
}

static void test_packet_pool_out_of_memory(void **state)
{
    (void)state;
    heap_fail(1); /* the pool */
    assert_int_equal(packet_pool_grow(4), -ENOMEM);
    heap_fail(2); /* the packets */
    assert_int_equal(packet_pool_grow(4), -ENOMEM);
    heap_fail(2); /* their buffers */
    assert_int_equal(packet_pool_grow(4), -ENOMEM);
    assert_int_equal(packet_pool_grow(4), 0);
    assert_int_equal(packet_pool_grow(100000), -ENOMEM);
    assert_int_equal(packet_free_count(), 4);
}

/* ---- Slices -------------------------------------------------------------- */

static struct packet *packet_of(uint8_t byte, size_t len)
{
    struct packet *packet = packet_get();

    memset(packet_append(packet, len), byte, len);
    return packet;
}

static void test_packet_of_slices(void **state)
{
    struct buf *page = buf_alloc(4096);
    struct packet *packet;
    uint8_t got[64];

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    memset(page->base, 'p', 4096);
    packet = packet_of('h', 10);
    buf_get(page);
    assert_int_equal(packet_add_slice(packet, (struct slice){page, 5, 20}), 0);
    buf_get(page);
    assert_int_equal(packet_add_slice(packet, (struct slice){page, 99, 1}), 0);
    page->base[99] = 'q';
    packet_check(packet);
    assert_int_equal(packet_len(packet), 31);
    assert_int_equal(packet->len, 10);
    assert_int_equal(packet->rest, 21);
    /* Headers are pushed and pulled as before. */
    assert_non_null(packet_push(packet, 4));
    assert_int_equal(packet_pull(packet, 4), 0);
    assert_int_equal(packet_pull(packet, 11), -EINVAL);

    assert_int_equal(packet_read(packet, 0, got, sizeof(got)), 31);
    assert_memory_equal(got, "hhhhhhhhhhppppppppppppppppppppq", 31);
    assert_int_equal(packet_read(packet, 8, got, 4), 4);
    assert_memory_equal(got, "hhpp", 4);
    assert_int_equal(packet_read(packet, 3, got, 7), 7);
    assert_int_equal(packet_read(packet, 10, got, 2), 2);
    assert_memory_equal(got, "pp", 2);
    assert_int_equal(packet_read(packet, 29, got, sizeof(got)), 2);
    assert_memory_equal(got, "pq", 2);
    assert_int_equal(packet_read(packet, 31, got, 1), 0);
    assert_int_equal(packet_read(packet, 100, got, 1), 0);

    assert_int_equal(page->refs, 3);
    packet_put(packet);
    assert_int_equal(page->refs, 1);
    assert_int_equal(packet_free_count(), 2);
    buf_put(page);
}

/* It is cut from its end: whole slices, a part of one, its first part. */
static void test_packet_of_slices_is_trimmed(void **state)
{
    struct buf *page = buf_alloc(4096);
    const struct {
        size_t len;
        unsigned slices;
        uint32_t first, rest;
        uint32_t refs; /* of the page, beside ours */
    } row[] = {
        {40, 3, 10, 30, 3}, {39, 3, 10, 29, 3}, {31, 3, 10, 21, 3},
        {30, 2, 10, 20, 2}, {29, 2, 10, 19, 2}, {20, 1, 10, 10, 1},
        {11, 1, 10, 1, 1},  {10, 0, 10, 0, 0},  {9, 0, 9, 0, 0},
        {0, 0, 0, 0, 0},
    };

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    for (unsigned i = 0; i < COUNT_OF(row); i++) {
        struct packet *packet = packet_of('h', 10);

        for (unsigned k = 0; k < 3; k++) {
            buf_get(page);
            assert_int_equal(
                packet_add_slice(packet, (struct slice){page, 10 * k, 10}), 0);
        }
        packet_trim(packet, row[i].len);
        packet_check(packet);
        assert_int_equal(packet_len(packet), row[i].len);
        assert_int_equal(packet->slice_count, row[i].slices);
        assert_int_equal(packet->len, row[i].first);
        assert_int_equal(packet->rest, row[i].rest);
        assert_int_equal(page->refs, 1 + row[i].refs);
        packet_put(packet);
        assert_int_equal(page->refs, 1);
    }
    buf_put(page);
}

static void test_packet_has_room_for_so_many_slices(void **state)
{
    struct buf *page = buf_alloc(4096);
    const struct slice slice = {page, 0, 4096};
    struct packet *packet, *next;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    packet = packet_of('h', 10);
    next = packet_of('n', 10);
    for (unsigned i = 0; i < PACKET_SLICES; i++) {
        buf_get(page);
        assert_int_equal(packet_add_slice(packet, slice), 0);
    }
    assert_int_equal(packet_add_slice(packet, slice), -ENOSPC);
    assert_int_equal(packet_join(packet, next), -ENOSPC);
    assert_int_equal(packet_len(packet), 10 + PACKET_SLICES * 4096);
    packet_check(packet);
    packet_put(packet);
    packet_put(next); /* it is still ours */
    assert_int_equal(packet_free_count(), 2);
    buf_put(page);
}

/* Joined packets are one; each buffer is in the pool again when nobody has a
 * reference to it. */
static void test_packets_join(void **state)
{
    struct packet *packet, *next;
    struct buf *kept;
    uint8_t got[8];

    (void)state;
    assert_int_equal(packet_pool_grow(4), 0);
    packet = packet_of('a', 3);
    next = packet_of('b', 4);
    assert_int_equal(packet_pull(next, 1), 0);
    kept = &next->buf;
    assert_int_equal(packet_join(packet, next), 0);
    packet_check(packet);
    assert_int_equal(packet_read(packet, 0, got, sizeof(got)), 6);
    assert_memory_equal(got, "aaabbb", 6);
    buf_get(kept);
    packet_put(packet);
    assert_int_equal(packet_free_count(), 3);
    buf_put(kept);
    assert_int_equal(packet_free_count(), 4);
}

/* A new packet asks the card for nothing, whatever the last one did. */
static void test_packet_forgets_offloads(void **state)
{
    struct packet *packet;

    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    packet = packet_get();
    packet->offload = (struct packet_offload){.csum_partial = true,
                                              .csum_valid = true,
                                              .segments = PACKET_TCP4,
                                              .segment_len = 1448,
                                              .headers_len = 54};
    packet_check(packet);
    packet_put(packet);
    packet = packet_get(); /* the same */
    assert_false(packet->offload.csum_partial);
    assert_false(packet->offload.csum_valid);
    assert_int_equal(packet->offload.segments, PACKET_WHOLE);
    assert_int_equal(packet->offload.segment_len, 0);
    packet_check(packet);
    packet_put(packet);
}

/* ---- Given to other CPUs ------------------------------------------------- */

/* What CPU 1 and 2 saw; each is written by one CPU before the packet goes home,
 * and read by CPU 0 after that. */
static struct {
    bool is_theirs; /* on CPU 1 */
    bool bytes_are_right;
    bool is_passed_on; /* on CPU 2 */
} seen;

static void arrive_last(struct packet *packet)
{
    seen.is_passed_on = buf_is_mine(&packet->buf) && cpu_id() == 2;
    packet_check(packet);
    packet_put(packet);
}

static bool is_expected(const struct packet *packet)
{
    uint8_t got[8];

    return packet_read(packet, 0, got, sizeof(got)) == 6 &&
           memcmp(got, "hhhppp", 6) == 0;
}

static void arrive_and_put(struct packet *packet)
{
    seen.is_theirs = buf_is_mine(&packet->buf) && cpu_id() == 1;
    seen.bytes_are_right = is_expected(packet);
    packet_check(packet);
    packet_put(packet);
}

static void arrive_and_pass_on(struct packet *packet)
{
    seen.is_theirs = buf_is_mine(&packet->buf) && cpu_id() == 1;
    buf_get(&packet->buf); /* as one of its own */
    buf_put(&packet->buf);
    packet_give(packet, 2, arrive_last);
}

static void wait_until_home(void)
{
    while (packet_given_count(1) > 0)
        thread_sleep(NS_PER_MS);
}

static int give(void *arg)
{
    struct buf *page = buf_alloc(4096);
    struct packet *packet;

    (void)arg;
    assert_int_equal(packet_pool_grow(2), 0);
    assert_int_equal(packet_pool_share(), 0);
    assert_int_equal(packet_pool_share(), 0); /* harmless */
    packet = packet_of('h', 3);
    packet_give(packet, 1, arrive_and_pass_on);
    assert_int_equal(packet_given_count(1), 1);
    assert_int_equal(packet_free_count(), 1);
    wait_until_home();
    assert_true(seen.is_theirs && seen.is_passed_on);
    assert_int_equal(packet_given_count(2), 0); /* CPU 1 gave it that one */
    assert_int_equal(packet_free_count(), 2);

    /* Slices stay the home's, and are dropped there. */
    memset(page->base, 'p', 4096);
    buf_get(page);
    packet = packet_of('h', 3);
    assert_int_equal(packet_add_slice(packet, (struct slice){page, 0, 3}), 0);
    packet_give(packet, 1, arrive_and_put);
    assert_int_equal(page->refs, 2);
    wait_until_home();
    assert_true(seen.bytes_are_right);
    assert_int_equal(page->refs, 1);
    assert_int_equal(packet_free_count(), 2);
    packet = packet_get(); /* as good as new */
    packet_check(packet);
    assert_true(buf_is_mine(&packet->buf));
    packet_put(packet);
    buf_put(page);
    return 0;
}

static void test_packets_are_given_to_other_cpus(void **state)
{
    (void)state;
    assert_int_equal(machine_run(3, 8 << 20, give, NULL), 0);
}

static void test_packets_are_not_shared_without_memory(void **state)
{
    (void)state;
    assert_int_equal(packet_pool_grow(2), 0);
    heap_fail(1);
    assert_int_equal(packet_pool_share(), -ENOMEM);
    assert_int_equal(packet_pool_share(), 0);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_packet_pool_gives_all_and_no_more),
        ATTACHED(test_packet_edges),
#if SANITIZE_ADDRESS
        ATTACHED(test_packet_only_the_frame_is_accessible),
#endif
        ATTACHED(test_packet_frames_of_devices),
        ATTACHED(test_packet_pool_out_of_memory),
        ATTACHED(test_packet_of_slices),
        ATTACHED(test_packet_of_slices_is_trimmed),
        ATTACHED(test_packet_has_room_for_so_many_slices),
        ATTACHED(test_packets_join),
        ATTACHED(test_packet_forgets_offloads),
        cmocka_unit_test(test_packets_are_given_to_other_cpus),
        ATTACHED(test_packets_are_not_shared_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
