/* The virtio socket device: how it starts, and queues that are short. What its
 * packets do is in tests/unit/net/test_vsock.c. */
#include "tests/unit/net/vsock_bench.h"

/* A machine with the model as the test wants it, and nothing asked yet. */
static void plug_only(void)
{
    models_reset();
    memset(&model, 0, sizeof(model));
    vsock_model_init(&model, OUR_CID);
    peer_alloc = 100000;
    peer_fwd = 0;
    console_forget();
    machine_attach(8 << 20);
    model_on_mmio(&model, 2);
}

static void end(void)
{
    model_set_status(&model, 0);
    machine_detach();
}

static void test_does_not_start(void **state)
{
    static const uint64_t cids[] = {0, 2, UINT32_MAX, UINT64_C(1) << 32 | 5};
    struct socket *socket;

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        plug_only();
        if (i < 4)
            vsock_model_set_cid(&model, cids[i]);
        else if (i < 7)
            model.queue_count = i - 4;
        else if (i == 7)
            model.refuse_features = true;
        else
            model.never_resets = true;
        assert_int_equal(virtio_vsock_driver.probe(), 0);
        settle();
        assert_true(console_has("does not start"));
        assert_true(model.saw_failed);
        assert_int_equal(socket_open_vsock(&socket), -ENODEV);
        machine_detach();
    }
}

static void test_cid_at_the_ends(void **state)
{
    static const uint64_t cids[] = {3, UINT32_MAX - 1};
    uint32_t cid;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        plug_only();
        vsock_model_set_cid(&model, cids[i]);
        assert_int_equal(virtio_vsock_driver.probe(), 0);
        assert_int_equal(vsock_cid(&cid), 0);
        assert_true(cid == cids[i]);
        settle();
        end();
    }
}

static void test_another_one(void **state)
{
    static struct virtio_model second;
    uint32_t cid = 0;

    (void)state;
    plug_only();
    memset(&second, 0, sizeof(second));
    vsock_model_init(&second, OUR_CID + 1);
    model_on_mmio(&second, 2);
    assert_int_equal(virtio_vsock_driver.probe(), 0);
    settle();
    assert_true(console_has("another socket device at"));
    assert_int_equal(vsock_cid(&cid), 0);
    assert_true(cid == OUR_CID || cid == OUR_CID + 1);
    model_set_status(&second, 0);
    end();
}

/* An event, or a need of a reset, before anybody uses the device. */
static void test_nobody_uses_it(void **state)
{
    uint32_t cid = 0;

    (void)state;
    plug_only();
    assert_int_equal(virtio_vsock_driver.probe(), 0);
    settle();
    vsock_model_set_cid(&model, OUR_CID + 1);
    assert_true(vsock_model_event(&model, 0, 4));
    settle();
    assert_int_equal(vsock_cid(&cid), 0);
    assert_int_equal(cid, OUR_CID + 1);
    model_config_changed(&model); /* that is nothing */
    settle();
    assert_int_equal(vsock_cid(&cid), 0);
    model_need_reset(&model);
    settle();
    assert_int_equal(vsock_cid(&cid), -ENODEV);
    model.isr = 3;
    model.raise(&model, MODEL_VSOCK_RX);
    model.raise(&model, MODEL_CONFIG);
    settle();
    machine_detach();
}

/* Queues of a single packet. */
static void test_short_queues(void **state)
{
    static char bytes[20000], got[20000];
    struct socket *listener, *socket;
    size_t taken = 0;
    int64_t sent;

    (void)state;
    plug_only();
    model.queue_max = 2;
    clock_set(NS_PER_S);
    assert_int_equal(virtio_vsock_driver.probe(), 0);
    settle();
    listener = listener_open(0);
    settle();
    socket = accepted(listener, HOST_PORT);
    for (unsigned i = 0; i < 20; i++) {
        say_bytes(HOST_PORT, "0123456789", 10);
        assert_int_equal(socket_read(socket, got, sizeof(got), 0), 10);
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    for (size_t done = 0; done < sizeof(bytes); done += (size_t)sent) {
        struct model_packet packet;

        sent = socket_write(socket, bytes + done, sizeof(bytes) - done, 0);
        assert_true(sent > 0 && sent <= 8192 - 64);
        packet = expect(HOST_PORT, MODEL_RW);
        memcpy(got + taken, data, packet.len);
        taken += packet.len;
    }
    assert_int_equal(taken, sizeof(bytes));
    assert_memory_equal(bytes, got, sizeof(bytes));
    socket_close(socket);
    socket_close(listener);
    finish();
}

/* Packets without end do not get the machine for themselves. */
static unsigned given;

static void gives(struct virtio_model *its, unsigned index)
{
    const struct model_packet packet = packet_from(1, MODEL_RST);

    while (index == MODEL_VSOCK_RX && vsock_model_put(its, &packet, NULL, 0))
        given++;
}

static void test_packets_without_end(void **state)
{
    (void)state;
    plug();
    given = 0;
    (void)stack_now();
    settle();
    model.notified = gives;
    gives(&model, MODEL_VSOCK_RX);
    assert_int_equal(given, 32);
    model_interrupt(&model, MODEL_VSOCK_RX);
    settle();
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = given;

        thread_yield(); /* returns: others run, too */
        assert_true(given > before && given <= before + 64);
    }
    model.notified = NULL;
    settle();
    finish();
}

/* With EVENT_IDX one interrupt answers a wish. Each time that it is notified
 * the device completes a buffer before it has seen the wish: nobody is
 * interrupted, and the driver must find it by itself. */
static unsigned quiet; /* so often it still does */

static void gives_quietly(struct virtio_model *its, unsigned index)
{
    const struct model_packet packet = packet_from(1, MODEL_RST);

    if (quiet == 0 || index == MODEL_VSOCK_TX)
        return;
    its->lose_interrupts = true;
    if (index == MODEL_VSOCK_EVENT)
        assert_true(vsock_model_event(its, 1, 4));
    else
        assert_true(vsock_model_put(its, &packet, NULL, 0));
    its->lose_interrupts = false;
    quiet--;
}

static void test_completed_before_the_wish(void **state)
{
    static const unsigned queues[] = {MODEL_VSOCK_RX, MODEL_VSOCK_EVENT};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct model_packet packet = packet_from(1, MODEL_RST);
        uint64_t packed = i % 2 != 0 ? UINT64_C(1) << 34 : 0;
        struct socket *listener;

        plug_features(16, false, UINT64_C(1) << 29 | packed);
        listener = listener_open(0);
        settle();
        quiet = 5;
        model.notified = gives_quietly;
        if (queues[i / 2] == MODEL_VSOCK_EVENT)
            assert_true(vsock_model_event(&model, 1, 4));
        else
            assert_true(vsock_model_put(&model, &packet, NULL, 0));
        for (unsigned turn = 0; turn < 8; turn++)
            settle();
        assert_int_equal(quiet, 0);
        socket_close(accepted(listener, HOST_PORT)); /* the last one, too */
        socket_close(listener);
        finish();
    }
}

/* A device that lies before anybody uses it. */
static void test_lies_before_it_is_used(void **state)
{
    struct socket *socket;

    (void)state;
    plug_only();
    assert_int_equal(virtio_vsock_driver.probe(), 0);
    settle();
    model_used_index(&model, MODEL_VSOCK_RX, 500);
    model_interrupt(&model, MODEL_VSOCK_RX);
    settle();
    assert_int_equal(socket_open_vsock(&socket), 0);
    settle();
    assert_true(console_has("breaks the rules of its queue"));
    socket_close(socket);
    machine_detach();
}

static void test_out_of_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (uint64_t n = 1; n < 30; n++) {
        struct socket *socket;
        bool failed;
        int status;

        plug_only();
        assert_int_equal(virtio_blk_driver.probe(), 0); /* finds the devices */
        heap_fail(n);
        status = virtio_vsock_driver.probe();
        failed = heap_failed();
        heap_fail(0);
        assert_true(status == 0 || status == -ENOMEM);
        settle();
        if (!failed) {
            assert_int_equal(socket_open_vsock(&socket), 0);
            socket_close(socket);
        }
        failures += failed;
        machine_detach();
        if (!failed)
            break;
    }
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_does_not_start),
        cmocka_unit_test(test_cid_at_the_ends),
        cmocka_unit_test(test_another_one),
        cmocka_unit_test(test_nobody_uses_it),
        cmocka_unit_test(test_short_queues),
        cmocka_unit_test(test_packets_without_end),
        cmocka_unit_test(test_completed_before_the_wish),
        cmocka_unit_test(test_lies_before_it_is_used),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
