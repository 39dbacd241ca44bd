/*
 * The messages of NTP, as a client of servers uses them: RFC 5905, 7.3; RFC
 * 4330. Pure functions on bytes: no state, no allocation.
 */
#ifndef TORC_NET_NTP_MESSAGE_H
#define TORC_NET_NTP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum { NTP_PORT = 123, NTP_SIZE = 48 };

/* What a server says that it is no good, in the place of its time. */
enum ntp_kiss {
    NTP_KISS_NONE,
    NTP_KISS_RATE, /* ask less often */
    NTP_KISS_DENY, /* do not ask again; RSTR means the same */
    NTP_KISS_OTHER,
};

struct ntp_reply {
    enum ntp_kiss kiss; /* else none of the following */
    uint8_t stratum;    /* 1 .. 15 */
    uint64_t received;  /* our question came then, ns since 1970 */
    uint64_t sent;      /* the reply left then; not before that */
    uint64_t distance;  /* ns that its clock may be wrong by, it says */
};

/*
 * Parse a reply to the question with that `cookie`. Returns 0; -ENOENT: it
 * answers something else; -EPROTO: it makes no sense, or its server does not
 * know the time.
 */
must_check int ntp_parse(const uint8_t *buf, size_t len, uint64_t cookie,
                         struct ntp_reply *out);

/* Write a question. The server sends the cookie back: a random number in the
 * place of the time, which is nobody's business and which nobody can guess. */
void ntp_emit(uint8_t buf[NTP_SIZE], uint64_t cookie);

#endif
