/* What is to be sent, copied or lent, against a plain array of the same. */
#include "kernel/heap/heap.h"
#include "net/send_queue.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>

enum { BUFS = 8, BUF_BYTES = 8192, POOL = 64 };

static struct buf *bufs[BUFS];
static struct net_budget budget;
static struct send_queue queue;

static int setup(void **state)
{
    (void)state;
    machine_attach(32 << 20);
    assert_int_equal(packet_pool_grow(POOL), 0);
    for (unsigned i = 0; i < BUFS; i++) {
        bufs[i] = buf_alloc(BUF_BYTES);
        assert_non_null(bufs[i]);
        for (unsigned j = 0; j < BUF_BYTES; j++)
            bufs[i]->base[j] = (uint8_t)rand();
    }
    budget = (struct net_budget){.limit = 4 << 20};
    queue = (struct send_queue){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    send_queue_release(&queue, &budget);
    assert_int_equal(budget.used, 0);
    assert_int_equal(budget.lent, 0);
    for (unsigned i = 0; i < BUFS; i++) {
        assert_int_equal(bufs[i]->refs, 1);
        buf_put(bufs[i]);
    }
    assert_int_equal(packet_free_count(), POOL);
    machine_detach();
    return 0;
}

static struct slice slice_of(unsigned i, uint32_t offset, uint32_t len)
{
    return (struct slice){bufs[i], offset, len};
}

/* The bytes of a packet, put together again. */
static void expect_packet(uint32_t offset, uint32_t len, const uint8_t *model)
{
    static uint8_t out[PACKET_SLICES * 4096];
    struct packet *packet = packet_get();

    assert_non_null(packet);
    assert_int_equal(send_queue_fill(&queue, offset, len, packet), 0);
    assert_int_equal(packet_len(packet), len);
    assert_int_equal(packet_read(packet, 0, out, len), len);
    assert_memory_equal(out, model + offset, len);
    packet_check(packet);
    packet_put(packet);
}

static void test_head_and_pages(void **state)
{
    const struct slice pages[] = {slice_of(0, 100, 4000), slice_of(1, 0, 4096),
                                  slice_of(2, 8191, 1)};
    uint8_t model[16384], out[16384];

    (void)state;
    assert_int_equal(send_queue_write(&queue, &budget, "head", 4), 4);
    assert_null(queue.pieces);
    assert_int_equal(send_queue_lend(&queue, &budget, pages, 3, 100000), 8097);
    assert_int_equal(send_queue_write(&queue, &budget, "tail", 4), 4);
    assert_int_equal(send_queue_write(&queue, &budget, "s", 1), 1);
    send_queue_check(&queue);
    assert_int_equal(queue.count, 5);
    assert_int_equal(queue.used, 8106);
    assert_int_equal(budget.used, queue.ring.size + 8097);
    memcpy(model, "head", 4);
    memcpy(model + 4, bufs[0]->base + 100, 4000);
    memcpy(model + 4004, bufs[1]->base, 4096);
    memcpy(model + 8100, bufs[2]->base + 8191, 1);
    memcpy(model + 8101, "tails", 5);
    send_queue_peek(&queue, 0, out, 4100);
    assert_int_equal(queue.pieces->last.offset, 4100); /* found at once */
    send_queue_check(&queue);
    for (uint32_t at = 0; at < 8106; at += 13) {
        send_queue_peek(&queue, at, out, 8106 - at);
        assert_memory_equal(out, model + at, 8106 - at);
        expect_packet(at, 8106 - at, model);
    }
    assert_int_equal(bufs[0]->refs, 2);
    send_queue_drop(&queue, &budget, 4004);
    assert_int_equal(bufs[0]->refs, 1);
    send_queue_check(&queue);
    send_queue_peek(&queue, 0, out, 4102);
    assert_memory_equal(out, model + 4004, 4102);
    send_queue_drop(&queue, &budget, 4102);
    assert_int_equal(budget.used, 0);
    assert_null(queue.pieces);
}

/* What is written alone is in a packet, which may be sent once as it is. */
static void test_short_bytes_are_in_a_packet(void **state)
{
    struct packet *packet;
    uint8_t out[8];

    (void)state;
    budget.lent_max = 1;
    assert_int_equal(send_queue_write(&queue, &budget, "answer", 6), 6);
    send_queue_check(&queue);
    assert_int_equal(budget.used, 0);
    assert_null(send_queue_packet(&queue, 1, 5));
    assert_null(send_queue_packet(&queue, 0, 5));
    packet = send_queue_packet(&queue, 0, 6);
    assert_non_null(packet);
    assert_int_equal(packet_len(packet), 6);
    assert_memory_equal(packet->data, "answer", 6);
    assert_null(send_queue_packet(&queue, 0, 6)); /* somebody has it */
    memset(packet_push(packet, 20), 'h', 20);
    packet_put(packet);
    assert_null(send_queue_packet(&queue, 0, 6)); /* it was sent */
    send_queue_peek(&queue, 0, out, 6);
    assert_memory_equal(out, "answer", 6);
    send_queue_drop(&queue, &budget, 2);
    send_queue_check(&queue);
    send_queue_peek(&queue, 0, out, 4);
    assert_memory_equal(out, "swer", 4);
    send_queue_drop(&queue, &budget, 4);
    send_queue_check(&queue);
    assert_int_equal(packet_free_count(), POOL);
}

/* No bytes need no packet. */
static void test_nothing_is_written(void **state)
{
    (void)state;
    budget.lent_max = 1;
    assert_int_equal(send_queue_write(&queue, &budget, "", 0), 0);
    send_queue_check(&queue);
    assert_int_equal(budget.lent, 0);
    assert_int_equal(send_queue_write(&queue, &budget, "x", 1), 1);
    assert_int_equal(send_queue_write(&queue, &budget, "", 0), 0);
    send_queue_check(&queue);
    assert_int_equal(queue.used, 1);
}

/* A packet goes back as soon as none of its bytes is needed. */
static void test_head_goes_before_its_page(void **state)
{
    const struct slice page = slice_of(0, 0, 4000);
    uint8_t out[4000];

    (void)state;
    budget.lent_max = 1;
    assert_int_equal(send_queue_write(&queue, &budget, "head", 4), 4);
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 4000), 4000);
    send_queue_drop(&queue, &budget, 3);
    assert_int_equal(budget.lent, 1);
    send_queue_drop(&queue, &budget, 1);
    assert_int_equal(budget.lent, 0);
    send_queue_check(&queue);
    assert_int_equal(packet_free_count(), POOL);
    send_queue_peek(&queue, 0, out, 4000);
    assert_memory_equal(out, bufs[0]->base, 4000);
    assert_int_equal(send_queue_write(&queue, &budget, "tail", 4), 4);
    send_queue_drop(&queue, &budget, 4000);
    send_queue_check(&queue);
    send_queue_peek(&queue, 0, out, 4);
    assert_memory_equal(out, "tail", 4);
}

/* More bytes, or pieces: then it is not sent as it is. Without memory for them
 * nothing moves. */
static void test_more_follows_the_packet(void **state)
{
    const struct slice page = slice_of(0, 0, 4);
    struct packet *taken[POOL];
    uint8_t out[16];

    (void)state;
    budget.lent_max = 2;
    assert_int_equal(send_queue_write(&queue, &budget, "one", 3), 3);
    budget.limit = 0;
    assert_int_equal(send_queue_write(&queue, &budget, "two", 3), 0);
    budget.limit = 4 << 20;
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 4), 4);
    assert_null(send_queue_packet(&queue, 0, 3)); /* it is not alone */
    assert_null(send_queue_packet(&queue, 0, 7));
    assert_int_equal(send_queue_write(&queue, &budget, "two", 3), 3);
    send_queue_check(&queue);
    send_queue_peek(&queue, 0, out, 10);
    assert_memory_equal(out, "one", 3);
    assert_memory_equal(out + 7, "two", 3);
    send_queue_release(&queue, &budget);
    assert_int_equal(send_queue_write(&queue, &budget, bufs[1]->base, 2000),
                     2000);
    assert_null(send_queue_packet(&queue, 0, 2000)); /* it is too long */
    send_queue_release(&queue, &budget);
    for (unsigned i = 0; i < POOL; i++)
        taken[i] = packet_get();
    assert_int_equal(send_queue_write(&queue, &budget, "ring", 4), 4);
    assert_null(send_queue_packet(&queue, 0, 4));
    for (unsigned i = 0; i < POOL; i++)
        packet_put(taken[i]);
}

/* A part of a slice, and nothing without budget or memory. */
static void test_limits_of_lending(void **state)
{
    const struct slice page = slice_of(0, 0, 4096);

    (void)state;
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 96), 96);
    assert_int_equal(bufs[0]->refs, 2);
    budget.used = budget.limit - 10;
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 96), 10);
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 96), 0);
    budget.used = 106;
    send_queue_drop(&queue, &budget, 106);
    heap_fail(1);
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 96), 0);
    heap_fail(0);
    assert_int_equal(send_queue_write(&queue, &budget, "copied", 6), 6);
    heap_fail(1);
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 96), 0);
    heap_fail(0);
    send_queue_check(&queue);
    send_queue_drop(&queue, &budget, 6);
    /* As many pieces as there may be. */
    for (unsigned i = 0; i < SEND_PIECES_MAX; i++)
        assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 1), 1);
    assert_int_equal(send_queue_lend(&queue, &budget, &page, 1, 1), 0);
    assert_int_equal(send_queue_write(&queue, &budget, "x", 1), 0);
    send_queue_drop(&queue, &budget, SEND_PIECES_MAX - 1);
    assert_int_equal(send_queue_write(&queue, &budget, "x", 1), 1);
    send_queue_check(&queue);
}

/* Without memory for all of it, a part; an empty slice is none. */
static void test_less_memory_and_empty_slices(void **state)
{
    static uint8_t copied[100000];
    const struct slice slices[] = {slice_of(0, 0, 0), slice_of(0, 0, 10),
                                   slice_of(1, 5, 0), slice_of(1, 5, 7)};

    (void)state;
    heap_fail(1);
    assert_int_equal(send_queue_write(&queue, &budget, copied, 100000), 65536);
    assert_true(heap_failed());
    send_queue_drop(&queue, &budget, 65536);
    heap_fail(1);
    assert_int_equal(send_queue_write(&queue, &budget, copied, 10), 0);
    heap_fail(0);
    assert_int_equal(send_queue_lend(&queue, &budget, slices, 4, 17), 17);
    send_queue_check(&queue);
    assert_int_equal(queue.count, 2);
}

/* One large packet has room for so many slices, and so much that is copied. */
static void test_what_fits_a_packet(void **state)
{
    static uint8_t copied[100000];
    const struct slice byte = slice_of(0, 0, 1);
    struct packet *packet, *taken[POOL];
    unsigned count = 0;

    (void)state;
    assert_int_equal(send_queue_write(&queue, &budget, copied, 100000), 100000);
    assert_int_equal(send_queue_fit(&queue, 0, 1000), 1000);
    assert_int_equal(send_queue_fit(&queue, 0, 100000),
                     PACKET_SLICES * (PACKET_SIZE - PACKET_HEADROOM));
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(send_queue_lend(&queue, &budget, &byte, 1, 1), 1);
    assert_int_equal(send_queue_fit(&queue, 100000, 100), PACKET_SLICES);
    assert_int_equal(send_queue_fit(&queue, 99999, 100), PACKET_SLICES);
    packet = packet_get();
    assert_int_equal(send_queue_fill(&queue, 100000, 100, packet), -ENOSPC);
    packet_put(packet);
    packet = packet_get();
    while ((taken[count] = packet_get()) != NULL)
        count++;
    assert_int_equal(send_queue_fill(&queue, 0, 5000, packet), -ENOMEM);
    packet_put(packet);
    while (count > 0)
        packet_put(taken[--count]);
}

static void test_against_an_array(void **state)
{
    static uint8_t model[1 << 20];
    uint32_t used = 0;

    (void)state;
    srand(815);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t len = (uint32_t)rand() % 3000;
        struct slice slice =
            slice_of((unsigned)rand() % BUFS, (uint32_t)rand() % 4000, len + 1);

        switch (rand() % 4) {
        case 0:
            if (used + len > sizeof(model))
                break;
            len = send_queue_write(&queue, &budget, bufs[0]->base, len);
            memcpy(model + used, bufs[0]->base, len);
            used += len;
            break;
        case 1:
            if (used + len + 1 > sizeof(model))
                break;
            len = send_queue_lend(&queue, &budget, &slice, 1, len + 1);
            memcpy(model + used, slice_data(&slice), len);
            used += len;
            break;
        case 2:
            len = used == 0 ? 0 : (uint32_t)rand() % used;
            send_queue_drop(&queue, &budget, len);
            used -= len;
            memmove(model, model + len, used);
            break;
        default:
            if (used > 0) {
                uint32_t at = (uint32_t)rand() % used;
                uint32_t want = (uint32_t)rand() % (used - at) + 1;

                expect_packet(at, send_queue_fit(&queue, at, want), model);
            }
        }
        assert_int_equal(queue.used, used);
        send_queue_check(&queue);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_head_and_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_bytes_are_in_a_packet, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_head_goes_before_its_page, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_more_follows_the_packet, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_limits_of_lending, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_less_memory_and_empty_slices,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_fits_a_packet, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_against_an_array, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
