/* gdb's remote serial protocol: packets in, answers out; and hostile ones. */
#include "kernel/debug/rsp.h"
#include "tests/fakes/cmocka_all.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- A machine of two CPUs and a page of memory -------------------------- */

enum { MEMORY_AT = 0x1000, MEMORY_SIZE = 4096 };

static struct rsp rsp;
static struct hal_debug_cpu cpus[2];
static bool second_is_missing;
static uint8_t memory[MEMORY_SIZE];
static struct hal_debug_point points[HAL_DEBUG_POINTS];
static uint8_t input[65536], output[65536];
static size_t input_len, input_at, output_len;
static jmp_buf no_input;

static bool cannot_step;

/* With a deadline the time is over when there is no more. */
static int fake_get(uint64_t deadline_ns)
{
    assert_true(deadline_ns == 0 || deadline_ns > hal_time_ns());
    if (input_at == input_len) {
        if (deadline_ns != 0)
            return -1;
        longjmp(no_input, 1);
    }
    return input[input_at++];
}

static bool fake_can_step(unsigned cpu)
{
    return cpu != 1 || !cannot_step;
}

static void fake_put(uint8_t byte)
{
    assert_true(output_len < sizeof(output) - 1);
    output[output_len++] = byte;
    output[output_len] = 0;
}

static struct hal_debug_cpu *fake_cpu(unsigned cpu)
{
    if (cpu > 1 || (cpu == 1 && second_is_missing))
        return NULL;
    return &cpus[cpu];
}

static size_t there(uintptr_t at, size_t size)
{
    if (at < MEMORY_AT || at >= MEMORY_AT + MEMORY_SIZE)
        return 0;
    return size < MEMORY_AT + MEMORY_SIZE - at ? size
                                               : MEMORY_AT + MEMORY_SIZE - at;
}

static size_t fake_read(uintptr_t from, void *to, size_t size)
{
    size = there(from, size);
    memcpy(to, memory + from - MEMORY_AT, size);
    return size;
}

static size_t fake_write(uintptr_t to, const void *from, size_t size)
{
    size = there(to, size);
    memcpy(memory + to - MEMORY_AT, from, size);
    return size;
}

static void fake_points(const struct hal_debug_point set[HAL_DEBUG_POINTS])
{
    memcpy(points, set, sizeof(points));
}

static const struct hal_debug_ops ops = {
    .get = fake_get,
    .put = fake_put,
    .cpu = fake_cpu,
    .can_step = fake_can_step,
    .read = fake_read,
    .write = fake_write,
    .points = fake_points,
};

/* ---- Talking ------------------------------------------------------------- */

static void feed_raw(const void *bytes, size_t len)
{
    assert_true(input_len + len <= sizeof(input));
    memcpy(input + input_len, bytes, len);
    input_len += len;
}

static void feed_bytes(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    char end[4];
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + at[i]);
    feed_raw("$", 1);
    feed_raw(bytes, len);
    snprintf(end, sizeof(end), "#%02x", sum);
    feed_raw(end, 3);
}

static void feed(const char *text)
{
    feed_bytes(text, strlen(text));
}

static struct hal_debug_stop stopped = {.cpu = 0, .signal = 5, .point = -1};
static unsigned go_cpu;

/* Serve what was fed; -1: it waits for more. */
static int serve(void)
{
    int go = -1;

    output_len = 0;
    if (setjmp(no_input) == 0)
        go = (int)rsp_serve(&rsp, &stopped, &go_cpu);
    return go;
}

/* The payload of the last packet that was sent. */
static const char *last(void)
{
    static char text[8192];
    size_t end = output_len, from;

    while (end > 0 && output[end - 1] != '#')
        end--;
    for (from = end; from > 0 && output[from - 1] != '$';)
        from--;
    assert_true(end > 0 && from > 0);
    memcpy(text, output + from, end - 1 - from);
    text[end - 1 - from] = '\0';
    return text;
}

/* The answer to one packet. */
static const char *ask_bytes(const void *bytes, size_t len)
{
    input_at = input_len = 0;
    feed_bytes(bytes, len);
    feed_raw("+", 1);
    assert_int_equal(serve(), -1);
    return last();
}

static const char *ask(const char *text)
{
    return ask_bytes(text, strlen(text));
}

static int setup(void **state)
{
    (void)state;
    rsp_init(&rsp, &ops, 2);
    rsp.is_attached = true;
    memset(cpus, 0, sizeof(cpus));
    memset(points, 0, sizeof(points));
    second_is_missing = false;
    cannot_step = false;
    stopped = (struct hal_debug_stop){.cpu = 0, .signal = 5, .point = -1};
    for (unsigned i = 0; i < MEMORY_SIZE; i++)
        memory[i] = (uint8_t)i;
    input_len = input_at = 0;
    return 0;
}

#define ASK(packet, want) assert_string_equal(ask(packet), want)

static void test_questions(void **state)
{
    (void)state;
    ASK("?", "T05thread:1;");
    ASK("qSupported:x", "PacketSize=800;qXfer:features:read+;vContSupported+");
    ASK("qfThreadInfo", "m1,2");
    ASK("qsThreadInfo", "l");
    ASK("qC", "QC1");
    ASK("qAttached", "1");
    ASK("qThreadExtraInfo,2", "6370752031");
    ASK("qThreadExtraInfo,b", "637075203130");
    ASK("qThreadExtraInfo,65", "63707520313030");
    ASK("qThreadExtraInfo,x", "E01");
    ASK("vCont?", "vCont;c;C;s;S");
    ASK("vMustReplyEmpty", "");
    ASK("qUnknown", "");
    ASK("!", "");
    ASK("", "");
    ASK("T1", "OK");
    ASK("T2", "OK");
    ASK("T3", "E01");
    ASK("T101", "E01");
    ASK("Tx", "E01");
    ASK("T-1", "OK");
    ASK("T-2", "E01");
    second_is_missing = true;
    ASK("qfThreadInfo", "m1");
    ASK("T2", "E01");
}

static void test_features(void **state)
{
    const char *text = ask("qXfer:features:read:target.xml:0,1000");

    (void)state;
    assert_int_equal(text[0], 'l');
    assert_non_null(strstr(text, "<architecture>i386:x86-64</architecture>"));
    ASK("qXfer:features:read:target.xml:0,5", "m<?xml");
    ASK("qXfer:features:read:target.xml:5,3", "m ve");
    ASK("qXfer:features:read:target.xml:1000,3", "E01");
    ASK("qXfer:features:read:target.xml:", "E01");
    ASK("qXfer:features:read:target.xml:1", "E01");
    ASK("qXfer:features:read:target.xml:1,", "E01");
    assert_int_equal(
        ask("qXfer:features:read:target.xml:0,ffffffffffffffff")[0], 'l');
    ASK("qXfer:features:read:other.xml:0,5", "");
}

static void test_registers(void **state)
{
    char packet[2 * RSP_REGISTERS_SIZE + 2];
    const char *all;

    (void)state;
    for (unsigned i = 0; i < HAL_REGISTER_COUNT; i++)
        cpus[0].registers.value[i] = 0x100 + i;
    for (unsigned i = 0; i < sizeof(cpus[0].fp); i++)
        cpus[0].fp[i] = (uint8_t)i;
    all = ask("g");
    assert_int_equal(strlen(all), 2 * RSP_REGISTERS_SIZE);
    assert_memory_equal(all, "0a01000000000000", 16);           /* rax */
    assert_memory_equal(all + 7 * 16, "1301000000000000", 16);  /* rsp */
    assert_memory_equal(all + 16 * 16, "1001000000000000", 16); /* rip */
    assert_memory_equal(all + 17 * 16, "12010000", 8);          /* eflags */
    packet[0] = 'G';
    memcpy(packet + 1, all, 2 * RSP_REGISTERS_SIZE + 1);
    memcpy(packet + 1, "efbeadde00000000", 16);
    ASK(packet, "OK");
    assert_int_equal(cpus[0].registers.value[10], 0xdeadbeef);
    assert_int_equal(cpus[0].registers.value[0], 0x100);
    assert_int_equal(cpus[0].fp[170], 170);
    packet[strlen(packet) - 1] = '\0';
    ASK(packet, "E02");
    ASK("G", "E02");
    ASK("p10", "1001000000000000");
    ASK("P10=8877665544332211", "OK");
    assert_int_equal(cpus[0].registers.value[16], 0x1122334455667788);
    ASK("p28", "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"); /* xmm0 */
    ASK("P28=000102030405060708090a0b0c0d0e0f", "OK");
    assert_int_equal(cpus[0].fp[160 + 15], 15);
    ASK("p18", "20212223242526272829"); /* st0 */
    ASK("p20", "00010000");             /* the control word */
    ASK("P20=7f030000", "OK");
    assert_int_equal(cpus[0].fp[0], 0x7f);
    ASK("p21", "02030000");
    ASK("p22", "cfff0000"); /* tags: register 2 is in use */
    ASK("p23", "00000000");
    ASK("p27", "06070000");
    ASK("p38", "18191a1b"); /* mxcsr */
    ASK("P38=801f0000", "OK");
    assert_int_equal(cpus[0].fp[24], 0x80);
    ASK("P38=00000100", "OK"); /* reserved: not taken */
    assert_int_equal(cpus[0].fp[24], 0x80);
    ASK("P38=00000001", "OK");
    assert_int_equal(cpus[0].fp[24], 0x80);
    ASK("p39", "E01");
    ASK("pffffffffffffffff", "E01");
    ASK("p", "E01");
    ASK("P1", "E02");
    ASK("P1=12", "E02");
    ASK("P1=1x00000000000000", "E02");
}

static void test_other_cpu(void **state)
{
    (void)state;
    cpus[1].registers.value[16] = 0x42;
    ASK("Hg2", "OK");
    input_at = input_len = 0;
    feed("Hg2");
    feed_raw("+", 1);
    feed("p10");
    feed_raw("+", 1);
    assert_int_equal(serve(), -1);
    assert_string_equal(last(), "4200000000000000");
    ASK("Hc0", "OK");
    ASK("Hg-1", "OK");
    ASK("Hx1", "E01");
    ASK("Hg3", "E01");
    ASK("H", "E01");
    rsp.cpu_count = 1; /* what is gone meanwhile has no registers */
    input_at = input_len = 0;
    stopped.cpu = 1;
    second_is_missing = true;
    ASK("p10", "E01");
    ASK("G00", "E01");
    assert_int_equal(ask("g")[0], 'x');
}

static void test_memory(void **state)
{
    char packet[16384];

    (void)state;
    ASK("m1010,4", "10111213");
    ASK("m1ffe,10", "feff");
    ASK("m1000,0", "");
    ASK("m0,4", "E0e");
    ASK("m123456789abc,4", "E0e");
    ASK("mffffffffffffffff,ffffffffffffffff", "E0e");
    ASK("m11111111111111111,4", "E01");
    ASK("m1000", "E01");
    ASK("m,", "E01");
    ASK("m1000,", "E01");
    assert_int_equal(strlen(ask("m1000,ffffffff")), RSP_PACKET_MAX - 16);
    ASK("M1002,2:beef", "OK");
    assert_int_equal(memory[2] << 8 | memory[3], 0xbeef);
    ASK("M1002,2:be", "E01");
    ASK("M1002,2:beef0", "E01");
    ASK("M1002,2:bexx", "E01");
    ASK("M1002,2", "E01");
    ASK("M1002", "E01");
    ASK("M", "E01");
    ASK("M1002,:", "E01");
    ASK("M0,1:00", "E0e");
    ASK("M1fff,2:0000", "E0e");
    ASK("M1000,ffffffffffff:00", "E01");
    ASK("X1000,0:", "OK");
    assert_string_equal(ask_bytes("X1004,3:a}\x03z", 12), "OK");
    assert_memory_equal(memory + 4, "a#z", 3);
    assert_string_equal(ask_bytes("X1008,4:\xe8\x03\0\0", 12), "OK");
    assert_memory_equal(memory + 8, "\xe8\x03\0\0", 4);
    ASK("X1004,3:ab", "E01");
    ASK("X1004,3:abcd", "E01");
    ASK("X1004,1:}", "OK"); /* nothing is escaped: the byte itself */
    memset(packet, '1', sizeof(packet));
    memcpy(packet, "M1000,400:", 10);
    packet[10 + 0x800] = '\0';
    input_at = input_len = 0;
    feed(packet); /* longer than any packet: it is asked for again */
    assert_int_equal(serve(), -1);
    assert_string_equal((char *)output, "-");
}

static void test_breakpoints(void **state)
{
    char packet[32];

    (void)state;
    ASK("Z0,1020,1", "OK");
    assert_int_equal(memory[0x20], 0xcc);
    ASK("Z0,1020,1", "OK");
    ASK("z0,1020,1", "OK");
    assert_int_equal(memory[0x20], 0x20);
    ASK("z0,1020,1", "OK");
    ASK("Z0,0,1", "E0e");
    for (unsigned i = 0; i < RSP_BREAKPOINTS_MAX; i++) {
        snprintf(packet, sizeof(packet), "Z0,%x,1", 0x1100 + i);
        ASK(packet, "OK");
    }
    ASK("Z0,1200,1", "E0c");
    ASK("Z1,1020,1", "OK");
    assert_int_equal(points[0].kind, HAL_DEBUG_EXECUTE);
    ASK("Z2,1028,8", "OK");
    assert_int_equal(points[1].kind, HAL_DEBUG_WRITE);
    assert_int_equal(points[1].size, 8);
    ASK("Z3,1030,4", "OK");
    assert_int_equal(points[2].kind, HAL_DEBUG_ACCESS);
    ASK("Z4,1040,2", "OK");
    ASK("Z4,1040,2", "OK");
    ASK("Z4,1050,2", "E0c");
    ASK("z3,1030,4", "OK");
    assert_int_equal(points[2].kind, HAL_DEBUG_OFF);
    ASK("z3,1030,4", "OK");
    ASK("Z2,1029,8", "E16");
    ASK("Z2,1028,3", "E16");
    ASK("Z2,1028,0", "E16");
    ASK("Z5,1028,1", "");
    ASK("Z", "E01");
    ASK("Z2", "E01");
    ASK("Z2,", "E01");
    ASK("Z2,1", "E01");
    ASK("Z2,1,", "E01");
    stopped.point = 1;
    ASK("?", "T05watch:1028;thread:1;");
    stopped.point = 3;
    ASK("?", "T05awatch:1040;thread:1;");
    stopped.point = 0;
    ASK("?", "T05thread:1;");
    /* Detached, nothing of it is left. */
    input_at = input_len = 0;
    feed("D");
    feed_raw("+", 1);
    assert_int_equal(serve(), HAL_DEBUG_RUN);
    assert_string_equal(last(), "OK");
    assert_int_equal(memory[0x100], 0);
    assert_int_equal(points[0].kind, HAL_DEBUG_OFF);
    assert_int_equal(serve(), HAL_DEBUG_RUN); /* and nobody is asked */
    assert_int_equal(output_len, 0);
}

/* A breakpoint whose memory has gone. */
static void test_breakpoint_without_memory(void **state)
{
    (void)state;
    ASK("Z0,1020,1", "OK");
    rsp.breaks[0].address = 0;
    ASK("z0,0,1", "E0e");
}

static void goes(const char *packet, int go, unsigned cpu)
{
    input_at = input_len = 0;
    rsp.owes_stop = false;
    feed(packet);
    assert_int_equal(serve(), go);
    if (go == HAL_DEBUG_STEP)
        assert_int_equal(go_cpu, cpu);
    assert_true(rsp.owes_stop);
}

static void test_going_on(void **state)
{
    (void)state;
    goes("c", HAL_DEBUG_RUN, 0);
    goes("C0b", HAL_DEBUG_RUN, 0);
    goes("s", HAL_DEBUG_STEP, 0);
    goes("S05", HAL_DEBUG_STEP, 0);
    goes("vCont;c", HAL_DEBUG_RUN, 0);
    goes("vCont;C05", HAL_DEBUG_RUN, 0);
    goes("vCont;s:2;c", HAL_DEBUG_STEP, 1);
    goes("vCont;S05:1;c:-1", HAL_DEBUG_STEP, 0);
    goes("vCont;x;c", HAL_DEBUG_RUN, 0);
    goes("vCont;s:9;c", HAL_DEBUG_RUN, 0);
    /* It tells why it has stopped again. */
    input_at = input_len = 0;
    stopped.cpu = 1;
    stopped.signal = 11;
    feed_raw("-\x03+", 3); /* once more; and the key, which is late */
    feed("qC");
    feed_raw("+", 1);
    assert_int_equal(serve(), -1);
    assert_memory_equal(output, "$T0bthread:2;#", 14);
    assert_memory_equal(output + 16, "$T0bthread:2;#", 14);
    assert_string_equal(last(), "QC2");
    rsp.owes_stop = false;
    ASK("vCont;", "");
    ASK("vCont;C", "");
    ASK("vCont;s:x", "");
    ASK("vCont;sx", "");
    ASK("vCont", "");
}

/* Noise, wrong sums, an end that is missing. */
static void test_lines_that_are_disturbed(void **state)
{
    (void)state;
    feed_raw("noise+-\x03$qC#00$q$qC#b4+", 23);
    assert_int_equal(serve(), -1);
    assert_string_equal((char *)output, "-+$QC1#c5");
    input_at = input_len = 0;
    feed_raw("$qC#zz$qC#b", 11);
    assert_int_equal(serve(), -1);
    assert_string_equal((char *)output, "-");
    /* Instead of an acknowledgement the next packet begins. */
    input_at = input_len = 0;
    feed("qC");
    feed("qAttached");
    feed_raw("+", 1);
    assert_int_equal(serve(), -1);
    assert_string_equal(last(), "1");
}

/* The first packet attaches whoever sends it. */
static void test_attaching(void **state)
{
    (void)state;
    rsp.is_attached = false;
    assert_int_equal(serve(), HAL_DEBUG_RUN);
    rsp.pushed_back = '$';
    feed_raw("qC#b4+", 6);
    assert_int_equal(serve(), -1);
    assert_string_equal(last(), "QC1");
    assert_true(rsp.is_attached);
}

/* Noise on the line: the machine goes on when no packet comes of it. */
static void test_no_packet(void **state)
{
    static const char *const noise[] = {"",      "x",     "qC",      "qC#",
                                        "qC#b",  "qC#xy", "qC#b3x",  "$$$",
                                        "#01$q", "###",   "qC#b5$qC"};

    (void)state;
    rsp.is_attached = false;
    for (unsigned i = 0; i < COUNT_OF(noise); i++) {
        input_at = input_len = 0;
        feed_raw(noise[i], strlen(noise[i]));
        rsp.pushed_back = '$';
        assert_int_equal(serve(), HAL_DEBUG_RUN);
        assert_false(rsp.is_attached);
        assert_null(memchr(output, '+', output_len));
        assert_int_equal(rsp.pushed_back, -1);
    }
    input_at = input_len = 0;
    for (unsigned i = 0; i < 2 * RSP_PACKET_MAX; i++)
        feed_raw("$", 1);
    rsp.pushed_back = '$';
    assert_int_equal(serve(), HAL_DEBUG_RUN);
    assert_int_equal(input_at, RSP_PACKET_MAX);
    input_at = input_len = 0;
    feed_raw("qC#b5$qC#b4+", 12);
    rsp.pushed_back = '$';
    assert_int_equal(serve(), -1);
    assert_true(rsp.is_attached);
    assert_memory_equal(output, "-+$QC1#", 7);
}

/* A CPU that waits to stop for a reason of its own. */
static void test_cannot_step(void **state)
{
    (void)state;
    cannot_step = true;
    ASK("vCont;s:2", "E01");
    ASK("Hc2", "OK");
    input_at = input_len = 0;
    feed("Hc2");
    feed_raw("+", 1);
    feed("s");
    feed_raw("+", 1);
    assert_int_equal(serve(), -1);
    assert_string_equal(last(), "E01");
    input_at = input_len = 0;
    feed("vCont;s:1");
    assert_int_equal(serve(), HAL_DEBUG_STEP);
    assert_int_equal(go_cpu, 0);
}

/* Whatever comes, an answer has an end, and nothing is left broken. */
static void test_random_packets(void **state)
{
    static const char letters[] = "?gGpPmMXZzHqTvsk,:;=#$}+-0123456789abcdef";
    static const char *const begins[] = {
        "m1000,", "M1000,2:", "Z0,",
        "vCont;", "X1000,",   "qXfer:features:read:target.xml:",
        "P10=",   "Hg",       "G",
        "z2,"};
    unsigned seed = 1;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char packet[64] = "";
        size_t len = 0;

        input_at = input_len = 0;
        if (rand_r(&seed) % 2 == 0) {
            strcpy(packet, begins[(unsigned)rand_r(&seed) % COUNT_OF(begins)]);
            len = strlen(packet);
        }
        for (int more = rand_r(&seed) % 20; more > 0; more--)
            packet[len++] =
                letters[(unsigned)rand_r(&seed) % (sizeof(letters) - 1)];
        if (packet[0] == 'k')
            packet[0] = 'g';
        feed_bytes(packet, len);
        feed_raw("++", 2);
        rsp.owes_stop = false;
        rsp.pushed_back = -1;
        (void)serve();
    }
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup(test, setup)
    const struct CMUnitTest tests[] = {
        READY(test_questions),
        READY(test_features),
        READY(test_registers),
        READY(test_other_cpu),
        READY(test_memory),
        READY(test_breakpoints),
        READY(test_breakpoint_without_memory),
        READY(test_going_on),
        READY(test_lines_that_are_disturbed),
        READY(test_attaching),
        READY(test_no_packet),
        READY(test_cannot_step),
        READY(test_random_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
