/* The format of a file of frames, byte by byte: draft-ietf-opsawg-pcapng. */
#include "hal/posix/host/pcapng.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>

/* 4.1: a section of unknown length, by "Torc". */
static void test_the_section(void **state)
{
    static const uint8_t want[] = {
        0x0a, 0x0d, 0x0d, 0x0a, 0x28, 0x00, 0x00, 0x00, /* block, size */
        0x4d, 0x3c, 0x2b, 0x1a, 0x01, 0x00, 0x00, 0x00, /* order, version */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* length */
        0x04, 0x00, 0x04, 0x00, 'T',  'o',  'r',  'c',  /* application */
        0x00, 0x00, 0x00, 0x00, 0x28, 0x00, 0x00, 0x00, /* end, size */
    };
    uint8_t got[PCAPNG_BLOCK_MAX];

    (void)state;
    assert_int_equal(pcapng_section(got), sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
}

/* 4.2: Ethernet, time in nanoseconds; texts are padded with zeroes. */
static void test_a_card(void **state)
{
    static const uint8_t want[] = {
        0x01, 0x00, 0x00, 0x00, 0x34, 0x00, 0x00, 0x00, /* block, size */
        0x01, 0x00, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, /* link type, snap */
        0x02, 0x00, 0x04, 0x00, 'n',  'e',  't',  '0',  /* name */
        0x03, 0x00, 0x06, 0x00, 't',  'a',  'p',  ' ',  /* description */
        't',  '0',  0x00, 0x00, 0x09, 0x00, 0x01, 0x00, /* unit of time: */
        0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 10^-9 s, end */
        0x34, 0x00, 0x00, 0x00,
    };
    uint8_t got[PCAPNG_BLOCK_MAX];

    (void)state;
    memset(got, 0xa5, sizeof(got));
    assert_int_equal(pcapng_card(got, "net0", "tap t0", 96), sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
}

/* What is longer than its block has room for is cut. */
static void test_long_texts_are_cut(void **state)
{
    char text[200];
    uint8_t got[PCAPNG_BLOCK_MAX + 1];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[199] = '\0';
    got[PCAPNG_BLOCK_MAX] = 0x5a;
    assert_int_equal(pcapng_card(got, text, text, 0), 16 + 68 + 68 + 8 + 4 + 4);
    assert_int_equal(got[18], PCAPNG_TEXT_MAX);
    assert_int_equal(got[20 + PCAPNG_TEXT_MAX - 1], 'x');
    assert_int_equal(got[20 + PCAPNG_TEXT_MAX], 0);
    assert_int_equal(got[PCAPNG_BLOCK_MAX], 0x5a);
}

/* 4.3: five of 60 bytes, on card 1, sent, the checksum left to others. */
static void test_a_frame(void **state)
{
    static const uint8_t want[] = {
        0x06, 0x00, 0x00, 0x00, 0x34, 0x00, 0x00, 0x00, /* block, size */
        0x01, 0x00, 0x00, 0x00, 0x67, 0x45, 0x23, 0x01, /* card, time */
        0xef, 0xcd, 0xab, 0x89, 0x05, 0x00, 0x00, 0x00, /* captured */
        0x3c, 0x00, 0x00, 0x00, 'h',  'e',  'l',  'l',  /* length */
        'o',  0x00, 0x00, 0x00, 0x02, 0x00, 0x04, 0x00, /* flags: */
        0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* out; end */
        0x34, 0x00, 0x00, 0x00,
    };
    const struct pcapng_frame frame = {.card = 1,
                                       .flags =
                                           PCAPNG_OUT | PCAPNG_CSUM_NOT_READY,
                                       .time_ns = 0x0123456789abcdef,
                                       .captured = 5,
                                       .len = 60};
    uint8_t got[256];
    uint8_t *bytes;

    (void)state;
    memset(got, 0xa5, sizeof(got));
    assert_int_equal(pcapng_frame_size(&frame), sizeof(want) - 4 + 4);
    bytes = pcapng_frame_write(got, &frame);
    memcpy(bytes, "hello", 5);
    assert_memory_equal(got, want, sizeof(want));
    assert_int_equal(got[sizeof(want)], 0xa5);
}

/* 4.3, epb_dropcount: frames of the card that are not in the file. */
static void test_a_frame_after_lost_ones(void **state)
{
    static const uint8_t want[] = {
        0x06, 0x00, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x00, /* block, size */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* card, time */
        0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, /* captured */
        0x04, 0x00, 0x00, 0x00, 'f',  'o',  'u',  'r',  /* length */
        0x02, 0x00, 0x04, 0x00, 0x01, 0x0c, 0x00, 0x00, /* in, valid, TSO */
        0x04, 0x00, 0x08, 0x00, 0x03, 0x00, 0x00, 0x00, /* three lost */
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* and 2^32; end */
        0x3c, 0x00, 0x00, 0x00,
    };
    const struct pcapng_frame frame = {.flags = PCAPNG_IN | PCAPNG_CSUM_VALID |
                                                PCAPNG_SEGMENTS,
                                       .time_ns = 1,
                                       .captured = 4,
                                       .len = 4,
                                       .lost = 0x100000003};
    uint8_t got[256];

    (void)state;
    assert_int_equal(pcapng_frame_size(&frame), sizeof(want));
    memcpy(pcapng_frame_write(got, &frame), "four", 4);
    assert_memory_equal(got, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_section),
        cmocka_unit_test(test_a_card),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_a_frame),
        cmocka_unit_test(test_a_frame_after_lost_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
