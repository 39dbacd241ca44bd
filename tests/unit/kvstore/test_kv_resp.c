/* RESP: requests in whatever pieces they come, numbers, patterns, replies. */
#include "apps/kvstore/resp.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct resp_request request;

enum { MORE_COMES = 0, BAD = -1 };

static const struct {
    const char *name, *text;
    int argc;          /* BAD: it is a mistake */
    const char *words; /* or a part of the message */
    int len;           /* 0: it is not complete */
} rows[] = {
    {"one word", "*1\r\n$4\r\nPING\r\n", 1, "PING", 14},
    {"two words", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", 2, "GET,a", 20},
    {"an empty word", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", 2, "GET,", 19},
    {"a word with a line end", "*1\r\n$3\r\na\r\n\r\n", 1, "a\r\n", 13},
    {"no words", "*0\r\n", 0, "", 4},
    {"fewer than none", "*-1\r\n", 0, "", 5},
    {"what follows", "*1\r\n$1\r\na\r\nPING\r\n", 1, "a", 11},
    {"a line", "SET a  b\r\n", 3, "SET,a,b", 10},
    {"blanks around", "  PING\t\r\n", 1, "PING", 9},
    {"a line with LF alone", "PING\n", 1, "PING", 5},
    {"an empty line", "\r\n", 0, "", 2},
    {"a quote", "SET a \"b\"\r\n", BAD, "no quotes", 0},
    {"no number", "*x\r\n", BAD, "multibulk length", 0},
    {"an empty number", "*\r\n", BAD, "multibulk length", 0},
    {"a sign too many", "*+1\r\n", BAD, "multibulk length", 0},
    {"a zero too many", "*01\r\n", BAD, "multibulk length", 0},
    {"no LF", "*1\rx", BAD, "multibulk length", 0},
    {"too many words", "*1025\r\n", BAD, "multibulk length", 0},
    {"far too many", "*99999999999999999999\r\n", BAD, "multibulk", 0},
    {"a number without end", "*1111111111111111111111", BAD, "multibulk", 0},
    {"no bulk", "*1\r\nPING\r\n", BAD, "expected '$'", 0},
    {"a negative bulk", "*1\r\n$-1\r\n", BAD, "bulk length", 0},
    {"a bulk too large", "*1\r\n$101\r\n", BAD, "bulk length", 0},
    {"a bulk without end", "*1\r\n$1\r\nab\r\n", BAD, "no end", 0},
    {"half of it", "*1\r\n$1\r\na\rb", BAD, "no end", 0},
    {"a whole too large",
     "*4\r\n$60\r\n"
     "012345678901234567890123456789012345678901234567890123456789\r\n$60\r\n"
     "012345678901234567890123456789012345678901234567890123456789\r\n$60\r\n"
     "012345678901234567890123456789012345678901234567890123456789\r\n$60\r\n",
     BAD, "too long", 0},
};

/* The first `len` bytes, in memory of that size. */
static int64_t parse(const char *text, size_t len, const char **error)
{
    static char *copy;

    free(copy);
    copy = malloc(len + 1); /* never NULL */
    memcpy(copy, text, len);
    return resp_parse(copy, len, 100, 200, &request, error);
}

static void test_requests_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i].text);
        char words[200] = "";
        const char *error = NULL;
        int64_t got;

        for (size_t cut = 0; cut < len; cut++) {
            got = parse(rows[i].text, cut, &error);
            if (got < 0 && rows[i].argc == BAD)
                break; /* a mistake may be seen before the end */
            if (rows[i].argc == BAD || cut < (size_t)rows[i].len)
                assert_int_equal(got, MORE_COMES);
            else
                assert_int_equal(got, rows[i].len);
        }
        got = parse(rows[i].text, len, &error);
        if (rows[i].argc == BAD) {
            if (got != -EPROTO || strstr(error, rows[i].words) == NULL)
                fail_msg("%s: %d", rows[i].name, (int)got);
            continue;
        }
        if (got != rows[i].len || (int)request.argc != rows[i].argc)
            fail_msg("%s: %d", rows[i].name, (int)got);
        for (unsigned w = 0; w < request.argc; w++)
            sprintf(words + strlen(words), "%s%.*s", w > 0 ? "," : "",
                    (int)request.argv[w].len, request.argv[w].at);
        assert_string_equal(words, rows[i].words);
    }
}

static void test_long_lines_are_refused(void **state)
{
    static char text[RESP_LINE_MAX + 2];
    const char *error = NULL;

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(parse(text, RESP_LINE_MAX - 1, &error), 0);
    assert_int_equal(parse(text, RESP_LINE_MAX, &error), -EPROTO);
    text[RESP_LINE_MAX - 1] = '\n';
    assert_int_equal(parse(text, RESP_LINE_MAX, &error), RESP_LINE_MAX);
    memset(text, ' ', sizeof(text));
    for (int i = 0; i < RESP_ARGS_MAX; i++)
        text[2 * i] = 'x';
    text[2 * RESP_ARGS_MAX] = '\n';
    assert_true(parse(text, 2 * RESP_ARGS_MAX + 1, &error) > 0);
    assert_int_equal(request.argc, RESP_ARGS_MAX);
    text[2 * RESP_ARGS_MAX] = 'x';
    text[2 * RESP_ARGS_MAX + 1] = '\n';
    assert_int_equal(parse(text, 2 * RESP_ARGS_MAX + 2, &error), -EPROTO);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        bool is_number;
        int64_t number;
    } numbers[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"00", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1x", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct span word = {numbers[i].text, strlen(numbers[i].text)};
        int64_t number = 0;

        if (resp_number(word, &number) != numbers[i].is_number ||
            number != numbers[i].number)
            fail_msg("%s: %lld", numbers[i].text, (long long)number);
    }
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } patterns[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "a", true},
        {"a", "", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"*b", "abc", false},
        {"a*c", "abbbc", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXcYb", false},
        {"**a**", "xax", true},
        {"?", "a", true},
        {"?", "", false},
        {"a?c", "abc", true},
        {"[abc]x", "bx", true},
        {"[abc]x", "dx", false},
        {"[a-c]", "b", true},
        {"[c-a]", "b", true},
        {"[a-c]", "d", false},
        {"[^a-c]", "d", true},
        {"[^a-c]", "b", false},
        {"[a-]", "-", true},
        {"[\\]]", "]", true},
        {"[a", "a", true},
        {"[", "a", false},
        {"[]", "a", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\", "\\", true},
        {"*[0-9]", "key7", true},
        {"*a*a*b", "aaaaab", true},
        {"*?b", "ab", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct span pattern = {patterns[i].pattern,
                               strlen(patterns[i].pattern)};
        struct span text = {patterns[i].text, strlen(patterns[i].text)};
        unsigned budget = 1000;

        if (resp_match(pattern, text, &budget) != patterns[i].matches)
            fail_msg("%s: %s", patterns[i].pattern, patterns[i].text);
    }
}

/* A pattern that tries for ever ends. */
static void test_patterns_have_a_budget(void **state)
{
    static char text[10000];
    static const char hard[] = "*a*a*a*a*a*a*a*a*b";
    unsigned budget = 1000;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_false(resp_match((struct span){hard, sizeof(hard) - 1},
                            (struct span){text, sizeof(text)}, &budget));
    assert_int_equal(budget, 0);
}

/* How many of 1000 steps a pattern leaves, which does not match. */
static unsigned left_of(const char *pattern, size_t len, const char *text)
{
    unsigned budget = 1000;

    assert_false(resp_match((struct span){pattern, len},
                            (struct span){text, strlen(text)}, &budget));
    return budget;
}

/* Whatever is passed over in a pattern is paid for. */
static void test_long_patterns_have_a_budget(void **state)
{
    static char class[2000] = "*[";
    char stars[2000];

    (void)state;
    memset(class + 2, 'b', sizeof(class) - 2);
    class[602] = ']';
    assert_int_equal(left_of(class, 603, "a"), 1000 - 2 - 602);
    assert_int_equal(left_of(class, 603, "aa"), 0);
    assert_int_equal(left_of(class, 602, "aa"), 0); /* it has no end */
    class[602] = 'b';
    assert_int_equal(left_of(class, sizeof(class), "a"), 0);
    assert_int_equal(left_of(class + 1, sizeof(class) - 1, "b"), 0);
    memset(stars, '*', sizeof(stars));
    assert_int_equal(left_of(stars, sizeof(stars), ""), 0);
    assert_int_equal(left_of(stars, sizeof(stars), "a"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_in_every_cut),
        cmocka_unit_test(test_long_lines_are_refused),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_patterns_have_a_budget),
        cmocka_unit_test(test_long_patterns_have_a_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
