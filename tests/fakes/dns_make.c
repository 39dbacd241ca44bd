#include "tests/fakes/dns_make.h"
#include "net/dns/message.h"
#include <string.h>

uint8_t dns_message[70000];
size_t dns_message_len;

void dns_put8(unsigned value)
{
    dns_message[dns_message_len++] = (uint8_t)value;
}

void dns_put16(unsigned value)
{
    dns_put8(value >> 8);
    dns_put8(value & 0xff);
}

void dns_put32(uint32_t value)
{
    dns_put16(value >> 16);
    dns_put16(value & 0xffff);
}

void dns_put_name(const char *text, unsigned at)
{
    while (*text != '\0' && *text != '>') {
        size_t len = strcspn(text, ".>");

        dns_put8((unsigned)len);
        memcpy(dns_message + dns_message_len, text, len);
        dns_message_len += len;
        text += len + (text[len] == '.');
    }
    if (*text == '>')
        dns_put16(0xc000 | at);
    else
        dns_put8(0);
}

void dns_begin(unsigned id, unsigned flags, const char *name, unsigned type)
{
    dns_message_len = 0;
    dns_put16(id);
    dns_put16(flags);
    dns_put16(1);
    dns_put16(0);
    dns_put16(0);
    dns_put16(0);
    dns_put_name(name, 0);
    dns_put16(type);
    dns_put16(1);
}

void dns_record(unsigned section, const char *name, unsigned type, uint32_t ttl)
{
    dns_message[section + 1]++;
    dns_put_name(name, 12);
    dns_put16(type);
    dns_put16(1);
    dns_put32(ttl);
}

void dns_record_a(const char *name, uint32_t ttl, uint32_t addr)
{
    dns_record(DNS_ANSWER, name, DNS_A, ttl);
    dns_put16(4);
    dns_put32(addr);
}

void dns_record_name(unsigned section, const char *name, unsigned type,
                     uint32_t ttl, const char *target)
{
    size_t at;

    dns_record(section, name, type, ttl);
    at = dns_message_len;
    dns_put16(0);
    dns_put_name(target, 0);
    dns_message[at] = (uint8_t)((dns_message_len - at - 2) >> 8);
    dns_message[at + 1] = (uint8_t)(dns_message_len - at - 2);
}

void dns_record_soa(uint32_t ttl, uint32_t minimum)
{
    dns_record(DNS_AUTHORITY, "example.com", DNS_SOA, ttl);
    dns_put16(22);
    dns_put16(0); /* two roots */
    for (unsigned i = 0; i < 4; i++)
        dns_put32(0);
    dns_put32(minimum);
}
