/* Request targets, hosts and paths: RFC 9112, 3.2; RFC 3986. */
#include "net/http/span.c"
#include "net/http/target.c"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_target target;

/* From memory of exactly that size. */
static int parse(const char *text, bool is_connect)
{
    static char *exact;
    size_t len = strlen(text);

    free(exact);
    exact = malloc(len == 0 ? 1 : len);
    memcpy(exact, text, len);
    memset(&target, 0x5a, sizeof(target));
    return http_target_parse((struct span){exact, len}, is_connect, &target);
}

static void test_target_forms(void **state)
{
    static const struct {
        const char *name, *text;
        int status;
        enum http_form form;
        const char *path, *query;
    } rows[] = {
        {"3.2.1 origin", "/a", 0, HTTP_ORIGIN, "/a", ""},
        {"3.2.1 origin, query", "/a?b=c", 0, HTTP_ORIGIN, "/a", "?b=c"},
        {"3.2.1 empty query", "/a?", 0, HTTP_ORIGIN, "/a", "?"},
        {"3.2.1 two question marks", "/a?b?c", 0, HTTP_ORIGIN, "/a", "?b?c"},
        {"3.2.1 slash in query", "/a?/../b", 0, HTTP_ORIGIN, "/a", "?/../b"},
        {"3.2.1 percent in query", "/a?%", 0, HTTP_ORIGIN, "/a", "?%"},
        {"fragment is ignored", "/a#b", 0, HTTP_ORIGIN, "/a", ""},
        {"fragment behind query", "/a?b#c?d", 0, HTTP_ORIGIN, "/a", "?b"},
        {"fragment with query", "/a#b?c", 0, HTTP_ORIGIN, "/a", ""},
        {"3.2.2 absolute", "http://h/a", 0, HTTP_ABSOLUTE, "/a", ""},
        {"3.2.2 scheme case", "HTTP://h/a", 0, HTTP_ABSOLUTE, "/a", ""},
        {"3.2.2 with port", "http://h:80/a", 0, HTTP_ABSOLUTE, "/a", ""},
        {"3.2.2 without path", "http://h", 0, HTTP_ABSOLUTE, "/", ""},
        {"3.2.2 ends at ?", "http://h?x=/y", 0, HTTP_ABSOLUTE, "/", "?x=/y"},
        {"3.2.2 ends at #", "http://h#/y", 0, HTTP_ABSOLUTE, "/", ""},
        {"3.2.2 only a slash", "http://h/", 0, HTTP_ABSOLUTE, "/", ""},
        {"3.2.2 IPv6", "http://[::1]:8080/a", 0, HTTP_ABSOLUTE, "/a", ""},
        {"4.2.1 empty host", "http:///a", -400, 0, NULL, NULL},
        {"4.2.1 nothing", "http://", -400, 0, NULL, NULL},
        {"4.2.1 port only", "http://:80/", -400, 0, NULL, NULL},
        {"4.2.4 user", "http://u@h/", -400, 0, NULL, NULL},
        {"4.2.4 user, password", "http://u:p@h/", -400, 0, NULL, NULL},
        {"host with blank", "http://a b/", -400, 0, NULL, NULL},
        {"blank in path", "http://a/b c", -400, 0, NULL, NULL},
        {"7.4 https", "https://h/a", -421, 0, NULL, NULL},
        {"7.4 other scheme", "ftp://h/a", -421, 0, NULL, NULL},
        {"7.4 scheme characters", "a+b-1.0://h/", -421, 0, NULL, NULL},
        {"7.4 https without host", "https:///a", -400, 0, NULL, NULL},
        {"no scheme before ://", "://h/a", -400, 0, NULL, NULL},
        {"scheme begins with digit", "1http://h/a", -400, 0, NULL, NULL},
        {"scheme with _", "ht_tp://h/a", -400, 0, NULL, NULL},
        {"scheme ends with _", "http_://h/a", -400, 0, NULL, NULL},
        {"one slash", "http:/h/a", -400, 0, NULL, NULL},
        {"no slash", "http:h", -400, 0, NULL, NULL},
        {"mailto", "mailto:a@b", -400, 0, NULL, NULL},
        {"authority, no CONNECT", "h:80", -400, 0, NULL, NULL},
        {"relative", "a/b", -400, 0, NULL, NULL},
        {"query only", "?a", -400, 0, NULL, NULL},
        {"empty", "", -400, 0, NULL, NULL},
        {"3.2.4 asterisk", "*", 0, HTTP_ASTERISK, NULL, ""},
        {"asterisk and more", "**", -400, 0, NULL, NULL},
        {"asterisk with path", "*/a", -400, 0, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;

        ROW(name, parse(rows[i].text, false) == rows[i].status);
        if (rows[i].status != 0)
            continue;
        ROW(name, target.form == rows[i].form);
        ROW(name, span_is(target.query, rows[i].query));
        if (rows[i].path != NULL)
            ROW(name, strcmp(target.path, rows[i].path) == 0);
    }
}

/* RFC 9112, 3.2.3: CONNECT takes host and port, and nothing else does. */
static void test_target_of_connect(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"h:80", 0},     {"[::1]:443", 0},      {"h", -400},
        {"h:", -400},    {"/", -400},           {"*", -400},
        {"", -400},      {"http://h:80", -400}, {"h:80/", -400},
        {"[::1]", -400}, {"[::1]:", -400},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ROW(rows[i].text, parse(rows[i].text, true) == rows[i].status);
        ROW(rows[i].text,
            rows[i].status != 0 ||
                (target.form == HTTP_AUTHORITY && target.query.len == 0));
    }
}

static void test_hosts(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
    } rows[] = {
        {"h", true},
        {"www.example.org", true},
        {"10.0.2.15", true},
        {"a-b_c~d", true},
        {"!$&'()*+,;=", true},
        {"h:", true},
        {"h:0", true},
        {"h:80", true},
        {"h:65535", true},
        {"h:65536", false},
        {"h:8080808080", false},
        {"h:8o", false},
        {"h:-1", false},
        {"h:80:80", false},
        {"h: 80", false},
        {"", false},
        {":80", false},
        {"%41%6d", true},
        {"%", false},
        {"a%4", false},
        {"a%4g", false},
        {"a%g4", false},
        {"%41", true},
        {"a b", false},
        {"a,b", true},
        {"a\tb", false},
        {"a/b", false},
        {"a?b", false},
        {"a#b", false},
        {"a@b", false},
        {"a\\b", false},
        {"a<b", false},
        {"a\"b", false},
        {"a\x7f", false},
        {"a\x80", false},
        {"http://a", false},
        {"[::1]", true},
        {"[::1]:80", true},
        {"[::1]:", true},
        {"[fe80::Af09:1.2.3.4]", true},
        {"[::1]80", false},
        {"[::1", false},
        {"::1]", false},
        {"[]", false},
        {"[:]", false},
        {"[12]", false},
        {"[::g]", false},
        {"[::1]x", false},
        {"[::1]:x", false},
        {"[::%31]", false},
        {"[", false},
        {"[:80", false},
        {"[g::1]", false},
        {"a/bc", false},
        {"a%", false},
        {"[:80]", false},
        {"[::0]", true},
        {"%00:1", true},
        {"a%0f", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i].text);
        char *exact = malloc(len == 0 ? 1 : len);

        memcpy(exact, rows[i].text, len);
        ROW(rows[i].text, http_host_is_valid((struct span){exact, len},
                                             false) == rows[i].is_valid);
        free(exact);
    }
}

/* Nothing behind a text is looked at. */
static void test_texts_without_a_byte(void **state)
{
    (void)state;
    assert_false(http_host_is_valid((struct span){"[::1]", 0}, false));
    assert_false(http_host_is_valid((struct span){"h", 0}, false));
    assert_int_equal(http_target_parse((struct span){"/a", 0}, false, &target),
                     -400);
    assert_false(is_scheme((struct span){"a", 0}));
}

static void test_target_paths(void **state)
{
    static const struct {
        const char *text;
        const char *path; /* NULL: -400 */
        bool slash;
    } rows[] = {
        {"/", "/", true},
        {"/a/b.txt", "/a/b.txt", false},
        {"/a/", "/a", true},
        {"//a///b//", "/a/b", true},
        {"//", "/", true},
        {"//host/a", "/host/a", false},
        /* RFC 3986, 5.2.4: dot segments */
        {"/.", "/", true},
        {"/./", "/", true},
        {"/a/.", "/a", true},
        {"/a/..", "/", true},
        {"/a/b/..", "/a", true},
        {"/a/../", "/", true},
        {"/./a/./b/.", "/a/b", true},
        {"/a/../b", "/b", false},
        {"/a/b/../../c", "/c", false},
        {"/a/./b", "/a/b", false},
        {"/a/..//b", "/b", false},
        {"/...x/..y", "/...x/..y", false},
        {"/..a", "/..a", false},
        {"/.a", "/.a", false},
        {"/a.", "/a.", false},
        {"/..", NULL, false},
        {"/../a", NULL, false},
        {"/a/../../b", NULL, false},
        {"/a/../..", NULL, false},
        {"/%2e%2e/x", NULL, false},
        {"/a/%2E%2E/x", "/x", false},
        {"/a/.%2e/x", "/x", false},
        {"/%2e", "/", true},
        /* RFC 3986, 2.1: percent encoding */
        {"/a%20b", "/a b", false},
        {"/%41%4a", "/AJ", false},
        {"/%ff", "/\xff", false},
        {"/a%2fb", NULL, false},
        {"/a%2Fb", NULL, false},
        {"/a%00b", NULL, false},
        {"/%01", "/\x01", false},
        {"/a%", NULL, false},
        {"/a%4", NULL, false},
        {"/a%zz", NULL, false},
        {"/a%4z", NULL, false},
        {"/a%z4", NULL, false},
        {"/a%252f", "/a%2f", false},
        {"/%/a", NULL, false},
        {"/%4/a", NULL, false},
        {"/%3fb", "/?b", false},
        {"/%23b", "/#b", false},
        /* characters */
        {"/\x7f", NULL, false},
        {"/\x01", NULL, false},
        {"/a\tb", NULL, false},
        {"/a b", NULL, false},
        {"/a?b c", NULL, false},
        {"/a?b\x7f", NULL, false},
        {"/a?b\x01", NULL, false},
        {"/!", "/!", false},
        {"/~", "/~", false},
        {"/\xc3\xa4", "/\xc3\xa4", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = parse(rows[i].text, false);

        if (rows[i].path == NULL) {
            ROW(rows[i].text, status == -400);
            continue;
        }
        ROW(rows[i].text, status == 0);
        ROW(rows[i].text, strcmp(target.path, rows[i].path) == 0);
        ROW(rows[i].text, target.has_trailing_slash == rows[i].slash);
    }
}

/* A path of every length around the limit: right, or 414. */
static void test_target_long_paths(void **state)
{
    static char text[HTTP_PATH_MAX + 100];

    (void)state;
    for (size_t len = HTTP_PATH_MAX - 10; len < HTTP_PATH_MAX + 10; len++) {
        size_t cut;

        /* One segment. */
        memset(text, 'a', len);
        text[0] = '/';
        text[len] = '\0';
        assert_int_equal(parse(text, false), len < HTTP_PATH_MAX ? 0 : -414);
        assert_true(len >= HTTP_PATH_MAX || strcmp(target.path, text) == 0);
        /* Two, the second of them short, or empty. */
        for (cut = len - 3; cut < len; cut++) {
            text[cut] = '/';
            assert_int_equal(parse(text, false),
                             len - (cut == len - 1) < HTTP_PATH_MAX ? 0 : -414);
            text[cut] = 'a';
        }
        /* Many that vanish. */
        memset(text, '/', len);
        text[len] = '\0';
        assert_int_equal(parse(text, false), 0);
        assert_string_equal(target.path, "/");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target_forms),
        cmocka_unit_test(test_target_of_connect),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_texts_without_a_byte),
        cmocka_unit_test(test_target_paths),
        cmocka_unit_test(test_target_long_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
