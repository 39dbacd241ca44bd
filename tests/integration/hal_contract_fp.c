/*
 * The contract of hal/hal.h: floating point. This file alone of the contract
 * test is compiled with SSE, as applications are.
 */
#include "tests/fakes/fp_control.h"
#include "tests/integration/hal_contract.h"

enum {
    MXCSR_ROUND_DOWN = 1 << 13,
    MXCSR_ROUND = 3 << 13,
    MXCSR_DEFAULT = 0x1f80,
    X87_DEFAULT = 0x37f,
    X87_ROUND_DOWN = 1 << 10,
};

/* From memory: the compiler would divide constants, or earlier. */
static volatile double one = 1, ten = 10;

static noinline double tenth(void)
{
    return one / ten;
}

static noinline long double tenth_long(void)
{
    return (long double)one / ten;
}

static void check_fp_control(void)
{
    uint64_t before = fp_control_get();
    uint64_t down = before | (uint64_t)X87_ROUND_DOWN << 32 | MXCSR_ROUND_DOWN;
    double nearest = tenth(); /* is rounded up */
    long double nearest_long = tenth_long();

    CHECK((before & ~UINT64_C(0x3f)) ==
          ((uint64_t)X87_DEFAULT << 32 | MXCSR_DEFAULT));
    fp_control_set(down);
    CHECK((fp_control_get() & MXCSR_ROUND) == MXCSR_ROUND_DOWN);
    CHECK(tenth() < nearest);
    CHECK(tenth_long() < nearest_long);
    fp_control_set(before);
    CHECK(tenth() == nearest);
    CHECK(tenth_long() == nearest_long);
}

static void test_fp_control(void)
{
    on_each(check_fp_control);
}

/* Each context keeps its words while another's are loaded. */
static void check_fp_switch(void)
{
    static char stacks[HAL_CPU_MAX][2048] cache_aligned;
    uint64_t initial = (uint64_t)X87_DEFAULT << 32 | MXCSR_DEFAULT;
    uint64_t down = initial | (uint64_t)X87_ROUND_DOWN << 32 | MXCSR_ROUND_DOWN;
    struct hal_context first = {0}, second;

    hal_context_init(&second, stacks[hal_cpu_id()], sizeof(stacks[0]),
                     cpu_entry, NULL);
    fp_control_set(down);
    hal_context_switch_fp(&first, &second);
    CHECK(fp_control_get() == initial); /* a new context */
    hal_context_switch_fp(&second, &first);
    CHECK(fp_control_get() == down);
    hal_context_switch_fp(NULL, &second);
    CHECK(fp_control_get() == initial);
    fp_control_set(down | MXCSR_ROUND);
    hal_context_switch_fp(NULL, &first);
    CHECK(fp_control_get() == down); /* nobody kept the other one's */
    hal_context_switch_fp(&first, NULL);
    CHECK(fp_control_get() == initial);
    hal_context_fini(&second);
}

static void test_fp_switch(void)
{
    on_each(check_fp_switch);
}

/* Many values at once, so that all the registers are in use. */
static double fp_mix(unsigned rounds)
{
    double v[12], sum = 0;
    long double x = 1;

    for (unsigned i = 0; i < COUNT_OF(v); i++)
        v[i] = 1.0 + i;
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < COUNT_OF(v); i++)
            v[i] = v[i] * 0.75 + v[(i + 5) % COUNT_OF(v)] * 0.25;
        x = x * 1.0000001L + 0.5L / (round + 1);
    }
    for (unsigned i = 0; i < COUNT_OF(v); i++)
        sum = sum * 3 + v[i];
    return sum + (double)x;
}

static void check_fp_interrupts(void)
{
    struct cpu *cpu = self();
    unsigned before = count_get(&cpu->timers);
    double want = fp_mix(2000);
    unsigned wrong = 0;

    hal_irq_restore(HAL_IRQS_ON);
    for (unsigned i = 0; i < 40; i++) {
        timer_begin(hal_time_ns() + MS / 10);
        wrong += fp_mix(2000) != want;
        hal_cpu_relax();
    }
    CHECK(wait_for(&cpu->timers, before + 1));
    hal_irq_save();
    hal_timer_set(UINT64_MAX);
    CHECK(wrong == 0);
}

static void test_floats_survive_interrupts(void)
{
    on_each(check_fp_interrupts);
}

/* clang-format off */
const struct contract_test contract_fp_tests[] = {
    {"fp_control", test_fp_control},
    {"fp_switch", test_fp_switch},
    {"floats_survive_interrupts", test_floats_survive_interrupts},
    {NULL, NULL},
};
/* clang-format on */
