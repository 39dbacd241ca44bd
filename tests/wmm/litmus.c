/*
 * Litmus tests: what the model allows, exactly. The names are those of the
 * literature (Alglave, Maranget, Tautschnig, TOPLAS 2014), the results those of
 * C11 as RC11 repairs it, but for load buffering, which is not produced.
 *
 * A thread is a line of steps:
 *
 *   x=1       store to x, y or z           0=x       load into register 0
 *   d=1 0=d   the same, plain              X=1 0=X   plain, to x itself
 *   0+x       add one, the old value into register 0
 *   0^x       change 0 into one more than the thread's number; into register 0
 *             whether it was so
 *   F.sc      a fence
 *   *y        load until it is not 0
 *   @         a loop without an operation and without an end
 *   i W       send thread 1 an interrupt; wait for one
 *   ?0:1 ...  do the next step only if register 0 is 1
 *
 * and may end in .acq .rel .ar .sc; without it is relaxed. A register that was
 * not loaded is 9.
 */
#include "tests/wmm/wmm.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 8, REGISTERS = 4 };

#define RELAXED memory_order_relaxed
#define ACQUIRE memory_order_acquire
#define RELEASE memory_order_release
#define ACQ_REL memory_order_acq_rel
#define SEQ_CST memory_order_seq_cst

/* Not atomic_thread_fence(), which gcc refuses under ThreadSanitizer. */
void __tsan_atomic_thread_fence(int order);

struct step {
    char what; /* = (store) L + ^ F * @ i W ? */
    char where;
    unsigned reg;
    int value;
    memory_order order;
};

static atomic_int location[3]; /* x y z */
static int data;
static int reg[REGISTERS];

/* On the heap, which is not watched. */
static struct step (*program)[STEPS_MAX];

/* ---- Steps --------------------------------------------------------------- */

/* The compiler must see each order as a constant. */
static int load(atomic_int *at, memory_order order)
{
    switch (order) {
    case RELAXED:
        return atomic_load_explicit(at, RELAXED);
    case ACQUIRE:
        return atomic_load_explicit(at, ACQUIRE);
    default:
        return atomic_load_explicit(at, SEQ_CST);
    }
}

static void store(atomic_int *at, int value, memory_order order)
{
    switch (order) {
    case RELAXED:
        atomic_store_explicit(at, value, RELAXED);
        break;
    case RELEASE:
        atomic_store_explicit(at, value, RELEASE);
        break;
    default:
        atomic_store_explicit(at, value, SEQ_CST);
    }
}

static int add_one(atomic_int *at, memory_order order)
{
    switch (order) {
    case RELAXED:
        return atomic_fetch_add_explicit(at, 1, RELAXED);
    case ACQUIRE:
        return atomic_fetch_add_explicit(at, 1, ACQUIRE);
    case RELEASE:
        return atomic_fetch_add_explicit(at, 1, RELEASE);
    default:
        return atomic_fetch_add_explicit(at, 1, ACQ_REL);
    }
}

static int swap(atomic_int *at)
{
    int expected = 0;

    return atomic_compare_exchange_strong_explicit(
        at, &expected, (int)wmm_self() + 1, RELAXED, RELAXED);
}

static void do_store(const struct step *step)
{
    if (step->where == 'd')
        data = step->value;
    else if (step->where == 'X')
        *(int *)location = step->value;
    else
        store(&location[step->where - 'x'], step->value, step->order);
}

static void do_load(const struct step *step)
{
    if (step->where == 'd')
        reg[step->reg] = data;
    else if (step->where == 'X')
        reg[step->reg] = *(int *)location;
    else
        reg[step->reg] = load(&location[step->where - 'x'], step->order);
}

static void run(void)
{
    const struct step *step = program[wmm_self()];

    for (; step->what != '\0'; step++) {
        switch (step->what) {
        case '=':
            do_store(step);
            break;
        case 'L':
            do_load(step);
            break;
        case '+':
            reg[step->reg] = add_one(&location[step->where - 'x'], step->order);
            break;
        case '^':
            reg[step->reg] = swap(&location[step->where - 'x']);
            break;
        case 'F':
            __tsan_atomic_thread_fence(step->order);
            break;
        case '*':
            while (load(&location[step->where - 'x'], step->order) == 0)
                wmm_pause();
            break;
        case 'i':
            wmm_interrupt_send(1);
            break;
        case 'W':
            wmm_interrupt_wait();
            break;
        case '@':
            for (;;)
                ;
        case '?':
            if (reg[step->reg] != step->value)
                step++;
        }
    }
}

/* ---- Reading programs ---------------------------------------------------- */

static memory_order order_named(const char *text)
{
    static const struct {
        const char *name;
        memory_order order;
    } orders[] = {
        {"acq", ACQUIRE}, {"rel", RELEASE}, {"ar", ACQ_REL}, {"sc", SEQ_CST}};

    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        if (strcmp(text, orders[i].name) == 0)
            return orders[i].order;
    }
    abort();
}

static struct step step_read(char *text)
{
    struct step step = {.what = text[0], .order = RELAXED};
    char *dot = strchr(text, '.');

    if (dot != NULL)
        step.order = order_named(dot + 1);
    if (text[0] == '*') {
        step.where = text[1];
    } else if (text[0] == '?') {
        step.reg = (unsigned)(text[1] - '0');
        step.value = text[3] - '0';
    } else if (text[0] >= '0' && text[0] <= '9') {
        step.what = text[1] == '=' ? 'L' : text[1];
        step.reg = (unsigned)(text[0] - '0');
        step.where = text[2];
    } else if (text[1] == '=') {
        step.what = '=';
        step.where = text[0];
        step.value = text[2] - '0';
    }
    return step;
}

void wmm_litmus_setup(const struct wmm_test *test)
{
    if (program == NULL)
        program = malloc(sizeof(*program) * WMM_THREADS);
    memset(program, 0, sizeof(*program) * WMM_THREADS);
    for (unsigned i = 0; i < test->threads; i++) {
        char text[128];
        unsigned count = 0;

        strcpy(text, test->program[i]);
        for (char *word = strtok(text, " "); word != NULL;
             word = strtok(NULL, " "))
            program[i][count++] = step_read(word);
    }
    for (unsigned i = 0; i < REGISTERS; i++)
        reg[i] = 9;
}

/* ---- Results ------------------------------------------------------------- */

static void finish2(void)
{
    wmm_outcome((unsigned)(reg[0] * 10 + reg[1]));
}

static void finish3(void)
{
    wmm_outcome((unsigned)(reg[0] * 100 + reg[1] * 10 + reg[2]));
}

static void finish4(void)
{
    wmm_outcome(
        (unsigned)(reg[0] * 1000 + reg[1] * 100 + reg[2] * 10 + reg[3]));
}

static void finish_0x(void)
{
    wmm_outcome((unsigned)(reg[0] * 10 + location[0]));
}

static void finish_0y(void)
{
    wmm_outcome((unsigned)(reg[0] * 10 + location[1]));
}

static void finish_xy(void)
{
    wmm_outcome((unsigned)(location[0] * 10 + location[1]));
}

/* Whether two readers have seen two stores in different orders. */
static void finish_disagree(void)
{
    wmm_outcome(reg[0] != 0 && reg[1] != 0 && reg[0] != reg[1] &&
                reg[2] == reg[1] && reg[3] == reg[0]);
}

/* clang-format off */

#define ALL4 \
    "0000 0001 0010 0011 0100 0101 0110 0111 " \
    "1000 1001 1010 1011 1100 1101 1110 1111"
#define NOT_1010 \
    "0000 0001 0010 0011 0100 0101 0110 0111 " \
    "1000 1001 1011 1100 1101 1110 1111"

#define TEST(name, threads, finish, outcomes, ...) \
    {name, threads, WMM_UNBOUNDED, NULL, {run, run, run, run}, finish, \
     outcomes, {__VA_ARGS__}}

const struct wmm_test wmm_litmus[] = {
    /* Store buffering */
    TEST("SB", 2, finish2, "00 01 10 11",
         "x=1 0=y", "y=1 1=x"),
    TEST("SB+rel-acq", 2, finish2, "00 01 10 11",
         "x=1.rel 0=y.acq", "y=1.rel 1=x.acq"),
    TEST("SB+acq_rel-fences", 2, finish2, "00 01 10 11",
         "x=1 F.ar 0=y", "y=1 F.ar 1=x"),
    TEST("SB+one-fence", 2, finish2, "00 01 10 11",
         "x=1 F.sc 0=y", "y=1 1=x"),
    TEST("SB+fences", 2, finish2, "01 10 11",
         "x=1 F.sc 0=y", "y=1 F.sc 1=x"),
    TEST("SB+sc", 2, finish2, "01 10 11",
         "x=1.sc 0=y.sc", "y=1.sc 1=x.sc"),

    /* Message passing */
    TEST("MP", 2, finish2, "00 01 10 11",
         "x=1 y=1", "0=y 1=x"),
    TEST("MP+rel-acq", 2, finish2, "00 01 11",
         "x=1 y=1.rel", "0=y.acq 1=x"),
    TEST("MP+rel-rlx", 2, finish2, "00 01 10 11",
         "x=1 y=1.rel", "0=y 1=x"),
    TEST("MP+rlx-acq", 2, finish2, "00 01 10 11",
         "x=1 y=1", "0=y.acq 1=x"),
    TEST("MP+fences", 2, finish2, "00 01 11",
         "x=1 F.rel y=1", "0=y F.acq 1=x"),
    TEST("MP+rel-fence", 2, finish2, "00 01 11",
         "x=1 y=1.rel", "0=y F.acq 1=x"),
    TEST("MP+fence-acq", 2, finish2, "00 01 11",
         "x=1 F.rel y=1", "0=y.acq 1=x"),
    TEST("MP+plain+rel-acq", 2, finish2, "09 11",
         "d=1 y=1.rel", "0=y.acq ?0:1 1=d"),
    TEST("MP+plain+fences", 2, finish2, "09 11",
         "d=1 F.rel y=1", "0=y F.acq ?0:1 1=d"),
    TEST("MP+plain", 2, finish2, "race",
         "d=1 y=1", "0=y ?0:1 1=d"),
    TEST("MP+plain+rel-rlx", 2, finish2, "race",
         "d=1 y=1.rel", "0=y ?0:1 1=d"),
    TEST("MP+plain+rlx-acq", 2, finish2, "race",
         "d=1 y=1", "0=y.acq ?0:1 1=d"),
    TEST("MP+plain+one-fence", 2, finish2, "race",
         "d=1 F.sc y=1", "0=y ?0:1 1=d"),

    /* One location */
    TEST("CoRR", 2, finish2, "00 01 11",
         "x=1", "0=x 1=x"),
    TEST("CoRR2", 4, finish_disagree, "0",
         "x=1", "x=2", "0=x 1=x", "2=x 3=x"),
    TEST("CoWR", 2, finish_0x, "11 12 22",
         "x=1 0=x", "x=2"),
    TEST("CoRW", 2, finish_0x, "01 02 21",
         "0=x x=1", "x=2"),
    TEST("CoWW", 2, finish_0x, "02 12 22",
         "x=1 x=2", "0=x"),
    TEST("add-add", 2, finish2, "01 10",
         "0+x", "1+x"),
    TEST("swap-swap", 2, finish2, "01 10",
         "0^x", "1^x"),

    /* Writes */
    TEST("LB (11 is not produced)", 2, finish2, "00 01 10",
         "0=x y=1", "1=y x=1"),
    TEST("2+2W", 2, finish_xy, "11 12 21 22",
         "x=1 y=2", "y=1 x=2"),
    TEST("2+2W+rel", 2, finish_xy, "11 12 21 22",
         "x=1.rel y=2.rel", "y=1.rel x=2.rel"),
    TEST("2+2W+fences", 2, finish_xy, "12 21 22",
         "x=1 F.sc y=2", "y=1 F.sc x=2"),
    TEST("2+2W+sc", 2, finish_xy, "12 21 22",
         "x=1.sc y=2.sc", "y=1.sc x=2.sc"),
    TEST("R", 2, finish_0y, "01 02 11 12",
         "x=1 y=1", "y=2 0=x"),
    TEST("R+fences", 2, finish_0y, "01 11 12",
         "x=1 F.sc y=1", "y=2 F.sc 0=x"),
    TEST("S", 2, finish_0x, "01 02 11 12",
         "x=2 y=1", "0=y x=1"),
    TEST("S+rel-acq", 2, finish_0x, "01 02 11",
         "x=2 y=1.rel", "0=y.acq x=1"),

    /* Three and four threads */
    TEST("IRIW+rel-acq", 4, finish4, ALL4,
         "x=1.rel", "y=1.rel", "0=x.acq 1=y.acq", "2=y.acq 3=x.acq"),
    TEST("IRIW+fences", 4, finish4, NOT_1010,
         "x=1", "y=1", "0=x F.sc 1=y", "2=y F.sc 3=x"),
    TEST("IRIW+sc", 4, finish4, NOT_1010,
         "x=1.sc", "y=1.sc", "0=x.sc 1=y.sc", "2=y.sc 3=x.sc"),
    TEST("WRC", 3, finish3, "000 001 010 011 100 101 110 111",
         "x=1", "0=x y=1", "1=y 2=x"),
    TEST("WRC+rel-acq", 3, finish3, "000 001 010 011 100 101 111",
         "x=1", "0=x.acq y=1.rel", "1=y.acq 2=x"),
    TEST("RWC+fences", 3, finish3, "000 001 010 011 101 110 111",
         "x=1", "0=x.acq F.sc 1=y", "y=1 F.sc 2=x"),
    TEST("ISA2", 3, finish3, "000 001 010 011 100 101 110 111",
         "x=1 y=1", "0=y.acq z=1.rel", "1=z.acq 2=x"),
    TEST("ISA2+rel-acq", 3, finish3, "000 001 010 011 100 101 111",
         "x=1 y=1.rel", "0=y.acq z=1.rel", "1=z.acq 2=x"),

    /* Release sequences */
    TEST("RS", 3, finish3, "000 001 010 011 100 101 110 111 120 121",
         "x=1 y=1", "0+y", "1=y.acq 2=x"),
    TEST("RS+rel-acq", 3, finish3, "000 001 010 011 100 101 111 121",
         "x=1 y=1.rel", "0+y", "1=y.acq 2=x"),
    TEST("RS+fences", 3, finish3, "000 001 010 011 100 101 111 121",
         "x=1 F.rel y=1", "0+y", "1=y F.acq 2=x"),
    TEST("RS+plain", 3, finish3, "009 019 109 119 121",
         "d=1 y=1.rel", "0+y", "1=y.acq ?1:2 2=d"),
    TEST("RS+plain+store", 2, finish2, "race",
         "d=1 y=1.rel y=2", "0=y.acq ?0:2 1=d"),

    /* Plain accesses to atomic memory */
    TEST("plain-read", 2, finish2, "race",
         "x=1", "0=X"),
    TEST("plain-write", 2, finish2, "race",
         "0=x", "X=1"),
    TEST("plain-write-first", 2, finish2, "09 15",
         "X=5 y=1.rel", "0=y.acq ?0:1 1=x"),
    TEST("plain-write-later", 2, finish2, "09 15",
         "x=4 X=5 y=1.rel", "0=y.acq ?0:1 1=x"),

    /* Waiting */
    TEST("spin", 2, finish2, "09 19",
         "x=1 y=1", "*y 0=x"),
    TEST("spin+plain", 2, finish2, "19",
         "d=1 y=1.rel", "*y.acq 0=d"),
    TEST("spin-for-ever", 2, finish2, "deadlock",
         "x=1", "*y"),
    TEST("loop", 2, finish2, "an endless loop",
         "x=1", "0=x @"),
    TEST("sleep", 2, finish2, "deadlock",
         "x=1 0=y ?0:1 i", "y=1 1=x ?1:0 W"),
    TEST("sleep+one-fence", 2, finish2, "deadlock",
         "x=1 F.sc 0=y ?0:1 i", "y=1 1=x ?1:0 W"),
    TEST("sleep+fences", 2, finish2, "01 10 11",
         "x=1 F.sc 0=y ?0:1 i", "y=1 F.sc 1=x ?1:0 W"),
};
/* clang-format on */
const size_t wmm_litmus_count = COUNT_OF(wmm_litmus);
