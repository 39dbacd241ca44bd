/*
 * torc-trace: which bytes are a trace, and what it writes of one. That readers
 * take it is asked of python3 (JSON, SVG) and babeltrace2 (CTF).
 */
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int tool_main(int argc, char **argv);
/* clang-format off */
#define main         tool_main
#define check_failed tool_check_failed
#include "tools/trace/main.c"
#undef main
/* clang-format on */

/* A trace under construction. */
static uint8_t bytes[100000];
static size_t len;

static void add(const void *data, size_t size)
{
    assert_true(size <= sizeof(bytes) - len);
    memcpy(bytes + len, data, size);
    len += size;
}

static struct trace_header good_header(void)
{
    struct trace_header header = {.cpu_count = 2,
                                  .event_size = sizeof(struct trace_event),
                                  .first_cycles = 1000,
                                  .first_ns = 50,
                                  .last_cycles = 5000,
                                  .last_ns = 2050};

    memcpy(header.magic, TRACE_MAGIC, 8);
    return header;
}

static void add_section(uint32_t cpu, uint32_t ring, uint64_t lost,
                        uint64_t count)
{
    struct trace_section section = {
        .cpu = cpu, .ring = ring, .lost = lost, .count = count};

    add(&section, sizeof(section));
}

static void add_event(uint64_t cycles, unsigned kind, unsigned detail,
                      uint32_t count, uint64_t value)
{
    struct trace_event event = {.cycles = cycles,
                                .value = value,
                                .kind = (uint16_t)kind,
                                .detail = (uint16_t)detail,
                                .count = count,
                                .more = {3, 1}};

    add(&event, sizeof(event));
}

static void add_named(uint64_t cycles, unsigned kind, const char *name,
                      uint64_t value)
{
    struct trace_event event = {
        .cycles = cycles, .value = value, .kind = (uint16_t)kind};

    strncpy(event.name, name, TRACE_NAME_MAX);
    add(&event, sizeof(event));
}

/* All kinds, on two CPUs and in both rings. */
static void good_trace(void)
{
    const struct trace_header header = good_header();

    len = 0;
    add(&header, sizeof(header));
    add_section(0, TRACE_RING_THREADS, 5, 8);
    add_named(1000, TRACE_SWITCH, "main", 1);
    add_event(1200, TRACE_IO_BEGIN, 1, 8, 0xabc);
    add_event(1400, TRACE_SLOT_SEND, 1, 0, 17);
    add_named(1600, TRACE_BEGIN, "work", 2);
    add_event(1700, TRACE_IO_END, 1, 0, 0xabc);
    add_named(1800, TRACE_END, "work", 0);
    add_named(2000, TRACE_SWITCH, "idle", 2);
    add_named(2200, TRACE_SWITCH, "a_name_of_12", 3);
    add_section(0, TRACE_RING_INTERRUPTS, 1, 1);
    add_event(1500, TRACE_INTERRUPT, 33, 0, 0);
    add_section(1, TRACE_RING_THREADS, 0, 7);
    add_event(1600, TRACE_SLOT_TAKE, 0, 0, 17);
    add_event(1700, TRACE_SLOT_RAN, 0, 4, 17);
    add_event(1800, TRACE_PACKET_IN, 0, 60, 0);
    add_event(1900, TRACE_PACKET_OUT, 0, 1514, 0);
    add_event(2000, TRACE_ALLOC, 0, 0, 0x1000);
    add_event(2000, TRACE_FREE, 0, 0, 0x1000);
    add_named(9000, TRACE_MARK, "late \"&<", 4);
}

/* ---- Bytes that are none ------------------------------------------------- */

static const char *verdict(void)
{
    struct decoded out;
    uint8_t *copy = malloc(len); /* its end is the allocation's */
    const char *wrong;

    memcpy(copy, bytes, len);
    wrong = decode(copy, len, &out);
    free(copy);
    if (wrong == NULL)
        decode_free(&out);
    else
        assert_null(out.events);
    return wrong;
}

static void test_decode_refuses_headers(void **state)
{
    static const struct {
        const char *name;
        size_t offset;
        size_t size;
        uint64_t value;
        const char *wrong;
    } rows[] = {
        {"magic", 0, 1, 't', "it is no trace"},
        {"no CPU", 8, 4, 0, "its number of CPUs is none"},
        {"257 CPUs", 8, 4, 257, "its number of CPUs is none"},
        {"events of 31 bytes", 12, 4, 31, "its events have another size"},
        {"ends before it begins", 16, 8, 5001, "it ends before it begins"},
        {"time runs backwards", 24, 8, 2051, "it ends before it begins"},
        {"section of CPU 2", 48, 4, 2,
         "a section is of a CPU or a ring that does not exist"},
        {"a third ring", 52, 4, 2,
         "a section is of a CPU or a ring that does not exist"},
        {"too many events", 64, 8, 18, "it ends within its events"},
        {"far too many events", 64, 8, UINT64_MAX / 32 + 2,
         "it ends within its events"},
        {"kind 14", 88, 2, TRACE_KIND_COUNT,
         "an event has a kind that does not exist"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *wrong;

        good_trace();
        memcpy(bytes + rows[i].offset, &rows[i].value, rows[i].size);
        wrong = verdict();
        ROW(rows[i].name, wrong != NULL && strcmp(wrong, rows[i].wrong) == 0);
    }
}

static void test_decode_every_length(void **state)
{
    size_t all;
    unsigned whole = 0;

    (void)state;
    good_trace();
    all = len;
    for (len = 1; len <= all; len++)
        whole += verdict() == NULL;
    /* behind the header, and behind each of three sections */
    assert_int_equal(whole, 4);
}

static void test_decode_every_byte_changed(void **state)
{
    (void)state;
    good_trace();
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            (void)verdict(); /* the sanitizers tell */
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    }
}

static void test_decode_one_sequence(void **state)
{
    struct decoded out;

    (void)state;
    good_trace();
    assert_null(decode(bytes, len, &out));
    assert_int_equal(out.event_count, 16);
    assert_int_equal(out.lost[0], 6);
    assert_int_equal(out.interrupts[0], 1);
    assert_int_equal(out.end_ns, 2000);
    assert_int_equal(out.events[0].ns, 0);
    assert_int_equal(out.events[1].ns, 100); /* half a nanosecond a cycle */
    assert_int_equal(out.events[1].more, UINT64_C(1) << 32 | 3);
    assert_int_equal(out.events[3].kind, TRACE_INTERRUPT);
    /* The same moment: in the order of the input. */
    assert_int_equal(out.events[4].kind, TRACE_BEGIN);
    assert_int_equal(out.events[5].kind, TRACE_SLOT_TAKE);
    assert_int_equal(out.events[15].ns, 2000); /* not behind the end */
    assert_string_equal(out.events[15].name, "late ???");
    decode_free(&out);
}

static void test_decode_without_a_span(void **state)
{
    struct trace_header header = good_header();
    struct decoded out;

    (void)state;
    header.last_cycles = header.first_cycles;
    len = 0;
    add(&header, sizeof(header));
    add_section(0, 0, 0, 1);
    add_named(1000, TRACE_MARK, "m", 0);
    assert_null(decode(bytes, len, &out));
    assert_int_equal(out.events[0].ns, 0);
    decode_free(&out);
}

static void test_decode_log_lines(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
    } rows[] = {
        {"", ""},
        {"trace: 4142\n", "AB"},
        {"trace: 4142", "AB"},
        {"hello\ntrace: 41\r\nother\ntrace: 42\r\n", "AB"},
        {"trace:\ntrace: \n", ""},
        {"trace: 414\n", "A"},
        {"trace: 4g\n", ""},
        {"trace: G4\n", ""},
        {" trace: 41\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[100];
        size_t got;

        strcpy(text, rows[i].text);
        got = decode_log(text, strlen(text));
        ROW(rows[i].text, got == strlen(rows[i].bytes));
        ROW(rows[i].text, memcmp(text, rows[i].bytes, got) == 0);
    }
}

/* ---- The program --------------------------------------------------------- */

static char place[] = "/tmp/torc_trace_XXXXXX";

static int run_words(const char *const *words)
{
    int argc = 0;

    while (words[argc] != NULL)
        argc++;
    return tool_main(argc, (char **)(uintptr_t)words);
}

static void trace_file(void)
{
    FILE *file = fopen("t.bin", "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void test_tool_writes_all_forms(void **state)
{
    const char *words[] = {"torc-trace", "--json", "t.json", "--svg", "t.svg",
                           "--ctf",      "t.ctf",  "--text", "t.bin", NULL};

    (void)state;
    good_trace();
    trace_file();
    assert_int_equal(run_words(words), 0);
    assert_int_equal(run_words(words), 0); /* over the old ones */
    shell("python3 -c \"import json; t = json.load(open('t.json'))"
          "['traceEvents']; n = [e['ph'] for e in t]; "
          "assert n.count('X') == 3 and n.count('s') == 1 and "
          "n.count('f') == 1 and n.count('b') == 1 and n.count('e') == 1 and "
          "n.count('B') == 1 and n.count('E') == 1, n; "
          "assert [e['id'] for e in t if e['ph'] in 'sf'] == ['0.1.17'] * 2; "
          "assert [e['dur'] for e in t if e['ph'] == 'X'] == "
          "[0.5, 0.1, 1.4], t\"");
    shell("python3 -c \"import xml.etree.ElementTree as x; "
          "r = list(x.parse('t.svg').getroot().iter()); "
          "assert len([e for e in r if e.text and ', 500 ns' in e.text]) "
          "== 1\"");
    shell("test \"$(babeltrace2 --no-delta t.ctf 2>errors | wc -l)\" -eq 16");
    shell("babeltrace2 t.ctf 2>/dev/null | grep 'slot_take: { cpu_id = 1 }, "
          "{ detail = 0, count = 0, value = 17, more = 4294967299 }'");
    shell("babeltrace2 t.ctf 2>/dev/null | grep 'name = \"a_name_of_12\"'");
}

static void test_tool_says_what_is_wrong(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *words[6];
    } rows[] = {
        {"nothing", 2, {"torc-trace", NULL}},
        {"two traces", 2, {"torc-trace", "t.bin", "t.bin", NULL}},
        {"no such word", 2, {"torc-trace", "--jsn", "t.bin", NULL}},
        {"no file name", 2, {"torc-trace", "t.bin", "--json", NULL}},
        {"no such file", 1, {"torc-trace", "none", NULL}},
        {"a directory", 1, {"torc-trace", ".", NULL}},
        {"no trace", 1, {"torc-trace", "empty", NULL}},
        {"no place for json", 1, {"torc-trace", "--json", "no/x", "t.bin"}},
        {"no room for svg", 1, {"torc-trace", "--svg", "/dev/full", "t.bin"}},
        {"no place for ctf", 1, {"torc-trace", "--ctf", "no/x", "t.bin"}},
        {"a file for ctf", 1, {"torc-trace", "--ctf", "t.bin", "t.bin"}},
    };

    (void)state;
    good_trace();
    trace_file();
    fclose(fopen("empty", "w"));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, run_words(rows[i].words) == rows[i].status);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(place) == NULL || chdir(place) != 0;
}

static int teardown(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", place);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_refuses_headers),
        cmocka_unit_test(test_decode_every_length),
        cmocka_unit_test(test_decode_every_byte_changed),
        cmocka_unit_test(test_decode_one_sequence),
        cmocka_unit_test(test_decode_without_a_span),
        cmocka_unit_test(test_decode_log_lines),
        cmocka_unit_test(test_tool_writes_all_forms),
        cmocka_unit_test(test_tool_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
