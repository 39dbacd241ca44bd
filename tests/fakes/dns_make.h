/*
 * Messages of DNS, built from RFC 1035 and not with net/dns. One at a time.
 */
#ifndef TORC_TESTS_FAKES_DNS_MAKE_H
#define TORC_TESTS_FAKES_DNS_MAKE_H

#include <stddef.h>
#include <stdint.h>

/* Where the counts of the sections are. */
enum { DNS_ANSWER = 6, DNS_AUTHORITY = 8, DNS_ADDITIONAL = 10 };

extern uint8_t dns_message[70000];
extern size_t dns_message_len;

void dns_put8(unsigned value);
void dns_put16(unsigned value);
void dns_put32(uint32_t value);

/* Labels of `text`; when it ends with '>', a pointer to `at` instead of the
 * root. */
void dns_put_name(const char *text, unsigned at);

/* The header and the question. */
void dns_begin(unsigned id, unsigned flags, const char *name, unsigned type);

/* The fixed part of a record, up to the length of its data; it is counted. '>'
 * in its name is the question's. */
void dns_record(unsigned section, const char *name, unsigned type,
                uint32_t ttl);

/* Whole records: an address; a name, not compressed; the end of negative ones.
 */
void dns_record_a(const char *name, uint32_t ttl, uint32_t addr);
void dns_record_name(unsigned section, const char *name, unsigned type,
                     uint32_t ttl, const char *target);
void dns_record_soa(uint32_t ttl, uint32_t minimum);

#endif
