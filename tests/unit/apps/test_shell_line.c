/* The shell's line editor, on a terminal that the test plays; how it cuts lines
 * into words; its dates and URLs. */
#include "tests/fakes/cmocka_all.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "apps/shell/date.c"
#include "apps/shell/line.c"
#include "apps/shell/words.c"
#define piece url_piece
#include "apps/shell/url.c"

/* ---- The terminal -------------------------------------------------------- */

enum { ROWS = 3, CELLS = 81 };

/* The row of the cursor, and what was written in all. */
static char row[CELLS * 4 + 1];
static size_t at; /* column */
static char written[100000];
static size_t written_len;
static unsigned bells;

/* Where column `column` begins in the row. */
static size_t place(size_t column)
{
    size_t i = 0;

    while (column > 0 && row[i] != '\0') {
        i++;
        while (((uint8_t)row[i] & 0xc0) == 0x80)
            i++;
        column--;
    }
    return i;
}

static size_t show_character(const char *text)
{
    size_t size = 1, from, old;

    while (((uint8_t)text[size] & 0xc0) == 0x80)
        size++;
    assert_true(at < LINE_COLUMNS + 2); /* with ^C a new row may begin */
    from = place(at);
    old = place(at + 1) - from;
    memmove(row + from + size, row + from + old, strlen(row + from + old) + 1);
    memcpy(row + from, text, size);
    at++;
    return size;
}

/* ESC [ NUMBER LETTER. Returns its length. */
static size_t show_sequence(const char *text)
{
    unsigned number = 1;
    int len = 0;
    char letter;

    assert_int_equal(text[1], '[');
    if (sscanf(text, "\x1b[%u%n", &number, &len) != 1)
        len = 2;
    letter = text[len];
    if (letter == 'K')
        row[place(at)] = '\0';
    else if (letter == 'C')
        at += number;
    else if (letter == 'J')
        row[0] = '\0';
    else if (letter == 'H')
        at = 0;
    else
        fail_msg("a sequence with %c", letter);
    return (size_t)len + 1;
}

static void show(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    assert_true(written_len + len < sizeof(written));
    memcpy(written + written_len, text, len);
    written_len += len;
    written[written_len] = '\0';
    text = written + written_len - len;
    while (*text != '\0') {
        if (*text == '\r') {
            at = 0;
        } else if (*text == '\n') {
            at = 0;
            row[0] = '\0';
        } else if (*text == '\a') {
            bells++;
        } else {
            text +=
                *text == '\x1b' ? show_sequence(text) : show_character(text);
            continue;
        }
        text++;
    }
}

static unsigned candidates;
static const char *completion;
static unsigned listed;

static unsigned complete_with(void *ctx, const char *text, size_t cursor,
                              char *insert_at, size_t size)
{
    (void)ctx;
    assert_true(cursor <= strlen(text));
    snprintf(insert_at, size, "%s", completion);
    return candidates;
}

static void list(void *ctx, const char *text, size_t cursor)
{
    (void)text;
    (void)cursor;
    listed++;
    show(ctx, "one\ntwo\n", 8);
}

static const struct line_ops test_ops = {show, complete_with, list};
static struct line line;

static void begin(void)
{
    row[0] = '\0';
    at = written_len = 0;
    bells = candidates = listed = 0;
    completion = "";
    line_init(&line, &test_ops, NULL);
    line_begin(&line, "> ");
}

static enum line_event keys(const char *text)
{
    enum line_event event = LINE_MORE;

    for (; *text != '\0'; text++) {
        assert_int_equal(event, LINE_MORE);
        event = line_byte(&line, (uint8_t)*text);
        assert_true(line.len < LINE_SIZE && line.cursor <= line.len);
        assert_int_equal(strlen(line.text), line.len);
    }
    return event;
}

/* ---- Keys ---------------------------------------------------------------- */

static const struct {
    const char *keys;
    const char *text; /* then */
    size_t column;    /* of the cursor, behind the prompt */
} key_rows[] = {
    {"abc", "abc", 3},
    {"abc\x1b[D", "abc", 2},
    {"abc\x1b[D\x1b[D\x1b[D\x1b[D", "abc", 0},
    {"abc\x02\x02X", "aXbc", 2},
    {"abc\x01X", "Xabc", 1},
    {"abc\x01\x06X", "aXbc", 2},
    {"abc\x01\x1b[C\x1b[CX", "abXc", 3},
    {"abc\x01\x05X", "abcX", 4},
    {"abc\x1b[HX\x1b[FY", "XabcY", 5},
    {"abc\x1bOHX\x1bOFY", "XabcY", 5},
    {"abc\x1b[1~X\x1b[4~Y", "XabcY", 5},
    {"abc\x1b[7~X\x1b[8~Y", "XabcY", 5},
    {"abc\x1b[C", "abc", 3},
    {"abc\x7f", "ab", 2},
    {"abc\x08\x08\x08\x08", "", 0},
    {"abc\x01\x04", "bc", 0},
    {"abc\x01\x1b[3~\x1b[3~", "c", 0},
    {"abc\x04", "abc", 3},
    {"abc def\x17", "abc ", 4},
    {"abc def  \x17", "abc ", 4},
    {"abc\x17\x17", "", 0},
    {"abc def\x02\x17", "abc f", 4},
    {"abcdef\x02\x02\x0b", "abcd", 4},
    {"abcdef\x02\x02\x15", "ef", 0},
    {"abc\x1b[5~\x1b[Z\x1b[1;5C", "abc", 3},
    {"abc\x1bx\x1b\x1b[DY\x1b\x7f", "abcx", 3}, /* ESC alone is no key */
    {"abc\x1b[1;2;3;4;5;6;7;8~d", "abcd", 4},
    {"abc\x1b[12~\x1b[20~d", "abcd", 4},
    {"abc\x1b[12345678901234567890Rd", "abcd", 4},
    {"abc\x1bO5d", "abcd", 4},
    {"a\x0c", "a", 1},
    {"a\x18\x19\x1a\x1c\x12", "a", 1},
    /* UTF-8: of 2, 3 and 4 bytes */
    {"g\xc3\xbcn", "g\xc3\xbcn", 3},
    {"g\xc3\xbcn\x02\x02X", "gX\xc3\xbcn", 2},
    {"g\xc3\xbcn\x02\x7f", "gn", 1},
    {"\xe2\x82\xac\xf0\x9f\x90\xa7", "\xe2\x82\xac\xf0\x9f\x90\xa7", 2},
    {"\xe2\x82\xac\xf0\x9f\x90\xa7\x7f", "\xe2\x82\xac", 1},
    {"\xe2\x82\xac\x01\x04", "", 0},
    /* and what is none */
    {"a\x80\xff\xc0\xc1\xf5\xbf", "a", 1},
    {"a\xc3z", "az", 2},
    {"a\xe2\x82z", "az", 2},
    {"a\xe0\x9f\xbf\xed\xa0\x80\xf0\x8f\xbf\xbf\xf4\x90\x80\x80", "a", 1},
    {"\xe0\xa0\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf",
     "\xe0\xa0\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf", 3},
    {"a\xc3\xc3\xbc", "a\xc3\xbc", 2},
};

static void test_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++) {
        char want[200];

        begin();
        assert_int_equal(keys(key_rows[i].keys), LINE_MORE);
        snprintf(want, sizeof(want), "> %s", key_rows[i].text);
        if (strcmp(line.text, key_rows[i].text) != 0 || strcmp(row, want) != 0)
            fail_msg("row %u: \"%s\" is shown as \"%s\"", i, line.text, row);
        if (at != key_rows[i].column + 2)
            fail_msg("row %u: the cursor is in column %zu", i, at);
    }
}

static void test_the_end_of_a_line(void **state)
{
    (void)state;
    begin();
    assert_int_equal(keys("one\r"), LINE_DONE);
    assert_string_equal(line.text, "one");
    line_begin(&line, "> ");
    assert_int_equal(keys("\n"), LINE_MORE); /* of the same key */
    assert_int_equal(keys("two\n"), LINE_DONE);
    assert_string_equal(line.text, "two");
    line_begin(&line, "> ");
    assert_int_equal(keys("\n"), LINE_DONE);
    assert_string_equal(line.text, "");
    line_begin(&line, "> ");
    assert_int_equal(keys("three\x03"), LINE_DROPPED);
    line_begin(&line, "> ");
    assert_int_equal(keys("\x04"), LINE_END);
    line_begin(&line, "> ");
    assert_int_equal(keys("a\xc3\r"), LINE_DONE); /* half of a character */
    assert_string_equal(line.text, "a");
}

static void test_without_a_prompt(void **state)
{
    (void)state;
    begin();
    line_begin(&line, "");
    row[0] = '\0';
    at = 0;
    assert_int_equal(keys("abc\x01X"), LINE_MORE);
    assert_string_equal(row, "Xabc");
    assert_int_equal(at, 1);
    keys("\x01");
    assert_int_equal(at, 0);
    line_begin(&line, "a prompt that is so long that it must be cut off");
    assert_int_equal(strlen(line.prompt), LINE_PROMPT - 1);
}

/* A line that is longer than a row shows the part with the cursor. */
static void test_a_long_line_scrolls(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 100; i++) {
        char text[2] = {(char)('a' + i % 26), '\0'};

        keys(text);
        assert_true(at < LINE_COLUMNS);
        assert_int_equal(row[at - 1], text[0]);
    }
    assert_int_equal(strlen(row), LINE_COLUMNS - 1);
    keys("\x01");
    assert_memory_equal(row, "> abcdef", 8);
    assert_int_equal(at, 2);
    keys("\x05");
    assert_int_equal(at, LINE_COLUMNS - 1);
    keys("\x01\xc3\xbc");
    assert_memory_equal(row,
                        "> \xc3\xbc"
                        "abc",
                        7);
    keys("\x05\x15");
    assert_string_equal(row, "> ");
}

static void test_a_full_line_takes_no_more(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < LINE_SIZE - 2; i++)
        keys("x");
    assert_int_equal(bells, 0);
    keys("\xc3\xbc"); /* has no room */
    assert_int_equal(bells, 1);
    assert_int_equal(line.len, LINE_SIZE - 2);
    keys("y");
    assert_int_equal(bells, 1);
    keys("z");
    assert_int_equal(bells, 2);
    assert_int_equal(line.len, LINE_SIZE - 1);
    assert_int_equal(keys("\r"), LINE_DONE);
    line_begin(&line, "> ");
    keys("\x1b[A");
    assert_int_equal(line.len, LINE_SIZE - 1);
}

static void test_history(void **state)
{
    (void)state;
    begin();
    keys("\x10\x0e"); /* there is none */
    assert_string_equal(row, "> ");
    for (unsigned i = 0; i < 3; i++) {
        char text[10];

        snprintf(text, sizeof(text), "line%u\r", i);
        keys(text);
        line_begin(&line, "> ");
    }
    keys("\r"); /* an empty one is not kept, */
    line_begin(&line, "> ");
    keys("line2\r"); /* nor the same twice */
    line_begin(&line, "> ");
    assert_int_equal(line.history_count, 3);
    keys("new\x1b[A");
    assert_string_equal(row, "> line2");
    keys("\x10\x1b[A\x1b[A");
    assert_string_equal(row, "> line0");
    keys("+"); /* a copy is changed */
    assert_string_equal(line.text, "line0+");
    keys("\x1b[B");
    assert_string_equal(row, "> line1");
    keys("\x0e\x0e\x0e");
    assert_string_equal(row, "> new");
    assert_int_equal(at, 5);
    keys("\x1b[A\x1b[A\r"); /* line1, again */
    line_begin(&line, "> ");
    keys("\x1b[A"); /* the next line begins with the newest */
    assert_string_equal(row, "> line1");
    keys("\x1b[A");
    assert_string_equal(row, "> line2");
}

static void test_history_forgets(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 2 * LINE_HISTORY; i++) {
        char text[10];

        snprintf(text, sizeof(text), "%u\r", i);
        keys(text);
        line_begin(&line, "> ");
    }
    for (unsigned i = 0; i < 2 * LINE_HISTORY; i++)
        keys("\x1b[A");
    assert_string_equal(row, "> 32");
}

static void test_completion(void **state)
{
    static const struct line_ops none = {.write = show};

    (void)state;
    begin();
    keys("\t");
    assert_int_equal(bells, 1);
    keys("\t");
    assert_int_equal(bells, 2); /* nothing to list */
    candidates = 2;
    completion = "pq";
    keys("o\t");
    assert_string_equal(row, "> opq");
    completion = "";
    keys("\t");
    assert_int_equal(bells, 3);
    assert_int_equal(listed, 0);
    keys("\t");
    assert_int_equal(listed, 1);
    assert_string_equal(row, "> opq");
    assert_int_equal(at, 5);
    keys("\t"); /* and again from the begin */
    assert_int_equal(listed, 1);
    keys("x\t");
    assert_int_equal(listed, 1);
    line.ops = &none;
    keys("\t");
    assert_int_equal(bells, 5);
}

/* Whatever comes: no breach, and the cursor is where it is shown. */
static void test_any_bytes(void **state)
{
    uint32_t seed = 1;

    (void)state;
    begin();
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t byte;

        seed = seed * 1664525 + 1013904223;
        byte = (uint8_t)(seed >> 24);
        if (seed >> 20 & 1)
            byte = (uint8_t) "\x1b[ACD3~\t\x01\x05 \xc3\xbc\x7fx"[byte % 16];
        if (line_byte(&line, byte) != LINE_MORE)
            line_begin(&line, "> ");
        assert_true(line.len < LINE_SIZE && line.cursor <= line.len);
        assert_false(utf8_goes_on((uint8_t)line.text[line.cursor]));
        written_len = 0;
    }
}

/* ---- Words --------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *words;  /* with | between, ; behind each command */
    const char *target; /* of the last one */
    int status;
} word_rows[] = {
    {"", ";", NULL, 0},
    {"   \t ", ";", NULL, 0},
    {"ls", "ls;", NULL, 0},
    {"  ls  -l\t/a ", "ls|-l|/a;", NULL, 0},
    {"echo 'a b' \"c d\" e\\ f", "echo|a b|c d|e f;", NULL, 0},
    {"a'b'\"c\"d", "abcd;", NULL, 0},
    {"''", ";", NULL, 0},
    {"'' x", "|x;", NULL, 0},
    {"'a\\b' \"a\\\"b\\\\c\"", "a\\b|a\"b\\c;", NULL, 0},
    {"\\#a a#b #c d", "#a|a#b;", NULL, 0},
    {"a;b c ; d", "a;b|c;d;", NULL, 0},
    {";;", ";;;", NULL, 0},
    {"a; # b", "a;;", NULL, 0},
    {"echo a > f", "echo|a;", "f", 0},
    {"echo a>f b", "echo|a|b;", "f", 0},
    {"echo a >> f", "echo|a;", "+f", 0},
    {"> f", ";", "f", 0},
    {"> 'a b'; ls", ";ls;", NULL, 0},
    {"echo '>' \\> \\;", "echo|>|>|;;", NULL, 0},
    {"'", NULL, NULL, -EINVAL},
    {"\"a", NULL, NULL, -EINVAL},
    {"\"a\\", NULL, NULL, -EINVAL},
    {"a\\", NULL, NULL, -EINVAL},
    {"a >", NULL, NULL, -EINVAL},
    {"a > ;", NULL, NULL, -EINVAL},
    {"a > 'b", NULL, NULL, -EINVAL},
    {"a > b > c", NULL, NULL, -EINVAL},
    {"a >>> b", NULL, NULL, -EINVAL},
};

static void test_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(word_rows) / sizeof(word_rows[0]); i++) {
        char text[100], got[100] = "", target[20] = "";
        char *from = text;
        struct words words = {.count = 0};
        int status = 0;

        strcpy(text, word_rows[i].text);
        while (from != NULL && status == 0) {
            status = words_cut(&from, &words);
            for (int j = 0; j < words.count && status == 0; j++) {
                strcat(got, j > 0 ? "|" : "");
                strcat(got, words.word[j]);
            }
            strcat(got, ";");
            assert_true(status != 0 || words.word[words.count] == NULL);
        }
        ROW(word_rows[i].text, status == word_rows[i].status);
        if (status != 0)
            continue;
        ROW(word_rows[i].text, strcmp(got, word_rows[i].words) == 0);
        if (words.target != NULL)
            snprintf(target, sizeof(target), "%s%s", words.appends ? "+" : "",
                     words.target);
        ROW(word_rows[i].text, word_rows[i].target == NULL
                                   ? words.target == NULL
                                   : strcmp(target, word_rows[i].target) == 0);
    }
}

static void test_too_many_words(void **state)
{
    char text[200] = "";
    char *from = text;
    struct words words;

    (void)state;
    for (unsigned i = 0; i < WORDS_MAX; i++)
        strcat(text, "a ");
    assert_int_equal(words_cut(&from, &words), 0);
    assert_int_equal(words.count, WORDS_MAX);
    text[0] = '\0';
    for (unsigned i = 0; i < WORDS_MAX + 1; i++)
        strcat(text, "a ");
    from = text;
    assert_int_equal(words_cut(&from, &words), -E2BIG);
}

/* ---- Dates, URLs --------------------------------------------------------- */

static const struct {
    int64_t seconds;
    const char *text; /* by date -u -d @SECONDS */
} dates[] = {
    {0, "1970-01-01 00:00:00"},
    {-1, "1969-12-31 23:59:59"},
    {951782400, "2000-02-29 00:00:00"},
    {951868800, "2000-03-01 00:00:00"},
    {1709164800, "2024-02-29 00:00:00"},
    {1796110200, "2026-12-01 07:30:00"},
    {4107542399, "2100-02-28 23:59:59"},
    {4107542400, "2100-03-01 00:00:00"},
    {253402300799, "9999-12-31 23:59:59"},
    {253402300800, "253402300800"},
    {-62167219200, "0000-01-01 00:00:00"},
    {-62162035201, "0000-02-29 23:59:59"},
    {-62167219201, "-62167219201"},
    {INT64_MIN, "-9223372036854775808"},
};

static void test_dates(void **state)
{
    char text[DATE_SIZE];

    (void)state;
    for (unsigned i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        date_format(text, dates[i].seconds);
        assert_string_equal(text, dates[i].text);
    }
}

static const struct {
    const char *text, *host, *name, *target; /* NULL: no URL */
    unsigned port;
} urls[] = {
    {"http://a", "a", "a", "/", 80},
    {"http://a/", "a", "a", "/", 80},
    {"http://a.b:8080/c?d", "a.b:8080", "a.b", "/c?d", 8080},
    {"http://[2001:db8::1]/x", "[2001:db8::1]", "2001:db8::1", "/x", 80},
    {"http://[::1]:81", "[::1]:81", "::1", "/", 81},
    {"http://a:65535", "a:65535", "a", "/", 65535},
    {"https://a", NULL, NULL, NULL, 0},
    {"http://", NULL, NULL, NULL, 0},
    {"http:///a", NULL, NULL, NULL, 0},
    {"http://a?b", NULL, NULL, NULL, 0},
    {"http://:80/", NULL, NULL, NULL, 0},
    {"http://a:", NULL, NULL, NULL, 0},
    {"http://a:0", NULL, NULL, NULL, 0},
    {"http://a:65536", NULL, NULL, NULL, 0},
    {"http://a:x", NULL, NULL, NULL, 0},
    {"http://[::1", NULL, NULL, NULL, 0},
    {"http://[]", NULL, NULL, NULL, 0},
    {"http://[::1]x", NULL, NULL, NULL, 0},
};

static void test_urls(void **state)
{
    char text[400] = "http://";
    struct url url;

    (void)state;
    for (unsigned i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        int status = url_parse(urls[i].text, &url);

        ROW(urls[i].text, status == (urls[i].host == NULL ? -EINVAL : 0));
        if (status != 0)
            continue;
        ROW(urls[i].text, strcmp(url.host, urls[i].host) == 0);
        ROW(urls[i].text, strcmp(url.name, urls[i].name) == 0);
        ROW(urls[i].text, strcmp(url.target, urls[i].target) == 0);
        ROW(urls[i].text, url.port == urls[i].port);
    }
    memset(text + 7, 'a', 254);
    assert_int_equal(url_parse(text, &url), -EINVAL); /* no name is so long */
    memset(text + 7, 'a', 300);
    assert_int_equal(url_parse(text, &url), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_the_end_of_a_line),
        cmocka_unit_test(test_without_a_prompt),
        cmocka_unit_test(test_a_long_line_scrolls),
        cmocka_unit_test(test_a_full_line_takes_no_more),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_forgets),
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_too_many_words),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
