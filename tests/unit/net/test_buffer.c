/* Rings that grow, against a plain array that does the same. */
#include "net/buffer.h"
#include "tests/fakes/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static int setup(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static void test_empty_buffer_has_no_memory(void **state)
{
    struct net_budget budget = {.limit = 1 << 20};
    struct net_buffer buffer = {0};

    (void)state;
    assert_int_equal(net_buffer_limit(&buffer, &budget), 1 << 19);
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 0), 0);
    assert_int_equal(budget.used, 0);
    net_buffer_release(&buffer, &budget);
}

/* Who has less than `least` has that of the reserve, others nothing. */
static void test_reserve_is_for_those_who_have_little(void **state)
{
    static const struct {
        const char *name;
        size_t used; /* `size` of it by the one that asks */
        uint32_t size, share;
    } rows[] = {
        {"nothing is used", 0, 0, 32768},
        {"the rest of what is not reserved is divided", 65536, 0, 16384},
        {"one who has much", 65536, 16384, 16384},
        {"only the reserve is left", 98304, 0, 4096},
        {"and one who has a part of that", 98304, 2048, 4096},
        {"and one who has as much", 98304, 4096, 4096},
        {"and one who has more", 98304, 8192, 8192},
        {"the last", 131072 - 4096, 0, 4096},
        {"there is not so much", 131072 - 4095, 0, 0},
        {"not even for one who has a part", 131072, 2048, 2048},
    };

    struct net_budget budget = {
        .limit = 131072, .reserve = 32768, .least = 4096};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %s\n", rows[i].name);
        budget.used = rows[i].used;
        for (int again = 0; again < 2; again++)
            assert_int_equal(net_budget_share(&budget, rows[i].size),
                             rows[i].share);
    }
}

static void test_budget_divides_itself(void **state)
{
    struct net_budget budget = {.limit = 256 * 1024};
    struct net_buffer buffer[8] = {{0}};
    unsigned count = 0;

    (void)state;
    /* Each may take half of what is left. */
    assert_int_equal(net_buffer_limit(&buffer[0], &budget), 128 * 1024);
    for (; count < 8; count++) {
        uint32_t limit = net_buffer_limit(&buffer[count], &budget);

        assert_int_equal(net_buffer_reserve(&buffer[count], &budget, limit + 1),
                         -ENOMEM);
        assert_int_equal(net_buffer_reserve(&buffer[count], &budget, limit), 0);
        assert_true(budget.used <= budget.limit);
    }
    for (unsigned i = 0; i < count; i++)
        net_buffer_release(&buffer[i], &budget);
    assert_int_equal(budget.used, 0);
}

/* Half of what the others leave, its own size included. */
static void test_limit_counts_the_others(void **state)
{
    struct net_budget budget = {.limit = 256 * 1024};
    struct net_buffer small = {0}, other = {0};

    (void)state;
    assert_int_equal(net_buffer_reserve(&small, &budget, 32 * 1024), 0);
    assert_int_equal(net_buffer_limit(&small, &budget), 128 * 1024);
    assert_int_equal(net_buffer_limit(&other, &budget), 64 * 1024);
    assert_int_equal(net_buffer_reserve(&other, &budget, 64 * 1024), 0);
    assert_int_equal(net_buffer_limit(&small, &budget), 64 * 1024);
    net_buffer_release(&small, &budget);
    net_buffer_release(&other, &budget);
}

static void test_limit_when_nothing_is_left(void **state)
{
    struct net_budget budget = {.limit = 1000};
    struct net_buffer buffer = {0};

    (void)state;
    assert_int_equal(net_buffer_limit(&buffer, &budget), 0);
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 1), -ENOMEM);
}

/* The smallest buffer may take all that is left, each larger one half. */
static void test_limits_of_small_budgets(void **state)
{
    static const struct {
        size_t budget;
        uint32_t limit;
    } rows[] = {{2047, 0}, {2048, 2048}, {8191, 2048}, {8192, 4096}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net_budget budget = {.limit = rows[i].budget};
        struct net_buffer buffer = {0};

        assert_int_equal(net_buffer_limit(&buffer, &budget), rows[i].limit);
    }
}

/* What is large enough stays where it is. */
static void test_reserve_of_what_is_there(void **state)
{
    struct net_budget budget = {.limit = 1 << 20};
    struct net_buffer buffer = {0};
    uint8_t *base;

    (void)state;
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 1), 0);
    assert_int_equal(buffer.size, 2048);
    base = buffer.base;
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 2048), 0);
    assert_ptr_equal(buffer.base, base);
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 2049), 0);
    assert_int_equal(buffer.size, 4096);
    net_buffer_release(&buffer, &budget);
}

/* Bytes written ahead survive growing and wrapping. */
static void test_written_ahead_survives_growth(void **state)
{
    struct net_budget budget = {.limit = 1 << 20};
    struct net_buffer buffer = {0};
    char out[3000];

    (void)state;
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 2048), 0);
    memset(out, 'o', sizeof(out));
    net_buffer_write(&buffer, 0, out, 2000);
    net_buffer_commit(&buffer, 2000);
    net_buffer_drop(&buffer, 2000); /* head is near the end */
    net_buffer_write(&buffer, 100, "ahead", 5);
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 3000), 0);
    net_buffer_write(&buffer, 0, out, 100);
    net_buffer_commit(&buffer, 105);
    net_buffer_peek(&buffer, 98, out, 7);
    assert_memory_equal(out, "ooahead", 7);
    net_buffer_release(&buffer, &budget);
}

/* The first bytes stay in the packet that has them. */
static void test_bytes_of_a_packet_stay_there(void **state)
{
    struct net_budget budget = {.limit = 1 << 20, .lent_max = 1};
    struct net_buffer buffer = {0}, other = {0};
    struct buf *buf = buf_alloc(4096);
    char out[16];

    (void)state;
    memcpy(buf->base + 100, "from a packet", 13);
    assert_false(net_buffer_lend(&buffer, &budget, NULL, buf->base, 13));
    assert_true(net_buffer_lend(&buffer, &budget, buf, buf->base + 100, 13));
    assert_false(net_buffer_lend(&buffer, &budget, buf, buf->base, 1));
    assert_false(net_buffer_lend(&other, &budget, buf, buf->base, 1));
    net_buffer_check(&buffer);
    assert_int_equal(net_buffer_size(&buffer), 0);
    assert_int_equal(net_buffer_limit(&buffer, &budget), 1 << 19);
    assert_int_equal(budget.used, 0);
    assert_int_equal(buf->refs, 2);
    net_buffer_peek(&buffer, 5, out, 8);
    assert_memory_equal(out, "a packet", 8);
    net_buffer_drop(&buffer, 5);
    net_buffer_check(&buffer);
    assert_int_equal(buffer.used, 8);
    net_buffer_peek(&buffer, 2, out, 6);
    assert_memory_equal(out, "packet", 6);
    net_buffer_release(&buffer, &budget);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(budget.lent, 0);
    buf_put(buf);
}

/* They move to a ring when more comes, or stay when there is no memory. */
static void test_what_stays_moves_to_a_ring(void **state)
{
    struct net_budget budget = {.limit = 1 << 20, .lent_max = 4};
    struct net_buffer buffer = {0};
    struct buf *buf = buf_alloc(4096);
    char out[8];

    (void)state;
    memcpy(buf->base, "packet", 6);
    assert_true(net_buffer_lend(&buffer, &budget, buf, buf->base, 6));
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 1 << 21), -ENOMEM);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(net_buffer_reserve(&buffer, &budget, 8), 0);
    net_buffer_check(&buffer);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(budget.lent, 0);
    assert_int_equal(budget.used, NET_BUFFER_MIN);
    net_buffer_write(&buffer, 6, "ed", 2);
    net_buffer_commit(&buffer, 2);
    net_buffer_peek(&buffer, 0, out, 8);
    assert_memory_equal(out, "packeted", 8);
    assert_false(net_buffer_lend(&buffer, &budget, buf, buf->base, 6));
    net_buffer_release(&buffer, &budget);
    net_buffer_release(&buffer, &budget); /* there is nothing: harmless */
    assert_int_equal(budget.used, 0);
    buf_put(buf);
}

static void test_against_a_model(void **state)
{
    static uint8_t model[NET_BUFFER_MAX + 65536], out[NET_BUFFER_MAX];
    struct net_budget budget = {.limit = 2 << 20};
    struct net_buffer buffer = {0};
    uint32_t used = 0, next = 0;

    (void)state;
    srand(4711);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t len = (uint32_t)rand() % 5000;

        if (rand() % 2 == 0 && used + len <= NET_BUFFER_MAX) {
            for (uint32_t j = 0; j < len; j++)
                model[used + j] = (uint8_t)(next++ * 31);
            assert_int_equal(net_buffer_reserve(&buffer, &budget, used + len),
                             0);
            net_buffer_write(&buffer, used, model + used, len);
            net_buffer_commit(&buffer, len);
            used += len;
        } else {
            len = len < used ? len : used;
            net_buffer_peek(&buffer, used - len, out, len);
            assert_memory_equal(out, model + used - len, len);
            net_buffer_drop(&buffer, len);
            memmove(model, model + len, used - len);
            used -= len;
        }
        assert_int_equal(buffer.used, used);
    }
    net_buffer_release(&buffer, &budget);
    assert_int_equal(budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty_buffer_has_no_memory, setup,
                                        teardown),
        cmocka_unit_test(test_reserve_is_for_those_who_have_little),
        cmocka_unit_test_setup_teardown(test_budget_divides_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_limit_when_nothing_is_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_limits_of_small_budgets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reserve_of_what_is_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_written_ahead_survives_growth,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_counts_the_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bytes_of_a_packet_stay_there,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_stays_moves_to_a_ring, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_against_a_model, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
