/* The messages of NTP: RFC 5905, 7.3. */
#include "net/ntp/message.h"
#include "kernel/lib/bytes.h"
#include <torc/string.h>
#include <torc/time.h>

/* 1900 to 1970 and to 2036, in seconds. */
#define SECONDS_1970 UINT64_C(2208988800)
#define SECONDS_ERA  (UINT64_C(1) << 32)

/* Earlier times are a server's that does not know it: 2020-01-01. */
#define WALL_MIN_NS (UINT64_C(1577836800) * NS_PER_S)

/* A clock that may be wrong by more is not used: RFC 5905, 11.2.1, has 1 s, to
 * which the way to us is not added here. */
#define DISTANCE_MAX_NS (1 * NS_PER_S)

enum {
    AT_ROOT_DELAY = 4,
    AT_ROOT_DISPERSION = 8,
    AT_REFERENCE_ID = 12,
    AT_ORIGIN = 24,
    AT_RECEIVED = 32,
    AT_SENT = 40,
    VERSION = 4,
    VERSION_MIN = 3,
    MODE_CLIENT = 3,
    MODE_SERVER = 4,
    LEAP_UNKNOWN = 3, /* the clock is not set */
    STRATUM_MAX = 15,
};

static uint64_t be64_get(const uint8_t *p)
{
    return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}

/* A timestamp in nanoseconds since 1970. Those with the first bit clear are of
 * 2036 to 2104: RFC 4330, 3. */
static uint64_t wall_of(const uint8_t *p)
{
    uint64_t seconds = be32_get(p);

    if (seconds >> 31 == 0)
        seconds += SECONDS_ERA;
    return (seconds - SECONDS_1970) * NS_PER_S +
           (be32_get(p + 4) * NS_PER_S >> 32);
}

/* A number of seconds with 16 bits of fraction. */
static uint64_t short_ns(const uint8_t *p)
{
    return be32_get(p) * NS_PER_S >> 16;
}

static enum ntp_kiss kiss_of(const uint8_t *code)
{
    if (memcmp(code, "RATE", 4) == 0)
        return NTP_KISS_RATE;
    if (memcmp(code, "DENY", 4) == 0 || memcmp(code, "RSTR", 4) == 0)
        return NTP_KISS_DENY;
    return NTP_KISS_OTHER;
}

int ntp_parse(const uint8_t *buf, size_t len, uint64_t cookie,
              struct ntp_reply *out)
{
    struct ntp_reply reply = {.kiss = NTP_KISS_NONE};

    if (len < NTP_SIZE || be64_get(buf + AT_ORIGIN) != cookie ||
        (buf[0] & 7) != MODE_SERVER)
        return -ENOENT;
    if ((buf[0] >> 3 & 7) < VERSION_MIN || (buf[0] >> 3 & 7) > VERSION)
        return -EPROTO;
    reply.stratum = buf[1];
    if (reply.stratum == 0) {
        reply.kiss = kiss_of(buf + AT_REFERENCE_ID);
        *out = reply;
        return 0;
    }
    reply.received = wall_of(buf + AT_RECEIVED);
    reply.sent = wall_of(buf + AT_SENT);
    reply.distance =
        short_ns(buf + AT_ROOT_DELAY) / 2 + short_ns(buf + AT_ROOT_DISPERSION);
    if (buf[0] >> 6 == LEAP_UNKNOWN || reply.stratum > STRATUM_MAX ||
        be64_get(buf + AT_RECEIVED) == 0 || be64_get(buf + AT_SENT) == 0 ||
        reply.received < WALL_MIN_NS || reply.sent < reply.received ||
        reply.distance > DISTANCE_MAX_NS)
        return -EPROTO;
    *out = reply;
    return 0;
}

void ntp_emit(uint8_t buf[NTP_SIZE], uint64_t cookie)
{
    memset(buf, 0, NTP_SIZE);
    buf[0] = VERSION << 3 | MODE_CLIENT;
    be32_put(buf + AT_SENT, (uint32_t)(cookie >> 32));
    be32_put(buf + AT_SENT + 4, (uint32_t)cookie);
}
