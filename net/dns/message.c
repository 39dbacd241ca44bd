/* The messages of DNS: RFC 1035, section 4. */
#include "net/dns/message.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/string.h>

enum {
    HEADER_SIZE = 12,
    FLAG_ANSWER = 0x8000,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSE = 0x0100, /* please */
    OPCODE = 0x7800,
    RCODE = 0x000f,
    RCODE_FORMAT = 1,
    RCODE_NO_NAME = 3,
    RCODE_NOT_IMPLEMENTED = 4,
    CLASS_IN = 1,
    RECORD_SIZE = 10, /* behind its name */
    POINTER = 0xc0,
    JUMPS_MAX = 127, /* as many as a name can have labels */
};

struct message {
    const uint8_t *buf;
    size_t len;
};

/* ---- Names and records --------------------------------------------------- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* The way along a name. */
struct walk {
    size_t place; /* of the next label */
    size_t begin; /* of this part of the name */
    size_t end;   /* behind its first part; 0: that is where we are */
    size_t len;   /* bytes of the whole name so far */
    unsigned jumps;
};

/*
 * Go on by a label, and by the pointers before it. A pointer must lead to
 * before where the part that ends with it has begun (RFC 1035, 4.1.4: "a prior
 * occurrence"), so there is an end. There are JUMPS_MAX at most: else each of
 * thousands of records could lead through thousands of pointers. Returns the
 * label's length, its bytes are before walk->place; 0 at the end of the name;
 * -EPROTO.
 */
static int label_next(const struct message *message, struct walk *walk)
{
    for (;;) {
        size_t left = message->len - walk->place;
        size_t size, target;

        if (left == 0)
            return -EPROTO;
        size = message->buf[walk->place];
        if ((size & POINTER) == 0) {
            walk->len += size + 1;
            if (size + 1 > left || walk->len > DNS_NAME_MAX)
                return -EPROTO;
            walk->place += size + 1;
            return (int)size;
        }
        if ((size & POINTER) != POINTER || left < 2)
            return -EPROTO;
        target = be16_get(message->buf + walk->place) & 0x3fff;
        if (target >= walk->begin || ++walk->jumps > JUMPS_MAX)
            return -EPROTO;
        if (walk->end == 0)
            walk->end = walk->place + 2;
        walk->place = walk->begin = target;
    }
}

/* Read a name at *at, which moves behind it; `out` NULL: only that. Returns 0
 * or -EPROTO. */
static int name_read(const struct message *message, size_t *at,
                     struct dns_name *out)
{
    struct walk walk = {.place = *at, .begin = *at};
    int len;

    do {
        len = label_next(message, &walk);
        if (len < 0)
            return len;
        if (out == NULL)
            continue;
        out->byte[walk.len - (size_t)len - 1] = (uint8_t)len;
        for (size_t i = 1; i <= (size_t)len; i++)
            out->byte[walk.len - i] = lower(message->buf[walk.place - i]);
        out->len = (uint8_t)walk.len;
    } while (len > 0);
    *at = walk.end != 0 ? walk.end : walk.place;
    return 0;
}

/* Whether a name that is whole is that one. */
static bool name_is(const struct message *message, size_t at,
                    const struct dns_name *name)
{
    struct walk walk = {.place = at, .begin = at};
    int len;

    do {
        len = label_next(message, &walk);
        if (len < 0 || walk.len > name->len ||
            name->byte[walk.len - (size_t)len - 1] != len)
            return false;
        for (size_t i = 1; i <= (size_t)len; i++) {
            if (lower(message->buf[walk.place - i]) != name->byte[walk.len - i])
                return false;
        }
    } while (len > 0);
    return true;
}

struct record {
    size_t name; /* where it is in the message */
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    size_t data;
    size_t data_len;
};

/* Read a record at *at, which moves behind it. Returns 0 or -EPROTO. */
static int record_read(const struct message *message, size_t *at,
                       struct record *out)
{
    const uint8_t *fixed;

    out->name = *at;
    if (name_read(message, at, NULL) != 0 || message->len - *at < RECORD_SIZE)
        return -EPROTO;
    fixed = message->buf + *at;
    out->type = be16_get(fixed);
    out->class = be16_get(fixed + 2);
    out->ttl_s = be32_get(fixed + 4);
    if (out->ttl_s >> 31 != 0) /* RFC 2181, 8 */
        out->ttl_s = 0;
    out->data_len = be16_get(fixed + 8);
    out->data = *at + RECORD_SIZE;
    if (out->data_len > message->len - out->data)
        return -EPROTO;
    *at = out->data + out->data_len;
    return 0;
}

/* A name that is a record's data. */
static int data_name(const struct message *message, const struct record *record,
                     struct dns_name *out)
{
    const struct message until = {message->buf,
                                  record->data + record->data_len};
    size_t at = record->data;

    if (name_read(&until, &at, out) != 0 || at != until.len)
        return -EPROTO;
    return 0;
}

/* ---- A question ---------------------------------------------------------- */

size_t dns_query_emit(uint8_t buf[DNS_QUERY_MAX], uint16_t id,
                      const struct dns_name *name, uint16_t type, bool has_edns)
{
    /* The root; OPT; our size instead of a class; nothing else. */
    static const uint8_t opt[] = {
        0, 0, DNS_OPT, DNS_UDP_SIZE >> 8, DNS_UDP_SIZE & 0xff, 0, 0, 0,
        0, 0, 0};
    uint8_t *at = buf + HEADER_SIZE;

    memset(buf, 0, HEADER_SIZE);
    be16_put(buf, id);
    be16_put(buf + 2, FLAG_RECURSE);
    be16_put(buf + 4, 1);
    memcpy(at, name->byte, name->len);
    at += name->len;
    be16_put(at, type);
    be16_put(at + 2, CLASS_IN);
    at += 4;
    if (has_edns) {
        be16_put(buf + 10, 1);
        memcpy(at, opt, sizeof(opt));
        at += sizeof(opt);
    }
    return (size_t)(at - buf);
}

/* ---- An answer ----------------------------------------------------------- */

/* Where the sections are. */
struct sections {
    size_t answers;
    unsigned answer_count;
    size_t authorities;
    unsigned authority_count;
};

/* What the search for records has come to. */
struct search {
    struct dns_name owner; /* the name, or what it is an alias of */
    struct record record;  /* the one that is looked at */
    uint32_t ttl_s;        /* the least of all that was used */
};

static bool is_the_question(const struct message *message, size_t *at,
                            const struct dns_name *name, uint16_t type)
{
    size_t begin = *at;

    if (name_read(message, at, NULL) != 0 || message->len - *at < 4)
        return false;
    *at += 4;
    return name_is(message, begin, name) &&
           be16_get(message->buf + *at - 4) == type &&
           be16_get(message->buf + *at - 2) == CLASS_IN;
}

/* Find the sections, and check that all records are whole. */
static int sections_find(const struct message *message, size_t at,
                         struct record *scratch, struct sections *out)
{
    unsigned additional = be16_get(message->buf + 10);

    out->answers = at;
    out->answer_count = be16_get(message->buf + 6);
    out->authority_count = be16_get(message->buf + 8);
    for (unsigned i = 0; i < out->answer_count; i++) {
        if (record_read(message, &at, scratch) != 0)
            return -EPROTO;
    }
    out->authorities = at;
    for (unsigned i = 0; i < out->authority_count + additional; i++) {
        if (record_read(message, &at, scratch) != 0)
            return -EPROTO;
    }
    return 0;
}

/* The next record of the owner with that type, from the `*index`-th record at
 * *at on. */
static bool find_next(const struct message *message, unsigned count,
                      uint16_t type, struct search *search, size_t *at,
                      unsigned *index)
{
    struct record *record = &search->record;

    for (; *index < count; ++*index) {
        if (record_read(message, at, record) != 0)
            return false; /* sections_find() has seen that it is whole */
        if (record->type != type || record->class != CLASS_IN ||
            !name_is(message, record->name, &search->owner))
            continue;
        ++*index;
        search->ttl_s = min_u32(search->ttl_s, record->ttl_s);
        return true;
    }
    return false;
}

/* Follow aliases to the last name. Returns 0, or -EPROTO: they go round, or
 * are too many, or damaged. */
static int follow_aliases(const struct message *message,
                          const struct sections *sections,
                          struct search *search)
{
    for (unsigned i = 0; i <= DNS_CHAIN_MAX; i++) {
        size_t at = sections->answers;
        unsigned index = 0;

        if (!find_next(message, sections->answer_count, DNS_CNAME, search, &at,
                       &index))
            return 0;
        if (data_name(message, &search->record, &search->owner) != 0)
            return -EPROTO;
    }
    return -EPROTO;
}

static int address_take(const struct message *message,
                        const struct record *record, struct dns_answer *out)
{
    const uint8_t *data = message->buf + record->data;
    struct net_addr addr;

    if (record->data_len != (record->type == DNS_A ? 4 : 16))
        return -EPROTO;
    if (out->addr_count == DNS_ADDRS_MAX)
        return 0;
    if (record->type == DNS_A)
        addr = addr_of_ip4(be32_get(data));
    else
        memcpy(addr.byte, data, sizeof(addr.byte));
    out->addr[out->addr_count++] = addr;
    return 0;
}

/* Take the records of the search's owner. Returns 0 or -EPROTO. */
static int records_take(const struct message *message,
                        const struct sections *sections, uint16_t type,
                        struct search *search, struct dns_answer *out)
{
    size_t at = sections->answers;
    unsigned index = 0;

    while (
        find_next(message, sections->answer_count, type, search, &at, &index)) {
        int error = type == DNS_PTR
                        ? data_name(message, &search->record, &out->name)
                        : address_take(message, &search->record, out);

        if (error != 0)
            return error;
        out->meaning = DNS_FOUND;
        if (type == DNS_PTR)
            break;
    }
    return 0;
}

/* How long it may be kept that there is nothing (RFC 2308, 5): the least of
 * the SOA record's own time and its last field. Returns whether there is one.
 */
static bool negative_ttl(const struct message *message,
                         const struct sections *sections, struct record *record,
                         uint32_t *out)
{
    size_t at = sections->authorities;

    for (unsigned i = 0; i < sections->authority_count; i++) {
        if (record_read(message, &at, record) != 0)
            return false;
        if (record->type == DNS_SOA && record->data_len >= 4) {
            uint32_t least = be32_get(message->buf + at - 4);

            *out = min_u32(record->ttl_s, least);
            *out = min_u32(*out, DNS_NEGATIVE_TTL_MAX);
            return true;
        }
    }
    return false;
}

/* Nothing was found. */
static void take_nothing(const struct message *message,
                         const struct sections *sections, bool no_name,
                         bool is_alias, struct search *search,
                         struct dns_answer *out)
{
    uint32_t least = 0;
    bool has_soa = negative_ttl(message, sections, &search->record, &least);

    out->ttl_s = min_u32(least, search->ttl_s);
    if (no_name) {
        out->meaning = DNS_NO_NAME;
    } else if (is_alias && !has_soa) {
        out->meaning = DNS_ALIAS;
        out->ttl_s = search->ttl_s;
        out->name = search->owner;
    } else if (!has_soa && sections->authority_count > 0) {
        out->meaning = DNS_NO_HELP; /* ask others, it says: RFC 2308, 2.2 */
    } else {
        out->meaning = DNS_NO_RECORD;
    }
}

static enum dns_meaning meaning_of_rcode(unsigned rcode)
{
    if (rcode == RCODE_FORMAT || rcode == RCODE_NOT_IMPLEMENTED)
        return DNS_NO_EDNS;
    return DNS_NO_HELP;
}

int dns_answer_parse(const uint8_t *buf, size_t len, uint16_t id,
                     const struct dns_name *name, uint16_t type,
                     struct dns_answer *out)
{
    const struct message message = {buf, len};
    struct search search;
    struct sections sections;
    unsigned flags, rcode;
    size_t at = HEADER_SIZE;
    bool is_alias;

    if (len < HEADER_SIZE)
        return -ENOENT;
    flags = be16_get(buf + 2);
    rcode = flags & RCODE;
    if (be16_get(buf) != id || (flags & (FLAG_ANSWER | OPCODE)) != FLAG_ANSWER)
        return -ENOENT;
    *out = (struct dns_answer){.meaning = meaning_of_rcode(rcode)};
    /* A server that does not understand need not repeat the question. */
    if (out->meaning == DNS_NO_EDNS && be16_get(buf + 4) == 0)
        return 0;
    if (be16_get(buf + 4) != 1 || !is_the_question(&message, &at, name, type))
        return -ENOENT;
    if (flags & FLAG_TRUNCATED) {
        out->meaning = DNS_TRUNCATED;
        return 0;
    }
    if (rcode != 0 && rcode != RCODE_NO_NAME)
        return 0;
    if (sections_find(&message, at, &search.record, &sections) != 0)
        return -EPROTO;
    search.owner = *name;
    search.ttl_s = DNS_TTL_MAX;
    if (follow_aliases(&message, &sections, &search) != 0 ||
        records_take(&message, &sections, type, &search, out) != 0)
        return -EPROTO;
    is_alias = !dns_name_equal(&search.owner, name);
    out->ttl_s = search.ttl_s;
    if (out->meaning != DNS_FOUND)
        take_nothing(&message, &sections, rcode == RCODE_NO_NAME, is_alias,
                     &search, out);
    return 0;
}
