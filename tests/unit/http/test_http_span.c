/* Spans: pieces of text. */
#include "net/http/span.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_span_comparisons(void **state)
{
    static const struct {
        const char *text, *with;
        bool is, is_nocase, starts;
    } rows[] = {
        {"", "", true, true, true},
        {"abc", "abc", true, true, true},
        {"abc", "ABC", false, true, true},
        {"abc", "abd", false, false, false},
        {"abc", "ab", false, false, true},
        {"ab", "abc", false, false, false},
        {"xbc", "abc", false, false, false},
        {"ABcd", "abC", false, false, true},
        {"", "a", false, false, false},
        {"a", "", false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        /* Nothing behind the span may be looked at. */
        size_t len = strlen(rows[i].text);
        char *exact = malloc(len + 1);
        struct span span = {exact, len};

        memset(exact, 'c', len + 1);
        memcpy(exact, rows[i].text, len);
        ROW(rows[i].text, span_is(span, rows[i].with) == rows[i].is);
        ROW(rows[i].text,
            span_is_nocase(span, rows[i].with) == rows[i].is_nocase);
        ROW(rows[i].text,
            span_starts_nocase(span, rows[i].with) == rows[i].starts);
        free(exact);
    }
}

static void test_span_take(void **state)
{
    static const char text[] = "abab";
    struct span rest = {text, 3};

    (void)state;
    assert_false(span_take(&rest, "b"));
    assert_false(span_take(&rest, "AB"));
    assert_true(span_take(&rest, "ab"));
    assert_ptr_equal(rest.at, text + 2);
    assert_int_equal(rest.len, 1);
    assert_false(span_take(&rest, "ab")); /* a part of it is behind the span */
    assert_true(span_take(&rest, ""));
    assert_true(span_take(&rest, "a"));
    assert_int_equal(rest.len, 0);
}

static void test_span_trim(void **state)
{
    static const char blanks[] = "    ";
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},           {"  ", ""},         {"\t", ""},
        {"a", "a"},         {" a", "a"},        {"a ", "a"},
        {"\ta b\t", "a b"}, {" \t a\t ", "a"},  {"\va\f", "\va\f"},
        {"\ra", "\ra"},     {"\na\n", "\na\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].text,
            span_is(span_trim(span_of(rows[i].text)), rows[i].want));
    /* Blanks around the span are not its own. */
    assert_int_equal(span_trim((struct span){&blanks[1], 2}).len, 0);
    assert_int_equal(span_trim((struct span){&blanks[1], 0}).len, 0);
}

static void test_span_cut(void **state)
{
    struct span rest = span_of("a,b,,c");
    struct span before = span_of("untouched");

    (void)state;
    assert_true(span_cut(&rest, ',', &before));
    assert_true(span_is(before, "a"));
    assert_true(span_is(rest, "b,,c"));
    assert_false(span_cut(&rest, ';', &before));
    assert_true(span_is(before, "a"));
    assert_true(span_is(rest, "b,,c"));
    assert_true(span_cut(&rest, ',', &before));
    assert_true(span_cut(&rest, ',', &before));
    assert_true(span_is(before, ""));
    assert_true(span_is(rest, "c"));
    rest = span_of("x;");
    assert_true(span_cut(&rest, ';', &before));
    assert_int_equal(rest.len, 0);
}

/* RFC 9110, 5.6.1.2: empty members do not count. */
static void test_span_list(void **state)
{
    static const struct {
        const char *text, *want; /* members joined by '|' */
    } rows[] = {
        {"", ""},
        {" ", ""},
        {",", ""},
        {" , ,, ", ""},
        {"a", "a|"},
        {"a,b", "a|b|"},
        {" a , b c\t,d", "a|b c|d|"},
        {",a,,b,", "a|b|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct span list = span_of(rows[i].text);
        struct span member;
        char got[64] = "";

        while (span_list_next(&list, &member)) {
            strncat(got, member.at, member.len);
            strcat(got, "|");
        }
        ROW(rows[i].text, strcmp(got, rows[i].want) == 0);
        ROW(rows[i].text, list.len == 0);
    }
}

static void test_span_number(void **state)
{
    static const struct {
        const char *text;
        bool is_number;
        uint64_t value;
    } rows[] = {
        {"", false, 0},
        {"0", true, 0},
        {"7", true, 7},
        {"007", true, 7},
        {"1234567890", true, 1234567890},
        {"18446744073709551614", true, UINT64_MAX - 1},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", true, UINT64_MAX},
        {"18446744073709551620", true, UINT64_MAX},
        {"99999999999999999999999999", true, UINT64_MAX},
        {"184467440737095516150", true, UINT64_MAX},
        {"/", false, 0},
        {":", false, 0},
        {"1a", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 4711;

        ROW(rows[i].text,
            span_number(span_of(rows[i].text), &value) == rows[i].is_number);
        ROW(rows[i].text, value == (rows[i].is_number ? rows[i].value : 4711));
    }
}

/* RFC 9110, 5.6.2, every byte. */
static void test_span_token(void **state)
{
    static const char allowed[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    (void)state;
    assert_false(span_is_token(span_of("")));
    for (int c = 0; c < 256; c++) {
        char text[2] = {'a', (char)c};
        bool want = c != 0 && strchr(allowed, c) != NULL;

        if (span_is_token((struct span){text, 2}) != want ||
            span_is_token((struct span){text + 1, 1}) != want)
            fail_msg("character %d", c);
    }
}

/* A word is looked at eight bytes at once: each place, with neighbours that are
 * nearly it, and nothing behind the span. */
static void test_span_find(void **state)
{
    static const char near[] = "\x8d\x0c\x0e\x1d\x8a\x0b\x09\x80\xff";

    (void)state;
    for (size_t len = 0; len < 20; len++) {
        char *exact = malloc(len + 1);
        struct span span = {exact, len};

        for (size_t at = 0; at <= len; at++) {
            for (size_t i = 0; i < len; i++)
                exact[i] = i < at ? near[i % (sizeof(near) - 1)] : '\n';
            exact[len] = '\n';
            assert_int_equal(span_find(span, '\n'), at);
            assert_int_equal(span_find_line_end(span), at);
            memset(exact + at, '\r', len - at);
            assert_int_equal(span_find(span, '\n'), len);
            assert_int_equal(span_find_line_end(span), at);
        }
        free(exact);
    }
}

static void test_span_visible(void **state)
{
    char text[16];

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool is_visible = c > ' ' && c != 0x7f;

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, '!', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(span_is_visible((struct span){text, sizeof(text)}),
                             is_visible);
            assert_int_equal(
                span_is_visible((struct span){text + 2, sizeof(text) - 3}),
                at < 2 || at == sizeof(text) - 1 || is_visible);
        }
    }
}

/* The table, against the sets of RFC 9110, 5.6.2 and RFC 3986, 3.2.2. */
static void test_char_classes(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool is_word = char_is_alpha((char)c) || char_is_digit((char)c);

        assert_int_equal(char_is((char)c, CHAR_TOKEN),
                         is_word || char_is_in((char)c, "!#$%&'*+-.^_`|~"));
        assert_int_equal(char_is((char)c, CHAR_NAME),
                         is_word || char_is_in((char)c, "-._~!$&'()*+,;="));
    }
}

static void test_char_hex_value(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[2] = {(char)c, '\0'};
        int want = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL
                       ? (int)strtol(text, NULL, 16)
                       : -1;

        if (char_hex_value((char)c) != want)
            fail_msg("character %d", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_comparisons),
        cmocka_unit_test(test_span_take),
        cmocka_unit_test(test_span_trim),
        cmocka_unit_test(test_span_cut),
        cmocka_unit_test(test_span_list),
        cmocka_unit_test(test_span_number),
        cmocka_unit_test(test_span_token),
        cmocka_unit_test(test_span_find),
        cmocka_unit_test(test_span_visible),
        cmocka_unit_test(test_char_classes),
        cmocka_unit_test(test_char_hex_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
