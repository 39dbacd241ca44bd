/* The messages of DHCP: RFC 2131, 2132, 3396, 3442. */
#include "net/dhcp/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

enum { SNAME = 44, FILE_NAME = 108, COOKIE = 236, OPTIONS = 240 };

static uint8_t message[1500];
static size_t message_len;
static struct dhcp_reply reply;

/* An offer of 10.0.0.9 without options. */
static void begin(void)
{
    static const uint8_t start[] = {2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef};

    memset(message, 0, sizeof(message));
    memcpy(message, start, sizeof(start));
    memcpy(message + 16, "\12\0\0\11", 4);
    memcpy(message + 28, "\2\1\2\3\4\5", 6);
    memcpy(message + COOKIE, "\x63\x82\x53\x63", 4);
    message_len = OPTIONS;
}

static void add(const void *bytes, size_t len)
{
    memcpy(message + message_len, bytes, len);
    message_len += len;
}

#define ADD(bytes) add(bytes, sizeof(bytes) - 1)

static int parse(void)
{
    /* Exactly as long: an access behind it is seen. */
    uint8_t *exact = malloc(message_len + 1);
    int result;

    memcpy(exact + 1, message, message_len);
    result = dhcp_parse(exact + 1, message_len, &reply);
    free(exact);
    return result;
}

static void test_an_offer_is_parsed(void **state)
{
    (void)state;
    begin();
    ADD("\x35\1\2"                /* type */
        "\0\0"                    /* padding */
        "\x36\4\12\0\0\1"         /* server */
        "\1\4\377\377\376\0"      /* netmask */
        "\3\10\12\0\0\2\12\0\0\3" /* gateways */
        "\6\20\1\1\1\1\2\2\2\2\3\3\3\3\4\4\4\4"
        "\x2a\4\5\5\5\5"     /* NTP */
        "\x33\4\0\1\x51\x80" /* lease */
        "\x3a\4\0\0\xa8\xc0" /* T1 */
        "\x3b\4\0\1\x27\x50" /* T2 */
        "\x1a\2\5\x78"       /* MTU 1400 */
        "\xc\5host1"
        "\377"
        "\6\3bad"); /* behind the end: nobody looks */
    assert_int_equal(parse(), 0);
    assert_int_equal(reply.type, DHCP_OFFER);
    assert_int_equal(reply.xid, 0xdeadbeef);
    assert_int_equal(reply.address, 0x0a000009);
    assert_memory_equal(reply.mac, "\2\1\2\3\4\5", 6);
    assert_int_equal(reply.server, 0x0a000001);
    assert_int_equal(reply.netmask, 0xfffffe00);
    assert_int_equal(reply.gateway, 0x0a000002);
    assert_int_equal(reply.dns_count, 3);
    assert_int_equal(reply.dns[0], 0x01010101);
    assert_int_equal(reply.dns[2], 0x03030303);
    assert_int_equal(reply.ntp_count, 1);
    assert_int_equal(reply.ntp[0], 0x05050505);
    assert_int_equal(reply.lease_s, 86400);
    assert_int_equal(reply.renew_s, 43200);
    assert_int_equal(reply.rebind_s, 75600);
    assert_int_equal(reply.mtu, 1400);
    assert_string_equal(reply.host_name, "host1");
    assert_false(reply.has_routes);
    assert_false(reply.has_client_id);
}

static void test_what_is_not_said_is_zero(void **state)
{
    (void)state;
    begin();
    ADD("\x35\1\6\377");
    memset(&reply, 0xee, sizeof(reply));
    assert_int_equal(parse(), 0);
    assert_int_equal(reply.type, DHCP_NAK);
    assert_int_equal(reply.server, 0);
    assert_int_equal(reply.netmask, 0);
    assert_int_equal(reply.gateway, 0);
    assert_int_equal(reply.lease_s, 0);
    assert_int_equal(reply.mtu, 0);
    assert_int_equal(reply.dns_count, 0);
    assert_int_equal(reply.route_count, 0);
    assert_string_equal(reply.host_name, "");
}

static void test_each_fixed_field_is_checked(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"a request", 0, 1},
        {"no Ethernet", 1, 6},
        {"a short address", 2, 5},
        {"another cookie", COOKIE, 0x62},
        {"another cookie's end", COOKIE + 3, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        ADD("\x35\1\2\377");
        assert_int_equal(parse(), 0);
        message[rows[i].at] = rows[i].value;
        if (parse() != -EPROTO)
            fail_msg("%s", rows[i].name);
    }
    for (size_t len = 0; len < OPTIONS; len++) {
        message_len = len;
        assert_int_equal(parse(), -EPROTO);
    }
}

/* Options that an offer may not have. */
static void test_bad_options_are_refused(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"no type", "\377", 1},
        {"a type of no server", "\x35\1\1", 3},
        {"an empty type", "\x35\0", 2},
        {"a long type", "\x35\2\2\2", 4},
        {"a type twice", "\x35\1\2\x35\1\5", 6},
        {"a code without a length", "\x35\1\2\6", 4},
        {"longer than the message", "\x35\1\2\6\5\1\1\1\1", 9},
        {"an unknown one, longer", "\x35\1\2\x99\1", 5},
        {"a mask of 3 bytes", "\x35\1\2\1\3\377\377\377", 8},
        {"a mask of 5 bytes", "\x35\1\2\1\5\377\377\377\0\0", 10},
        {"a server of 3", "\x35\1\2\x36\3\1\1\1", 8},
        {"a lease of 2", "\x35\1\2\x33\2\1\1", 7},
        {"T1 of 3", "\x35\1\2\x3a\3\1\1\1", 8},
        {"T2 of 1", "\x35\1\2\x3b\1\1", 6},
        {"an MTU of 4", "\x35\1\2\x1a\4\0\0\5\0", 9},
        {"half a gateway", "\x35\1\2\3\2\1\1", 7},
        {"one and a half DNS", "\x35\1\2\6\6\1\1\1\1\2\2", 11},
        {"half an NTP", "\x35\1\2\x2a\2\1\1", 7},
        {"overload of 0 bytes and more", "\x35\1\2\x34\2\1\1", 7},
        {"overload of 4", "\x35\1\2\x34\1\4", 6},
        {"a route of 33 bits", "\x35\1\2\x79\12\x21\1\2\3\4\5\6\7\x8\x9", 15},
        {"a route cut in its prefix", "\x35\1\2\x79\2\x18\12", 7},
        {"a route cut in its gateway", "\x35\1\2\x79\4\0\12\0\0", 9},
        {"a second route cut", "\x35\1\2\x79\6\0\12\0\0\1\0", 11},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        add(rows[i].bytes, rows[i].len);
        if (parse() != -EPROTO)
            fail_msg("%s", rows[i].name);
    }
}

static void test_an_end_may_be_missing(void **state)
{
    (void)state;
    begin();
    ADD("\x35\1\5\0\0\0");
    assert_int_equal(parse(), 0);
    assert_int_equal(reply.type, DHCP_ACK);
}

/* RFC 2132, 9.3. */
static void test_fields_are_overloaded(void **state)
{
    (void)state;
    begin();
    memcpy(message + FILE_NAME, "\x33\4\0\0\0\x63\377", 7);
    memcpy(message + SNAME, "\x36\4\7\7\7\7\377", 7);
    ADD("\x35\1\2\377");
    assert_int_equal(parse(), 0);
    assert_int_equal(reply.lease_s, 0);
    assert_int_equal(reply.server, 0);

    for (unsigned overload = 1; overload <= 3; overload++) {
        message_len = OPTIONS;
        ADD("\x35\1\2\x34\1");
        add((uint8_t[]){(uint8_t)overload, 255}, 2);
        assert_int_equal(parse(), 0);
        assert_int_equal(reply.lease_s, overload & 1 ? 99 : 0);
        assert_int_equal(reply.server, overload & 2 ? 0x07070707 : 0);
    }

    /* An option that goes beyond its field. */
    memcpy(message + FILE_NAME + 120, "\6\10\1\1\1\1\1\1", 8);
    memset(message + FILE_NAME, 0, 120);
    assert_int_equal(parse(), -EPROTO);
    memset(message + FILE_NAME, 0, 128);
    memset(message + SNAME, 0, 64);
    message[SNAME + 63] = 6;
    assert_int_equal(parse(), -EPROTO);
}

/* RFC 3396: the parts of a long option are joined, over the fields, too. */
static void test_parts_are_joined(void **state)
{
    (void)state;
    begin();
    memcpy(message + FILE_NAME, "\6\3\2\2\2\377", 6);
    memcpy(message + SNAME, "\6\2\2\3\6\3\3\3\3\377", 10);
    ADD("\6\4\1\1\1\1\x35\1\2\x34\1\3\377");
    assert_int_equal(parse(), 0);
    assert_int_equal(reply.dns_count, 3);
    assert_int_equal(reply.dns[0], 0x01010101);
    assert_int_equal(reply.dns[1], 0x02020202);
    assert_int_equal(reply.dns[2], 0x03030303);
}

static void test_joined_options_have_a_limit(void **state)
{
    uint8_t part[257] = {6, 255};

    (void)state;
    begin();
    ADD("\x35\1\2");
    add(part, sizeof(part));
    part[1] = 253;
    add(part, 255); /* 508 */
    assert_int_equal(parse(), 0);
    part[1] = 8; /* 516 > 512 */
    add(part, 10);
    assert_int_equal(parse(), -EPROTO);
    for (size_t i = 0; i < 2; i++) {
        static const uint8_t codes[] = {121, 12};

        begin();
        ADD("\x35\1\2");
        part[0] = codes[i];
        part[1] = 255;
        for (unsigned n = 0; n < 3; n++)
            add(part, sizeof(part));
        assert_int_equal(parse(), -EPROTO);
    }
}

/* RFC 3442, with its example of 10.17.0.0/16 and so on. */
static void test_classless_routes(void **state)
{
    static const struct {
        uint32_t prefix;
        uint8_t len;
        uint32_t gateway;
    } want[] = {
        {0, 0, 0x0a000001},           {0x0a000000, 8, 0x0a000001},
        {0x0a000000, 24, 0x0a000002}, {0x0a110000, 16, 0x0a000003},
        {0x0a1b8100, 24, 0},          {0x0ae50080, 25, 0x0a000004},
        {0xc0a80001, 32, 0x0a000005},
    };

    (void)state;
    begin();
    ADD("\x35\1\2\x79\x37"
        "\x00\x0a\x00\x00\x01"
        "\x08\x0a\x0a\x00\x00\x01"
        "\x18\x0a\x00\x00\x0a\x00\x00\x02"
        "\x10\x0a\x11\x0a\x00\x00\x03"
        "\x18\x0a\x1b\x81\x00\x00\x00\x00"
        "\x19\x0a\xe5\x00\xff\x0a\x00\x00\x04" /* bits behind the prefix */
        "\x20\xc0\xa8\x00\x01\x0a\x00\x00\x05"
        "\377");
    message[OPTIONS + 4] = 5 + 6 + 8 + 7 + 8 + 9 + 9;
    assert_int_equal(parse(), 0);
    assert_true(reply.has_routes);
    assert_int_equal(reply.route_count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_int_equal(reply.route[i].prefix, want[i].prefix);
        assert_int_equal(reply.route[i].len, want[i].len);
        assert_int_equal(reply.route[i].gateway, want[i].gateway);
    }
}

static void test_routes_beyond_the_room_are_left_out(void **state)
{
    uint8_t option[2 + 5 * 9] = {121, 45};

    (void)state;
    begin();
    ADD("\x35\1\2");
    for (unsigned i = 0; i < 9; i++)
        option[2 + 5 * i + 4] = (uint8_t)(i + 1);
    add(option, sizeof(option));
    assert_int_equal(parse(), 0);
    assert_int_equal(reply.route_count, DHCP_ROUTES_MAX);
    assert_int_equal(reply.route[7].gateway, 8);
}

static void test_host_names_are_checked(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *want;
    } rows[] = {
        {"a-b.c9", 6, "a-b.c9"},
        {"ends\0", 5, "ends"},
        {"a\0b", 3, ""},
        {"a b", 3, ""},
        {"a\nb", 3, ""},
        {"\0", 1, ""},
        {"a_b", 3, ""},
        {"0123456789012345678901234567890123456789"
         "01234567890123456789012",
         63,
         "0123456789012345678901234567890123456789"
         "01234567890123456789012"},
        {"0123456789012345678901234567890123456789"
         "012345678901234567890123",
         64, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t head[2] = {12, (uint8_t)rows[i].len};

        begin();
        ADD("\x35\1\2");
        add(head, 2);
        add(rows[i].bytes, rows[i].len);
        assert_int_equal(parse(), 0);
        assert_string_equal(reply.host_name, rows[i].want);
    }
}

/* RFC 6842, and another client's identifier. */
static void test_the_client_id_comes_back(void **state)
{
    uint8_t id[DHCP_CLIENT_ID_SIZE];
    static const uint8_t want[15] = {255, 0, 0, 0, 1, 0, 3, 0,
                                     1,   2, 1, 2, 3, 4, 5};

    (void)state;
    dhcp_client_id(id, (const uint8_t *)"\2\1\2\3\4\5");
    assert_memory_equal(id, want, sizeof(want));
    begin();
    ADD("\x35\1\2\x3d\xf");
    add(id, sizeof(id));
    assert_int_equal(parse(), 0);
    assert_true(reply.has_client_id);
    assert_memory_equal(reply.client_id, id, sizeof(id));
    begin();
    ADD("\x35\1\2\x3d\3\1\2\3");
    assert_int_equal(parse(), 0);
    assert_true(reply.has_client_id);
    assert_memory_not_equal(reply.client_id, id, sizeof(id));
}

/* ---- What the client says ------------------------------------------------ */

/* The data of an option in a request, and its length; -1: it is not there. */
static int option_of(const uint8_t *buf, uint8_t code, const uint8_t **data)
{
    size_t at = OPTIONS;

    while (at < DHCP_REQUEST_SIZE && buf[at] != 255) {
        if (buf[at] == code) {
            *data = buf + at + 2;
            return buf[at + 1];
        }
        at += 2u + buf[at + 1];
    }
    return -1;
}

static void test_a_request_is_emitted(void **state)
{
    const struct dhcp_request request = {
        .type = DHCP_REQUEST,
        .xid = 0x01020304,
        .seconds = 0x0506,
        .is_broadcast = true,
        .mac = {2, 1, 2, 3, 4, 5},
        .client = 0,
        .requested = 0x0a000009,
        .server = 0x0a000001,
    };
    static const uint8_t start[] = {1, 1, 6, 0, 1, 2, 3, 4, 5, 6, 0x80, 0};
    uint8_t buf[DHCP_REQUEST_SIZE + 1];
    const uint8_t *data = NULL;

    (void)state;
    memset(buf, 0xee, sizeof(buf));
    dhcp_emit(buf, &request);
    assert_int_equal(buf[DHCP_REQUEST_SIZE], 0xee);
    assert_memory_equal(buf, start, sizeof(start));
    for (size_t i = 12; i < 28; i++)
        assert_int_equal(buf[i], 0);
    assert_memory_equal(buf + 28, request.mac, 6);
    for (size_t i = 34; i < COOKIE; i++)
        assert_int_equal(buf[i], 0);
    assert_memory_equal(buf + COOKIE, "\x63\x82\x53\x63", 4);
    assert_int_equal(option_of(buf, 53, &data), 1);
    assert_int_equal(data[0], DHCP_REQUEST);
    assert_int_equal(option_of(buf, 61, &data), DHCP_CLIENT_ID_SIZE);
    assert_int_equal(option_of(buf, 50, &data), 4);
    assert_memory_equal(data, "\12\0\0\11", 4);
    assert_int_equal(option_of(buf, 54, &data), 4);
    assert_memory_equal(data, "\12\0\0\1", 4);
    assert_int_equal(option_of(buf, 55, &data), 10);
    assert_memory_equal(data, "\1\x79\3\6\xc\x1a\x2a\x33\x3a\x3b", 10);
    assert_int_equal(option_of(buf, 57, &data), 2);
    assert_memory_equal(data, "\5\xc0", 2);
}

static void test_what_a_request_does_not_say(void **state)
{
    struct dhcp_request request = {.type = DHCP_DECLINE, .client = 0x0a000009};
    uint8_t buf[DHCP_REQUEST_SIZE];
    const uint8_t *data = NULL;

    (void)state;
    dhcp_emit(buf, &request);
    assert_memory_equal(buf + 10, "\0\0\12\0\0\11", 6);
    assert_int_equal(option_of(buf, 50, &data), -1);
    assert_int_equal(option_of(buf, 54, &data), -1);
    assert_int_equal(option_of(buf, 55, &data), -1);
    assert_int_equal(option_of(buf, 57, &data), -1);
    request.type = DHCP_DISCOVER;
    dhcp_emit(buf, &request);
    assert_int_equal(option_of(buf, 55, &data), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_offer_is_parsed),
        cmocka_unit_test(test_what_is_not_said_is_zero),
        cmocka_unit_test(test_each_fixed_field_is_checked),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_an_end_may_be_missing),
        cmocka_unit_test(test_fields_are_overloaded),
        cmocka_unit_test(test_parts_are_joined),
        cmocka_unit_test(test_joined_options_have_a_limit),
        cmocka_unit_test(test_classless_routes),
        cmocka_unit_test(test_routes_beyond_the_room_are_left_out),
        cmocka_unit_test(test_host_names_are_checked),
        cmocka_unit_test(test_the_client_id_comes_back),
        cmocka_unit_test(test_a_request_is_emitted),
        cmocka_unit_test(test_what_a_request_does_not_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
