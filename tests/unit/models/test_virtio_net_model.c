/* The referee of the virtio card: what it refuses, and what it does. */
#include "drivers/virtio.h"
#include "hal/posix/kernel/dma.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/models/virtio_net_model.h"
#include <string.h>
#include <torc/memory.h>

enum { RX, TX, CTRL, QUEUES, SIZE = 16, TCP = 34 };

static struct net_model model;
static struct virtio_device *device;
static struct virtqueue vq[QUEUES];
static uint8_t *memory; /* that the device reaches */
static uint64_t bus;

enum { MEMORY = 128 * 1024 };

static int found(struct virtio_device *virtio)
{
    device = virtio;
    return 0;
}

static void ignore(void *arg)
{
    (void)arg;
}

/* A driver of the simplest kind, which accepts everything. */
static void set_up(uint32_t features, bool legacy, bool ready)
{
    const struct virtio_vector vector = {ignore, NULL, 0};
    const struct virtio_queue_wish wish = {.size_max = SIZE};

    models_reset();
    net_model_init(&model);
    net_model_offer(&model, features, 1);
    if (legacy)
        model.virtio.offered &= UINT32_MAX;
    machine_attach(8 << 20);
    model_on_mmio(&model.virtio, legacy ? 1 : 2);
    assert_int_equal(virtio_find(1, found), 0);
    memory = dma_alloc(MEMORY);
    bus = hal_dma_addr(memory);
    memset(memory, 0, MEMORY);
    if (!ready)
        return;
    assert_int_equal(virtio_begin(device, UINT32_MAX), 0);
    assert_int_equal(virtio_attach(device, &vector, 1, NULL), 1);
    memset(vq, 0, sizeof(vq));
    for (unsigned i = 0; i < model.virtio.queue_count; i++)
        assert_int_equal(virtio_queue(device, i, &wish, &vq[i]), 0);
    virtio_ready(device);
}

static void tear_down(void)
{
    model_set_status(&model.virtio, 0);
    machine_detach();
}

/* A request of up to two pieces. */
static void add(unsigned queue, const struct vq_piece *pieces, unsigned count)
{
    assert_int_equal(vq_add(&vq[queue], pieces, count, memory), 0);
    virtio_kick(device, queue, &vq[queue]);
}

/* ---- Frames that are sent ------------------------------------------------ */

/* The header as it lies in memory; `num_buffers` too. */
static void header_put(const struct net_model_header *header,
                       uint16_t num_buffers)
{
    memory[0] = header->flags;
    memory[1] = header->gso_type;
    le16_put(memory + 2, header->headers_len);
    le16_put(memory + 4, header->gso_size);
    le16_put(memory + 6, header->csum_start);
    le16_put(memory + 8, header->csum_offset);
    le16_put(memory + 10, num_buffers);
}

static void take(void *arg)
{
    (void)arg;
    assert_non_null(net_model_take(&model, 0));
}

static void test_frames_that_are_refused(void **state)
{
    static const struct {
        const char *text; /* NULL: accepted */
        uint32_t features;
        struct net_model_header header;
        uint16_t num_buffers;
        uint32_t len;
    } rows[] = {
        {NULL, 0, {0}, 0, 1514},
        {"a frame of 1515 bytes: 5.1.4.2", 0, {0}, 0, 1515},
        {"a frame of 13 bytes", 0, {0}, 0, 13},
        {"num_buffers is 1", 0, {0}, 1, 100},
        {"flags 0x1: 5.1.6.2.1", 0, {1, 0, 0, 0, TCP, 16}, 0, 100},
        {NULL, NETF_CSUM, {1, 0, 0, 0, TCP, 16}, 0, 100},
        {"flags 0x2: 5.1.6.2.1", NETF_CSUM, {2, 0, 0, 0, 0, 0}, 0, 100},
        {"a checksum at 99 of 100", NETF_CSUM, {1, 0, 0, 0, 83, 16}, 0, 100},
        {"segments of type 0x1", NETF_CSUM, {1, 1, 54, 9, TCP, 16}, 0, 100},
        {NULL, NETF_CSUM | NETF_HOST_TSO4, {1, 1, 54, 9, TCP, 16}, 0, 3000},
        {"segments of type 0x4",
         NETF_CSUM | NETF_HOST_TSO4,
         {1, 4, 54, 9, TCP, 16},
         0,
         100},
        {"segments of type 0x3",
         NETF_CSUM | NETF_HOST_TSO4,
         {1, 3, 54, 9, TCP, 16},
         0,
         100},
        {"segments without a checksum",
         NETF_CSUM | NETF_HOST_TSO4,
         {0, 1, 54, 9, TCP, 16},
         0,
         100},
        {"segments of no size",
         NETF_CSUM | NETF_HOST_TSO4,
         {1, 1, 54, 0, TCP, 16},
         0,
         100},
        {"headers of 53 bytes",
         NETF_CSUM | NETF_HOST_TSO4,
         {1, 1, 53, 9, TCP, 16},
         0,
         100},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up(rows[i].features, false, true);
        header_put(&rows[i].header, rows[i].num_buffers);
        memory[12 + TCP + 12] = 0x50;
        add(TX, &(struct vq_piece){bus, 12 + rows[i].len, false}, 1);
        if (rows[i].text == NULL)
            take(NULL);
        else
            assert_true(model_breaches(take, NULL, rows[i].text));
        tear_down();
    }
}

static void test_forms_that_are_refused(void **state)
{
    (void)state;
    set_up(0, false, true);
    add(TX, &(struct vq_piece){bus, 100, true}, 1);
    assert_true(model_breaches(take, NULL, "that is writable"));
    tear_down();

    set_up(0, false, true);
    add(TX, &(struct vq_piece){bus, 11, false}, 1);
    assert_true(model_breaches(take, NULL, "without a header"));
    tear_down();

    set_up(0, true, true); /* legacy */
    add(TX, &(struct vq_piece){bus, 100, false}, 1);
    assert_true(model_breaches(take, NULL, "no descriptor: 5.1.6.2"));
    tear_down();

    set_up(0, true, true);
    add(TX, (const struct vq_piece[]){{bus, 10, false}, {bus + 10, 60, false}},
        2);
    assert_int_equal(net_model_take(&model, 0)->len, 60);
    tear_down();
}

/* ---- Buffers to receive into --------------------------------------------- */

static void deliver(void *arg)
{
    static const uint8_t frame[3000];

    assert_true(net_model_send(&model, 0, NULL, frame, *(uint32_t *)arg));
}

static void test_buffers_that_are_refused(void **state)
{
    static const struct {
        const char *text;
        uint32_t features;
        uint16_t mtu;
        uint32_t buffer, frame;
    } rows[] = {
        {NULL, 0, 0, 1526, 1514},
        {"a receive buffer of 1525", 0, 0, 1525, 60},
        {NULL, NETF_MTU, 1600, 1626, 60},
        {"a receive buffer of 1625", NETF_MTU, 1600, 1625, 60},
        {"a receive buffer of 2048", NETF_GUEST_CSUM | NETF_GUEST_TSO4, 0, 2048,
         60},
        {NULL, NETF_GUEST_CSUM | NETF_GUEST_TSO4 | NETF_MRG_RXBUF, 0, 2048, 60},
        {"a receive buffer of 11", NETF_MRG_RXBUF, 0, 11, 60},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t len = rows[i].frame;

        set_up(rows[i].features, false, true);
        le16_put(model.virtio.config + 10, rows[i].mtu);
        add(RX, &(struct vq_piece){bus, rows[i].buffer, true}, 1);
        if (rows[i].text == NULL)
            deliver(&len);
        else
            assert_true(model_breaches(deliver, &len, rows[i].text));
        tear_down();
    }
}

/* All but the last buffer are full, and the first one says how many. */
static void test_several_buffers(void **state)
{
    static uint8_t frame[3000];
    uint32_t written;
    void *cookie;

    (void)state;
    set_up(NETF_MRG_RXBUF, false, true);
    memset(frame, 0x5a, sizeof(frame));
    for (unsigned i = 0; i < 2; i++)
        add(RX, &(struct vq_piece){bus + 4096U * i, 2048, true}, 1);
    assert_true(net_model_send(&model, 0, NULL, frame, sizeof(frame)));
    assert_int_equal(le16_get(memory + 10), 2);
    assert_int_equal(memory[12], 0x5a);
    assert_int_equal(vq_take(&vq[RX], &cookie, &written), 1);
    assert_int_equal(written, 2048);
    assert_int_equal(vq_take(&vq[RX], &cookie, &written), 1);
    assert_int_equal(written, 3012 - 2048);
    assert_false(net_model_send(&model, 0, NULL, frame, sizeof(frame)));
    assert_int_equal(model.no_buffer, 1);
    tear_down();
}

/* ---- Commands ------------------------------------------------------------ */

static void command(void *arg)
{
    (void)arg;
    assert_true(net_model_command(&model));
}

static void test_commands_that_are_refused(void **state)
{
    enum { ANNOUNCE = NETF_STATUS | NETF_CTRL_VQ | NETF_GUEST_ANNOUNCE };
    static const struct {
        const char *text;
        uint32_t features;
        uint8_t bytes[4];
        uint32_t len, answer;
        bool asked;
    } rows[] = {
        {NULL, ANNOUNCE, {3, 0}, 2, 1, true},
        {"that nobody has asked for", ANNOUNCE, {3, 0}, 2, 1, false},
        {"an acknowledgement of 2", NETF_CTRL_VQ, {3, 0}, 2, 1, true},
        {"an acknowledgement of 3", ANNOUNCE, {3, 0}, 3, 1, true},
        {"command 1 of class 3", ANNOUNCE, {3, 1}, 2, 1, true},
        {"command 0 of class 9", ANNOUNCE, {9, 0}, 2, 1, true},
        {"a command of 1", ANNOUNCE, {3}, 1, 1, true},
        {"a place for the answer", ANNOUNCE, {3, 0}, 2, 2, true},
        {"a command for pairs", ANNOUNCE, {4, 0, 1, 0}, 4, 1, true},
        {NULL, NETF_CTRL_VQ | NETF_MQ, {4, 0, 1, 0}, 4, 1, false},
        {"a command for pairs",
         NETF_CTRL_VQ | NETF_MQ,
         {4, 0, 1, 0},
         3,
         1,
         false},
        {"0 pairs of 1", NETF_CTRL_VQ | NETF_MQ, {4, 0, 0, 0}, 4, 1, false},
        {"2 pairs of 1", NETF_CTRL_VQ | NETF_MQ, {4, 0, 2, 0}, 4, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up(rows[i].features, false, true);
        if (rows[i].asked)
            net_model_announce(&model);
        memcpy(memory, rows[i].bytes, 4);
        memory[8] = 0xff;
        add(CTRL,
            (const struct vq_piece[]){{bus, rows[i].len, false},
                                      {bus + 8, rows[i].answer, true}},
            2);
        if (rows[i].text == NULL) {
            command(NULL);
            assert_int_equal(memory[8], 0);
        } else {
            assert_true(model_breaches(command, NULL, rows[i].text));
        }
        tear_down();
    }
}

/* The commands of two pairs, of which one is not set up. */
static void test_pairs_that_are_not_set_up(void **state)
{
    (void)state;
    set_up(NETF_CTRL_VQ | NETF_MQ, false, true);
    le16_put(model.virtio.config + 8, 2);
    model.virtio.queue[4] = model.virtio.queue[CTRL];
    memset(&model.virtio.queue[CTRL], 0, sizeof(struct ring));
    model.virtio.queue_count = 5;
    memcpy(memory, (const uint8_t[]){4, 0, 2, 0}, 4);
    assert_int_equal(
        vq_add(&vq[CTRL],
               (const struct vq_piece[]){{bus, 4, false}, {bus + 8, 1, true}},
               2, memory),
        0);
    device->ops->notify(device, 4);
    assert_true(model_breaches(command, NULL, "queue 2 is not set up"));
    tear_down();
}

/* ---- Features ------------------------------------------------------------ */

static void agree(void *arg)
{
    assert_int_equal(virtio_begin(device, *(uint64_t *)arg), 0);
}

static void test_features_that_need_others(void **state)
{
    static const struct {
        uint64_t features;
        const char *text;
    } rows[] = {
        {NETF_HOST_TSO4, "feature 0x800 without 0x1: 5.1.3.1"},
        {NETF_HOST_TSO6, "feature 0x1000 without 0x1: 5.1.3.1"},
        {NETF_GUEST_TSO4, "feature 0x80 without 0x2: 5.1.3.1"},
        {NETF_GUEST_TSO6, "feature 0x100 without 0x2: 5.1.3.1"},
        {NETF_GUEST_ANNOUNCE, "feature 0x200000 without 0x20000: 5.1.3.1"},
        {NETF_MQ, "feature 0x400000 without 0x20000: 5.1.3.1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t features = rows[i].features;

        set_up((uint32_t)features, false, false);
        assert_true(model_breaches(agree, &features, rows[i].text));
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_that_are_refused),
        cmocka_unit_test(test_forms_that_are_refused),
        cmocka_unit_test(test_buffers_that_are_refused),
        cmocka_unit_test(test_several_buffers),
        cmocka_unit_test(test_commands_that_are_refused),
        cmocka_unit_test(test_pairs_that_are_not_set_up),
        cmocka_unit_test(test_features_that_need_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
