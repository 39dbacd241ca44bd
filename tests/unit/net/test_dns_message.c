/* The messages of DNS: RFC 1035, 2308, 3596, 6891. */
#include "net/dns/message.h"
#include "tests/fakes/dns_make.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { ID = 0x1234 };

static struct dns_answer answer;
static struct dns_name www;

static void begin_as(unsigned flags, const char *name, unsigned type)
{
    dns_begin(ID, flags, name, type);
}

static void begin(void)
{
    begin_as(0x8180, "www.example.com", DNS_A);
}

static int parse_as(const struct dns_name *name, unsigned type)
{
    /* Exactly as long: an access behind it is seen. */
    uint8_t *exact = malloc(dns_message_len + 1);
    int result;

    memcpy(exact + 1, dns_message, dns_message_len);
    memset(&answer, 0xee, sizeof(answer));
    result = dns_answer_parse(exact + 1, dns_message_len, ID, name,
                              (uint16_t)type, &answer);
    free(exact);
    return result;
}

static int parse(void)
{
    return parse_as(&www, DNS_A);
}

static void expect(enum dns_meaning meaning, uint32_t ttl_s)
{
    assert_int_equal(parse(), 0);
    assert_int_equal(answer.meaning, meaning);
    assert_int_equal(answer.ttl_s, ttl_s);
}

static struct dns_name name_of(const char *text)
{
    struct dns_name name;

    assert_int_equal(dns_name_parse(text, &name), 0);
    return name;
}

static int setup(void **state)
{
    (void)state;
    www = name_of("www.example.com");
    return 0;
}

/* ---- Names --------------------------------------------------------------- */

#define L62 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgg"
#define L63 L62 "h"

static void test_names_are_read_from_text(void **state)
{
    static const struct {
        const char *text;
        const char *wire; /* NULL: an error */
        int error;
    } rows[] = {
        {"a", "\1a", 0},
        {"a.", "\1a", 0},
        {"Www.Example.COM", "\3www\7example\3com", 0},
        {"a-b_c.0",
         "\5a-b_c\1"
         "0",
         0},
        {L63, "\x3f" L63, 0},
        {"", NULL, -EINVAL},
        {".", NULL, -EINVAL},
        {".a", NULL, -EINVAL},
        {"a..b", NULL, -EINVAL},
        {"a b", NULL, -EINVAL},
        {"a/b", NULL, -EINVAL},
        {"\xc3\xa4.de", NULL, -EINVAL},
        {"a\n", NULL, -EINVAL},
        {L63 "i", NULL, -ENAMETOOLONG},
        {L63 "." L63 "." L63 "." L62, NULL, -ENAMETOOLONG},
    };
    struct dns_name name;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int error = dns_name_parse(rows[i].text, &name);

        if (error != rows[i].error)
            fail_msg("\"%s\": %d", rows[i].text, error);
        if (error != 0)
            continue;
        assert_int_equal(name.len, strlen(rows[i].wire) + 1);
        assert_memory_equal(name.byte, rows[i].wire, name.len);
    }
}

/* 253 characters are 255 bytes. */
static void test_the_longest_name(void **state)
{
    char text[DNS_TEXT_SIZE], back[DNS_TEXT_SIZE];
    struct dns_name name;

    (void)state;
    strcpy(text, L63 "." L63 "." L63 ".");
    memset(text + 192, 'y', 61);
    text[253] = '\0';
    assert_int_equal(dns_name_parse(text, &name), 0);
    assert_int_equal(name.len, 255);
    assert_int_equal(dns_name_format(&name, back), 0);
    assert_string_equal(back, text);
}

static void test_names_that_are_no_text(void **state)
{
    struct dns_name name = {.len = 1};
    char text[DNS_TEXT_SIZE];

    (void)state;
    assert_int_equal(dns_name_format(&name, text), -EINVAL);
    name = name_of("ab.c");
    assert_int_equal(dns_name_format(&name, text), 0);
    assert_string_equal(text, "ab.c");
    name.byte[1] = '.';
    assert_int_equal(dns_name_format(&name, text), -EINVAL);
    name.byte[1] = '\0';
    assert_int_equal(dns_name_format(&name, text), -EINVAL);
    name.byte[1] = 'A';
    assert_int_equal(dns_name_format(&name, text), -EINVAL);
}

static void test_a_name_in_a_domain(void **state)
{
    static const struct {
        const char *name, *suffix;
        bool is_in;
    } rows[] = {
        {"localhost", "localhost", true},
        {"a.localhost", "localhost", true},
        {"a.b.localhost", "localhost", true},
        {"alocalhost", "localhost", false},
        {"localhost.a", "localhost", false},
        {"host", "localhost", false},
        {"a.b", "c.a.b", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dns_name name = name_of(rows[i].name);
        struct dns_name suffix = name_of(rows[i].suffix);

        if (dns_name_in(&name, &suffix) != rows[i].is_in)
            fail_msg("%s in %s", rows[i].name, rows[i].suffix);
    }
}

static void test_names_of_addresses(void **state)
{
    struct net_addr addr = addr_of_ip4(0xc0a80a00);
    struct net_addr six = {.byte = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x5f}};
    struct dns_name name;
    char text[DNS_TEXT_SIZE];

    (void)state;
    dns_name_of_addr(&addr, &name);
    assert_int_equal(dns_name_format(&name, text), 0);
    assert_string_equal(text, "0.10.168.192.in-addr.arpa");
    addr = addr_of_ip4(0xc6646309);
    dns_name_of_addr(&addr, &name);
    assert_int_equal(dns_name_format(&name, text), 0);
    assert_string_equal(text, "9.99.100.198.in-addr.arpa");
    dns_name_of_addr(&six, &name);
    assert_int_equal(dns_name_format(&name, text), 0);
    assert_string_equal(text, "f.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                              "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

/* ---- Questions ----------------------------------------------------------- */

static void test_a_question(void **state)
{
    static const char want[] = "\x12\x34\1\0\0\1\0\0\0\0\0\1"
                               "\3www\7example\3com\0\0\x1c\0\1"
                               "\0\0\x29\4\xd0\0\0\0\0\0\0";
    uint8_t buf[DNS_QUERY_MAX];
    struct dns_name longest = {.len = DNS_NAME_MAX};
    size_t len;

    (void)state;
    memset(buf, 0xee, sizeof(buf));
    len = dns_query_emit(buf, ID, &www, DNS_AAAA, true);
    assert_int_equal(len, sizeof(want) - 1);
    assert_memory_equal(buf, want, len);
    len = dns_query_emit(buf, ID, &www, DNS_AAAA, false);
    assert_int_equal(len, sizeof(want) - 1 - 11);
    assert_memory_equal(buf, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
    assert_int_equal(dns_query_emit(buf, ID, &longest, DNS_A, true),
                     sizeof(buf));
}

/* ---- Answers ------------------------------------------------------------- */

static void test_addresses_are_found(void **state)
{
    (void)state;
    begin();
    dns_record_a(">", 300, 0x01020304);
    dns_record_a("wWw.exAmple.com", 200, 0x01020305);
    dns_record_a("other.example.com", 1, 0x01020306);
    dns_record(DNS_ADDITIONAL, "", DNS_OPT, 0);
    dns_put16(0);
    expect(DNS_FOUND, 200);
    assert_int_equal(answer.addr_count, 2);
    assert_true(addr_is_ip4(&answer.addr[0]));
    assert_int_equal(addr_ip4(&answer.addr[0]), 0x01020304);
    assert_int_equal(addr_ip4(&answer.addr[1]), 0x01020305);
}

static void test_addresses_of_ip6(void **state)
{
    (void)state;
    begin_as(0x8180, "www.example.com", DNS_AAAA);
    dns_record_a(">", 300, 0x01020304); /* not asked for */
    dns_record(DNS_ANSWER, ">", DNS_AAAA, 60);
    dns_put16(16);
    dns_put32(0x20010db8);
    dns_put32(0);
    dns_put32(0);
    dns_put32(7);
    assert_int_equal(parse_as(&www, DNS_AAAA), 0);
    assert_int_equal(answer.meaning, DNS_FOUND);
    assert_int_equal(answer.ttl_s, 60);
    assert_int_equal(answer.addr_count, 1);
    assert_memory_equal(answer.addr[0].byte,
                        "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16);
}

static void test_more_addresses_than_room(void **state)
{
    (void)state;
    begin();
    for (uint32_t i = 0; i < DNS_ADDRS_MAX + 3; i++)
        dns_record_a(">", 300 - i, i);
    expect(DNS_FOUND, 300 - DNS_ADDRS_MAX - 2);
    assert_int_equal(answer.addr_count, DNS_ADDRS_MAX);
}

static void test_times_are_limited(void **state)
{
    static const struct {
        uint32_t ttl, want;
    } rows[] = {{86400, 86400},  {86401, 86400},  {0x7fffffff, 86400},
                {0x80000000, 0}, {0xffffffff, 0}, {0, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        dns_record_a(">", rows[i].ttl, 1);
        expect(DNS_FOUND, rows[i].want);
    }
}

static void test_aliases_are_followed(void **state)
{
    (void)state;
    /* In the wrong order, and with one that is not on the way. */
    begin();
    dns_record_a("c.net", 90, 0x01020304);
    dns_record_name(DNS_ANSWER, "b.org", DNS_CNAME, 80, "c.net");
    dns_record_name(DNS_ANSWER, "x.org", DNS_CNAME, 10, "y.net");
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    expect(DNS_FOUND, 80);
    assert_int_equal(answer.addr_count, 1);
    assert_int_equal(addr_ip4(&answer.addr[0]), 0x01020304);
    /* An address of the alias itself is none of its target. */
    begin();
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    dns_record_a(">", 90, 0x01020304);
    expect(DNS_ALIAS, 100);
}

static void test_an_alias_alone_is_told(void **state)
{
    struct dns_name want = name_of("c.net");

    (void)state;
    begin();
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    dns_record_name(DNS_ANSWER, "b.org", DNS_CNAME, 50, "c.net");
    expect(DNS_ALIAS, 50);
    assert_true(dns_name_equal(&answer.name, &want));
}

static void test_aliases_that_go_round_or_are_many(void **state)
{
    char from[10], to[10];

    (void)state;
    begin();
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    dns_record_name(DNS_ANSWER, "b.org", DNS_CNAME, 100, "www.example.com");
    assert_int_equal(parse(), -EPROTO);
    begin();
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "www.example.com");
    assert_int_equal(parse(), -EPROTO);
    for (unsigned count = DNS_CHAIN_MAX; count <= DNS_CHAIN_MAX + 1; count++) {
        begin();
        dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "a1.org");
        for (unsigned i = 1; i < count; i++) {
            snprintf(from, sizeof(from), "a%u.org", i);
            snprintf(to, sizeof(to), "a%u.org", i + 1);
            dns_record_name(DNS_ANSWER, from, DNS_CNAME, 100, to);
        }
        snprintf(to, sizeof(to), "a%u.org", count);
        dns_record_a(to, 100, 7);
        assert_int_equal(parse(), count == DNS_CHAIN_MAX ? 0 : -EPROTO);
    }
}

static void test_a_name_of_an_address(void **state)
{
    struct dns_name asked = name_of("1.0.0.10.in-addr.arpa");
    struct dns_name want = name_of("host.lan");

    (void)state;
    begin_as(0x8180, "1.0.0.10.in-addr.arpa", DNS_PTR);
    dns_record_name(DNS_ANSWER, ">", DNS_PTR, 100, "host.lan");
    dns_record_name(DNS_ANSWER, ">", DNS_PTR, 50, "second.lan");
    assert_int_equal(parse_as(&asked, DNS_PTR), 0);
    assert_int_equal(answer.meaning, DNS_FOUND);
    assert_int_equal(answer.ttl_s, 100);
    assert_true(dns_name_equal(&answer.name, &want));
}

/* RFC 2308. */
static void test_what_is_not_there(void **state)
{
    (void)state;
    begin_as(0x8183, "www.example.com", DNS_A);
    dns_record_soa(500, 300);
    expect(DNS_NO_NAME, 300);
    begin_as(0x8183, "www.example.com", DNS_A);
    dns_record_soa(200, 300);
    expect(DNS_NO_NAME, 200);
    begin_as(0x8183, "www.example.com", DNS_A);
    dns_record_soa(100000, 100000);
    expect(DNS_NO_NAME, DNS_NEGATIVE_TTL_MAX);
    begin_as(0x8183, "www.example.com", DNS_A);
    expect(DNS_NO_NAME, 0);
    for (uint16_t len = 3; len <= 4; len++) { /* as short as its last field */
        begin_as(0x8183, "www.example.com", DNS_A);
        dns_record(DNS_AUTHORITY, "example.com", DNS_SOA, 500);
        dns_put16(len);
        for (unsigned i = 1; i <= len; i++)
            dns_put8(i == len);
        expect(DNS_NO_NAME, len == 4 ? 1 : 0);
    }
    begin();
    dns_record_soa(500, 300);
    expect(DNS_NO_RECORD, 300);
    begin();
    expect(DNS_NO_RECORD, 0);
    /* The target of an alias has no such record: not longer than the alias. */
    begin();
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    dns_record_soa(500, 300);
    expect(DNS_NO_RECORD, 100);
    /* The target is not there. */
    begin_as(0x8183, "www.example.com", DNS_A);
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    dns_record_soa(500, 300);
    expect(DNS_NO_NAME, 100);
    /* A referral to other servers. */
    begin();
    dns_record_name(DNS_AUTHORITY, "com", DNS_A + 1, 100, "ns.com");
    expect(DNS_NO_HELP, 0);
}

static void test_servers_that_do_not_help(void **state)
{
    static const struct {
        unsigned flags;
        enum dns_meaning want;
    } rows[] = {
        {0x8181, DNS_NO_EDNS},   {0x8182, DNS_NO_HELP}, {0x8184, DNS_NO_EDNS},
        {0x8185, DNS_NO_HELP},   {0x818f, DNS_NO_HELP}, {0x8380, DNS_TRUNCATED},
        {0x8382, DNS_TRUNCATED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_as(rows[i].flags, "www.example.com", DNS_A);
        dns_record_a(">", 300, 1);
        expect(rows[i].want, 0);
        assert_int_equal(answer.addr_count, 0);
    }
    /* Only the header comes back. */
    begin_as(0x8181, "www.example.com", DNS_A);
    dns_message[5] = 0;
    dns_message_len = 12;
    expect(DNS_NO_EDNS, 0);
    dns_message[3] = 0x82;
    assert_int_equal(parse(), -ENOENT);
}

static void test_answers_to_something_else(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"another id", 0, 0x13},         {"another id's end", 1, 0x35},
        {"a question", 2, 0x01},         {"another opcode", 2, 0x89},
        {"no question", 5, 0},           {"two questions", 5, 2},
        {"256 questions and one", 4, 1}, {"another name", 13, 'x'},
        {"another type", 30, 28},        {"another class", 32, 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        dns_record_a(">", 300, 1);
        expect(DNS_FOUND, 300);
        dns_message[rows[i].at] = rows[i].value;
        if (parse() != -ENOENT)
            fail_msg("%s", rows[i].what);
    }
    begin_as(0x8180, "www.example.com.org", DNS_A);
    assert_int_equal(parse(), -ENOENT);
    begin_as(0x8180, "www.example", DNS_A);
    assert_int_equal(parse(), -ENOENT);
    for (dns_message_len = 0; dns_message_len < 12; dns_message_len++)
        assert_int_equal(parse(), -ENOENT);
}

/* Of every dns_message that is cut. */
static void test_no_part_of_an_answer_is_one(void **state)
{
    size_t whole, question;

    (void)state;
    begin();
    question = dns_message_len;
    dns_record_name(DNS_ANSWER, ">", DNS_CNAME, 100, "b.org");
    dns_record_a("b.org", 300, 1);
    dns_record_soa(100, 100);
    dns_record(DNS_ADDITIONAL, "", DNS_OPT, 0);
    dns_put16(0);
    expect(DNS_FOUND, 100);
    whole = dns_message_len;
    for (dns_message_len = 12; dns_message_len < whole; dns_message_len++)
        assert_int_equal(parse(),
                         dns_message_len < question ? -ENOENT : -EPROTO);
}

/* Records are read whose names are these bytes at 33 (www.example.com is at 12,
 * its end at 28). */
static void test_bad_names_are_refused(void **state)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        int want;
    } rows[] = {
        {"a pointer", "\xc0\x0c", 2, 0},
        {"a pointer to the root", "\xc0\x1c", 2, 0},
        {"a label and a pointer", "\1a\xc0\x0c", 4, 0},
        {"a pointer to itself", "\xc0\x21", 2, -EPROTO},
        {"a pointer forwards", "\xc0\x25", 2, -EPROTO},
        {"a pointer into itself", "\1a\xc0\x21", 4, -EPROTO},
        {"a pointer behind the end", "\xff\xff", 2, -EPROTO},
        {"a pointer into the header", "\xc0\0", 2, -EPROTO},
        {"a label type of old", "\x41\0", 2, -EPROTO},
        {"another label type", "\x80\0", 2, -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        assert_int_equal(dns_message_len, 33);
        memcpy(dns_message + dns_message_len, rows[i].bytes, rows[i].len);
        dns_message_len += rows[i].len;
        dns_message[DNS_ANSWER + 1] = 1;
        dns_put16(DNS_A);
        dns_put16(1);
        dns_put32(100);
        dns_put16(4);
        dns_put32(1);
        if (parse() != rows[i].want)
            fail_msg("%s", rows[i].what);
    }
}

/* A chain of pointers, each to the one before, ends with the question; the name
 * of an answer leads to it by `jumps` of them. */
static void put_chain(unsigned jumps)
{
    begin();
    dns_record(DNS_ANSWER, "x", 99, 0);
    dns_put16(2 * (jumps - 1));
    dns_put16(0xc00c);
    for (unsigned i = 1; i < jumps - 1; i++)
        dns_put16(0xc000 | (unsigned)(dns_message_len - 2));
    dns_record(DNS_ANSWER, "", DNS_A, 77);
    dns_message_len -= 9; /* instead of the root */
    dns_put16(0xc000 | (unsigned)(dns_message_len - 2));
    dns_put16(DNS_A);
    dns_put16(1);
    dns_put32(77);
    dns_put16(4);
    dns_put32(1);
}

/* Else an answer of 64 KiB could keep the CPU for seconds. */
static void test_chains_of_pointers_are_bounded(void **state)
{
    (void)state;
    put_chain(31);
    expect(DNS_FOUND, 77);
    put_chain(127);
    expect(DNS_FOUND, 77);
    put_chain(128);
    assert_int_equal(parse(), -EPROTO);
    put_chain(8000);
    assert_int_equal(parse(), -EPROTO);
}

/* Labels of 63 and pointers make a name of more than 255 bytes. */
static void test_names_that_become_too_long(void **state)
{
    unsigned at[6];

    (void)state;
    for (unsigned labels = 3; labels <= 4; labels++) {
        begin();
        for (unsigned i = 0; i < labels; i++) {
            at[i] = (unsigned)dns_message_len;
            dns_record(DNS_ANSWER, i == 0 ? L63 : L63 ">", 99, 0);
            if (i > 0) {
                /* dns_put_name() has pointed to 12. */
                dns_message[at[i] + 64] = (uint8_t)(0xc0 | at[i - 1] >> 8);
                dns_message[at[i] + 65] = (uint8_t)at[i - 1];
            }
            dns_put16(0);
        }
        assert_int_equal(parse(), labels == 3 ? 0 : -EPROTO);
    }
}

static void test_bad_data_are_refused(void **state)
{
    (void)state;
    begin();
    dns_record(DNS_ANSWER, ">", DNS_A, 1);
    dns_put16(3);
    dns_put16(1);
    dns_put8(1);
    assert_int_equal(parse(), -EPROTO);
    begin_as(0x8180, "www.example.com", DNS_AAAA);
    dns_record(DNS_ANSWER, ">", DNS_AAAA, 1);
    dns_put16(4);
    dns_put32(1);
    assert_int_equal(parse_as(&www, DNS_AAAA), -EPROTO);
    /* An alias whose name is shorter, or longer, than its data. */
    begin();
    dns_record(DNS_ANSWER, ">", DNS_CNAME, 1);
    dns_put16(4);
    dns_put_name("a", 0);
    dns_put8(0);
    assert_int_equal(parse(), -EPROTO);
    begin();
    dns_record(DNS_ANSWER, ">", DNS_CNAME, 1);
    dns_put16(2);
    dns_put_name("a", 0);
    dns_record_a("b", 1, 1);
    assert_int_equal(parse(), -EPROTO);
    /* Another class is another record. */
    begin();
    dns_record_a(">", 300, 1);
    dns_message[dns_message_len - 11] = 3;
    expect(DNS_NO_RECORD, 0);
}

/* As large as TCP allows, each record looked at for each alias. */
static void test_the_largest_answer_is_parsed_soon(void **state)
{
    (void)state;
    begin();
    while (dns_message_len < 65000) {
        dns_record_a("z", 1, 1);
        dns_message[DNS_ANSWER + 1] = 0; /* counts below */
    }
    dns_message[DNS_ANSWER] = (uint8_t)((dns_message_len - 33) / 17 >> 8);
    dns_message[DNS_ANSWER + 1] = (uint8_t)((dns_message_len - 33) / 17);
    expect(DNS_NO_RECORD, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_read_from_text),
        cmocka_unit_test(test_the_longest_name),
        cmocka_unit_test(test_names_that_are_no_text),
        cmocka_unit_test(test_a_name_in_a_domain),
        cmocka_unit_test(test_names_of_addresses),
        cmocka_unit_test(test_a_question),
        cmocka_unit_test(test_addresses_are_found),
        cmocka_unit_test(test_addresses_of_ip6),
        cmocka_unit_test(test_more_addresses_than_room),
        cmocka_unit_test(test_times_are_limited),
        cmocka_unit_test(test_aliases_are_followed),
        cmocka_unit_test(test_an_alias_alone_is_told),
        cmocka_unit_test(test_aliases_that_go_round_or_are_many),
        cmocka_unit_test(test_a_name_of_an_address),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_servers_that_do_not_help),
        cmocka_unit_test(test_answers_to_something_else),
        cmocka_unit_test(test_no_part_of_an_answer_is_one),
        cmocka_unit_test(test_bad_names_are_refused),
        cmocka_unit_test(test_chains_of_pointers_are_bounded),
        cmocka_unit_test(test_names_that_become_too_long),
        cmocka_unit_test(test_bad_data_are_refused),
        cmocka_unit_test(test_the_largest_answer_is_parsed_soon),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
