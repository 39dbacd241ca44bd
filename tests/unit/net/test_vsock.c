/* Sockets of threads over vsock: <torc/vsock.h>. */
#include "tests/unit/net/vsock_bench.h"

/* ---- The thinnest thing -------------------------------------------------- */

static void test_echo(void **state)
{
    static const uint64_t features[] = {0, UINT64_C(1) << 28, UINT64_C(1) << 29,
                                        UINT64_C(1) << 34 | UINT64_C(1) << 29 |
                                            UINT64_C(1) << 28};
    char got[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct socket *listener, *socket;

        plug_features(16, i >= 4, features[i % 4]);
        assert_true(console_has("the CID is 77"));
        listener = listener_open(0);
        socket = accepted(listener, HOST_PORT);
        assert_int_equal(socket_peer_vsock(socket).cid, HOST);
        assert_int_equal(socket_peer_vsock(socket).port, HOST_PORT);
        assert_int_equal(socket_local_vsock(socket).cid, OUR_CID);
        assert_int_equal(socket_local_vsock(socket).port, PORT);
        say_bytes(HOST_PORT, "hello", 5);
        assert_int_equal(socket_read(socket, got, sizeof(got), 0), 5);
        assert_int_equal(socket_write(socket, got, 5, 0), 5);
        expect_bytes(HOST_PORT, "hello");
        socket_close(socket);
        expect_shutdown(HOST_PORT, 3);
        say(HOST_PORT, MODEL_RST);
        expect_nothing();
        socket_close(listener);
        assert_int_equal(stack_now()->count, 0);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
