/*
 * Fuzzing the answers of DNS. The first two bytes choose what was asked, the
 * rest is a message behind a header and a question that are right, or as it is.
 * What is parsed must make sense, and the cache must give it back.
 */
#include "net/dns/cache.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/assert.h>

enum { MESSAGE_MAX = 4000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dns_name asked = {13, "\3www\7example"};

static void check_name(const struct dns_name *name)
{
    char text[DNS_TEXT_SIZE];
    struct dns_name again;
    size_t at = 0;

    assert(name->len > 0);
    while (name->byte[at] != 0) {
        assert(name->byte[at] < 64);
        at += 1u + name->byte[at];
        assert(at < name->len);
    }
    assert(at + 1 == name->len);
    if (dns_name_format(name, text) != 0)
        return;
    assert(strlen(text) == name->len - 2u);
    if (dns_name_parse(text, &again) == 0)
        assert(dns_name_equal(name, &again));
}

static void check_answer(const struct dns_answer *answer, uint16_t type)
{
    assert(answer->addr_count <= DNS_ADDRS_MAX);
    assert(answer->ttl_s <= DNS_TTL_MAX);
    assert(answer->meaning == DNS_FOUND || answer->addr_count == 0);
    if (answer->meaning == DNS_FOUND && type != DNS_PTR)
        assert(answer->addr_count > 0);
    if (answer->meaning == DNS_ALIAS ||
        (answer->meaning == DNS_FOUND && type == DNS_PTR))
        check_name(&answer->name);
    for (unsigned i = 0; i < answer->addr_count; i++)
        assert(type == DNS_AAAA || addr_is_ip4(&answer->addr[i]));
}

static void keep(const struct dns_answer *answer, uint16_t type)
{
    static const struct siphash_key key = {{1, 2}};
    struct dns_cache cache;
    struct dns_answer kept;

    if (answer->meaning > DNS_NO_NAME)
        return;
    machine_attach(4 << 20);
    dns_cache_init(&cache, &key);
    dns_cache_put(&cache, &asked, type, 5, answer);
    dns_cache_check(&cache);
    if (dns_cache_find(&cache, &asked, type, 5, &kept)) {
        assert(kept.meaning == answer->meaning);
        assert(kept.ttl_s == answer->ttl_s);
        assert(kept.addr_count == answer->addr_count);
        check_answer(&kept, type);
    } else {
        assert(answer->ttl_s == 0);
    }
    dns_cache_fini(&cache);
    machine_detach();
}

/* Text that somebody gives as a name. */
static void parse_text(const uint8_t *data, size_t size)
{
    struct dns_name name;
    char text[400];

    size = size < sizeof(text) ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (dns_name_parse(text, &name) == 0)
        check_name(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_PTR};
    static uint8_t message[MESSAGE_MAX];
    struct dns_answer answer;
    uint16_t type;
    size_t len = 0;

    if (size < 2 || size > MESSAGE_MAX - 40)
        return 0;
    type = types[data[0] % 3];
    if (data[1] & 1) {
        /* Flags and counts are the input's. */
        memcpy(message, "\x12\x34\x81\x80\0\1\0\0\0\0\0\0", 12);
        for (size_t i = 0; i < 8 && i + 2 < size; i++)
            message[i < 2 ? 2 + i : 4 + i] = data[2 + i];
        memcpy(message + 12, asked.byte, asked.len);
        memcpy(message + 25, (uint8_t[]){0, (uint8_t)type, 0, 1}, 4);
        len = 29;
    }
    memcpy(message + len, data + 2, size - 2);
    len += size - 2;
    parse_text(data + 2, size - 2);
    if (dns_answer_parse(message, len, 0x1234, &asked, type, &answer) != 0)
        return 0;
    check_answer(&answer, type);
    keep(&answer, type);
    return 0;
}
