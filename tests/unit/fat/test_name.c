/*
 * Names as functions: UTF-8 and UTF-16, upper and lower case, short names, the
 * parts on disk; dates and times.
 *
 * Sources: the specification (fatgen103), "Naming Conventions and Long Names";
 * Unicode 15, table of simple upper case; date(1).
 */
#include "fs/fat/fat_internal.h"
#include "fs/fat/name.h"
#include "tests/fakes/cmocka_all.h"
#include <errno.h>
#include <string.h>

static int parse(const char *text, struct fat_name *name)
{
    return fat_name_parse(text, strlen(text), name);
}

static void test_texts_come_back(void **state)
{
    static const char *const texts[] = {
        "a",
        "A Long Name.with dots",
        ".hidden",
        " blank in front",
        "\xc3\xa4",               /* U+00E4 */
        "\xc2\x80",               /* U+0080, the first of two bytes */
        "\xdf\xbf",               /* U+07FF, the last of two bytes */
        "\xe0\xa0\x80",           /* U+0800, the first of three */
        "\xed\x9f\xbf",           /* U+D7FF, before the surrogates */
        "\xee\x80\x80",           /* U+E000, behind them */
        "\xef\xbf\xbf",           /* U+FFFF */
        "\xf0\x90\x80\x80",       /* U+10000 */
        "\xf0\x9f\x98\x80 smile", /* U+1F600 */
        "\xf4\x8f\xbf\xbf",       /* U+10FFFF */
        "\x7f",
    };
    struct fat_name name;
    char out[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(parse(texts[i], &name), 0);
        assert_int_equal(fat_name_text(name.units, name.len, out),
                         strlen(texts[i]));
        assert_string_equal(out, texts[i]);
    }
}

static void test_surrogates_are_two_units(void **state)
{
    struct fat_name name;

    (void)state;
    assert_int_equal(parse("\xf0\x9f\x98\x80", &name), 0);
    assert_int_equal(name.len, 2);
    assert_int_equal(name.units[0], 0xd83d);
    assert_int_equal(name.units[1], 0xde00);
}

static void test_what_is_no_name(void **state)
{
    static const char *const texts[] = {
        "\x80",     /* a byte that continues nothing */
        "\xc3",     /* cut */
        "\xc3(",    /* not continued */
        "\xe0\xa0", /* cut */
        "\xc0\xaf", /* '/' in two bytes */
        "\xc1\xbf",
        "\xe0\x9f\xbf",     /* U+07FF in three bytes */
        "\xf0\x8f\xbf\xbf", /* U+FFFF in four */
        "\xed\xa0\x80",     /* U+D800 */
        "\xed\xbf\xbf",     /* U+DFFF */
        "\xf4\x90\x80\x80", /* U+110000 */
        "\xf8\x88\x80\x80\x80",
        "\xff",
        "a\"b",
        "a*b",
        "a/b",
        "a:b",
        "a<b",
        "a>b",
        "a?b",
        "a\\b",
        "a|b",
        "a\x01",
        "a\x1f",
        "...",
        " ",
        ". .",
    };
    struct fat_name name;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(parse(texts[i], &name), -EINVAL);
    assert_int_equal(fat_name_parse("a\0b", 3, &name), -EINVAL);
}

static void test_dots_and_blanks_at_the_end_go(void **state)
{
    struct fat_name name;
    char out[256];

    (void)state;
    assert_int_equal(parse(" a.b. . ", &name), 0);
    fat_name_text(name.units, name.len, out);
    assert_string_equal(out, " a.b");
}

static void test_long_names_have_255_units(void **state)
{
    struct fat_name name;
    char text[256], out[256];

    (void)state;
    memset(text, 'x', 255);
    text[255] = '\0';
    assert_int_equal(parse(text, &name), 0);
    assert_int_equal(name.len, 255);
    assert_int_equal(fat_name_parts(&name), 20);
    assert_int_equal(fat_name_text(name.units, 255, out), 255);
    /* Of more than 255 bytes no path could be made. */
    name.units[17] = 0xe4;
    assert_int_equal(fat_name_text(name.units, 255, out), 0);
}

static void test_units_that_cannot_be_shown(void **state)
{
    static const uint16_t names[][3] = {
        {'a', 0xd800, 'b'},    {'a', 0xdc00, 'b'}, {'a', 'b', 0xd800},
        {'a', 0xd800, 0xe000}, {'a', '/', 'b'},    {'a', 'b', 0},
        {'a', 'b', '.'},       {'a', 'b', ' '},    {'a', 7, 'b'},
    };
    static const uint16_t dots[] = {'.', '.'};
    char out[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(fat_name_text(names[i], 3, out), 0);
    assert_int_equal(fat_name_text(dots, 1, out), 0);
    assert_int_equal(fat_name_text(dots, 2, out), 0);
    assert_int_equal(fat_name_text(dots, 0, out), 0);
}

static void test_upper_case(void **state)
{
    static const uint16_t pairs[][2] = {
        {'a', 'A'},       {'z', 'Z'},       {'A', 'A'},       {'`', '`'},
        {'{', '{'},       {'0', '0'},       {0xe4, 0xc4},     {0xf7, 0xf7},
        {0xdf, 0xdf},     {0xff, 0x178},    {0x101, 0x100},   {0x100, 0x100},
        {0x131, 0x131},   {0x137, 0x136},   {0x138, 0x138},   {0x13a, 0x139},
        {0x148, 0x147},   {0x149, 0x149},   {0x14b, 0x14a},   {0x177, 0x176},
        {0x178, 0x178},   {0x17a, 0x179},   {0x17e, 0x17d},   {0x3ac, 0x386},
        {0x3ad, 0x388},   {0x3af, 0x38a},   {0x3b1, 0x391},   {0x3c2, 0x3a3},
        {0x3c3, 0x3a3},   {0x3c9, 0x3a9},   {0x3cb, 0x3ab},   {0x3cc, 0x38c},
        {0x3cd, 0x38e},   {0x3ce, 0x38f},   {0x430, 0x410},   {0x44f, 0x42f},
        {0x450, 0x400},   {0x45f, 0x40f},   {0x461, 0x460},   {0x481, 0x480},
        {0x482, 0x482},   {0x48b, 0x48a},   {0x4bf, 0x4be},   {0x4c0, 0x4c0},
        {0x4d1, 0x4d0},   {0x52f, 0x52e},   {0x561, 0x531},   {0x586, 0x556},
        {0x1e01, 0x1e00}, {0x1eff, 0x1efe}, {0xff41, 0xff21}, {0xff5a, 0xff3a},
        {0x65e5, 0x65e5}, {0xd83d, 0xd83d},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_int_equal(fat_fold(pairs[i][0]), pairs[i][1]);
}

static void test_short_names(void **state)
{
    static const struct {
        const char *name, *plain;
        enum fat_short_fit fit;
    } rows[] = {
        {"FILE.TXT", "FILE    TXT", FAT_SHORT_EXACT},
        {"A", "A          ", FAT_SHORT_EXACT},
        {"ABCDEFGH.IJK", "ABCDEFGHIJK", FAT_SHORT_EXACT},
        {"$%'-_@~`.!()", "$%'-_@~`!()", FAT_SHORT_EXACT},
        {"{}^#&", "{}^#&      ", FAT_SHORT_EXACT},
        {"file.txt", "FILE    TXT", FAT_SHORT_CASE},
        {"File.TXT", "FILE    TXT", FAT_SHORT_CASE},
        {"FILE.txt", "FILE    TXT", FAT_SHORT_CASE},
        {"ABCDEFGHI", "ABCDEFGH   ", FAT_SHORT_LOSSY},
        {"A.BCDE", "A       BCD", FAT_SHORT_LOSSY},
        {"The quick brown.fox", "THEQUICKFOX", FAT_SHORT_LOSSY},
        {"a.b.c", "AB      C  ", FAT_SHORT_LOSSY},
        {".bashrc", "BASHRC     ", FAT_SHORT_LOSSY},
        {" A", "A          ", FAT_SHORT_LOSSY},
        {"A B", "AB         ", FAT_SHORT_LOSSY},
        {"a+b", "A_B        ", FAT_SHORT_LOSSY},
        {"\xc3\xa4.t", "_       T  ", FAT_SHORT_LOSSY},
        {"[=];,", "_____      ", FAT_SHORT_LOSSY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fat_name name;
        uint8_t out[12] = {0};

        assert_int_equal(parse(rows[i].name, &name), 0);
        assert_int_equal(fat_short_make(&name, out), rows[i].fit);
        assert_string_equal((char *)out, rows[i].plain);
    }
}

static void test_short_names_with_numbers(void **state)
{
    struct fat_name name;
    uint8_t plain[11], out[12] = {0}, again[12] = {0};

    (void)state;
    assert_int_equal(parse("The quick brown.fox", &name), 0);
    (void)fat_short_make(&name, plain);
    fat_short_try(&name, plain, 0, 0, out);
    assert_string_equal((char *)out, "THEQUI~1FOX");
    fat_short_try(&name, plain, 3, 0, out);
    assert_string_equal((char *)out, "THEQUI~4FOX");
    fat_short_try(&name, plain, 4, 0, out);
    assert_memory_equal(out, "TH", 2);
    assert_memory_equal(out + 6, "~1FOX", 5);
    fat_short_try(&name, plain, FAT_SHORT_TRIES - 1, 0, again);
    assert_memory_equal(again, out, 6);
    assert_memory_equal(again + 6, "~9FOX", 5);
    fat_short_try(&name, plain, 4, 1, again);
    assert_memory_not_equal(again, out, 6); /* another hash */

    assert_int_equal(parse("a+", &name), 0);
    (void)fat_short_make(&name, plain);
    fat_short_try(&name, plain, 1, 0, out);
    assert_string_equal((char *)out, "A_~2       ");
}

/* As the specification computes it. */
static void test_checksum(void **state)
{
    unsigned char sum = 0;
    const char *name = "FILE    TXT";

    (void)state;
    for (unsigned i = 0; i < 11; i++)
        sum = (unsigned char)(((sum & 1) ? 0x80 : 0) + (sum >> 1) + name[i]);
    assert_int_equal(fat_short_checksum((const uint8_t *)name), sum);
}

static void test_short_names_as_they_are_shown(void **state)
{
    static const struct {
        const char *raw;
        uint8_t flags;
        const char *text;
    } rows[] = {
        {"FILE    TXT", 0, "FILE.TXT"},
        {"FILE    TXT", CASE_LOWER_BASE, "file.TXT"},
        {"FILE    TXT", CASE_LOWER_EXT, "FILE.txt"},
        {"FILE    TXT", CASE_LOWER_BASE | CASE_LOWER_EXT, "file.txt"},
        {"FILE       ", 0, "FILE"},
        {"A B     C D", 0, "A B.C D"},
        {"\x05"
         "ABC       ",
         0, "_ABC"},
        {"A\x84/.\\   ~\x01 ", 0, "A____.~_"},
        {"        TXT", 0, "_.TXT"},
        {"           ", 0, "_"},
        {"a       b  ", 0, "a.b"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t slot[SLOT_BYTES] = {0};
        uint16_t units[12];
        char text[13] = {0};
        unsigned len;

        memcpy(slot, rows[i].raw, 11);
        slot[SLOT_CASE] = rows[i].flags;
        len = fat_short_units(slot, units);
        for (unsigned j = 0; j < len; j++)
            text[j] = (char)units[j];
        assert_string_equal(text, rows[i].text);
    }
}

static void test_parts_of_a_long_name(void **state)
{
    struct fat_name name;
    uint16_t units[LONG_PARTS_MAX * LONG_PART];
    uint8_t slot[SLOT_BYTES];

    (void)state;
    assert_int_equal(parse("thirteenunits and one", &name), 0);
    assert_int_equal(fat_name_parts(&name), 2);
    fat_part_fill(&name, 2, 0x5a, slot);
    assert_int_equal(slot[0], 0x42);
    assert_int_equal(slot[11], 0x0f);
    assert_int_equal(slot[12], 0);
    assert_int_equal(slot[13], 0x5a);
    assert_int_equal(slot[26] | slot[27], 0);
    assert_memory_equal(slot + 1, " \0a\0n\0d\0 \0", 10);
    assert_memory_equal(slot + 14, "o\0n\0e\0\0\0\xff\xff\xff\xff", 12);
    assert_memory_equal(slot + 28, "\xff\xff\xff\xff", 4);
    fat_part_take(slot, 2, units);
    fat_part_fill(&name, 1, 0x5a, slot);
    assert_int_equal(slot[0], 1);
    fat_part_take(slot, 1, units);
    assert_true(fat_name_is(&name, units, name.len));
    assert_int_equal(units[name.len], 0);
    /* One that fills its part has no end. */
    assert_int_equal(parse("thirteenunits", &name), 0);
    fat_part_fill(&name, 1, 0, slot);
    assert_int_equal(slot[0], 0x41);
    assert_memory_equal(slot + 28, "t\0s\0", 4);
}

static void test_times(void **state)
{
    static const struct {
        int64_t s; /* date -u -d ... +%s */
        uint16_t date, time;
        uint8_t ten_ms;
    } rows[] = {
        {315532800, 0x0021, 0, 0}, /* 1980-01-01 */
        {951825599, (20 << 9) | (2 << 5) | 29, (11 << 11) | (59 << 5) | 29,
         100},                                        /* 2000-02-29 11:59:59 */
        {1709251200, (44 << 9) | (3 << 5) | 1, 0, 0}, /* 2024-03-01 */
        {4354819198, (127 << 9) | (12 << 5) | 31, (23 << 11) | (59 << 5) | 29,
         0}, /* 2107-12-31 23:59:58 */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint16_t date, time;
        uint8_t ten_ms;
        struct file_time back;

        fat_time_put((struct file_time){rows[i].s, 0}, &date, &time, &ten_ms);
        assert_int_equal(date, rows[i].date);
        assert_int_equal(time, rows[i].time);
        assert_int_equal(ten_ms, rows[i].ten_ms);
        back = fat_time_get(date, time, ten_ms);
        assert_int_equal(back.s, rows[i].s);
        assert_int_equal(back.ns, 0);
    }
}

static void test_times_that_do_not_fit(void **state)
{
    uint16_t date, time;
    uint8_t ten_ms;

    (void)state;
    fat_time_put((struct file_time){-5, 7}, &date, &time, &ten_ms);
    assert_int_equal(fat_time_get(date, time, ten_ms).s, 315532800);
    fat_time_put((struct file_time){INT64_MAX, 7}, &date, &time, &ten_ms);
    assert_int_equal(fat_time_get(date, time, ten_ms).s, 4354819199);
    assert_int_equal(ten_ms, 199);
    assert_int_equal(fat_time_get(date, time, ten_ms).ns, 990000000);
    /* No date at all. */
    assert_int_equal(fat_time_get(0, 0, 0).s, 315532800);
    /* No such one: some moment. */
    (void)fat_time_get(0xffff, 0xffff, 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_come_back),
        cmocka_unit_test(test_surrogates_are_two_units),
        cmocka_unit_test(test_what_is_no_name),
        cmocka_unit_test(test_dots_and_blanks_at_the_end_go),
        cmocka_unit_test(test_long_names_have_255_units),
        cmocka_unit_test(test_units_that_cannot_be_shown),
        cmocka_unit_test(test_upper_case),
        cmocka_unit_test(test_short_names),
        cmocka_unit_test(test_short_names_with_numbers),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_short_names_as_they_are_shown),
        cmocka_unit_test(test_parts_of_a_long_name),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
