/*
 * RESP, the protocol of Redis: requests are arrays of bulk strings, or a line
 * of words. Replies are those of RESP2, or of RESP3 after HELLO 3.
 * https://redis.io/docs/reference/protocol-spec/
 *
 * Pure functions, but for the text of replies, which grows in memory of the
 * CPU that calls.
 */
#ifndef TORC_APPS_KVSTORE_RESP_H
#define TORC_APPS_KVSTORE_RESP_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/span.h>

enum {
    RESP_ARGS_MAX = 1024, /* words of a request */
    RESP_LINE_MAX = 4096, /* bytes of a request that is a line */
    RESP_DIGITS_MAX = 20, /* of a length, with its sign */
};

struct resp_request {
    unsigned argc; /* 0: an empty one, which has no reply */
    struct span argv[RESP_ARGS_MAX];
};

/*
 * Parse the request at the start of `bytes`. Spans in *out point into it.
 *   value_max  bytes of a word
 *   total_max  bytes of a request
 * Returns its length, 0 when it is right so far and not complete, or -EPROTO
 * and *error, a message for the client.
 */
must_check int64_t resp_parse(const char *bytes, size_t len, size_t value_max,
                              size_t total_max, struct resp_request *out,
                              const char **error);

/* Whether a word is `name` up to ASCII case. */
bool resp_is(struct span word, const char *name);

/* All of a word as a signed 64-bit number, written as such numbers are written:
 * no blanks, no '+', no leading zeros. */
bool resp_number(struct span word, int64_t *out);

/* Whether `text` matches a pattern of '*', '?', "[a-c]", "[^x]", '\'. Takes at
 * most `*budget` steps, which it counts down, one for each character of the
 * pattern that it looks at; false when they are used up. */
bool resp_match(struct span pattern, struct span text, unsigned *budget);

/* ---- Replies ------------------------------------------------------------- */

/* Text that grows. All zero: none. */
struct resp_text {
    char *at;
    size_t len;
    size_t size;
    bool is_short; /* there was no memory: it is not all there */
};

void resp_text_free(struct resp_text *text);

/* What was appended behind `len` is taken back. */
void resp_text_cut(struct resp_text *text, size_t len);

void resp_put(struct resp_text *text, const char *bytes, size_t len);
void resp_put_simple(struct resp_text *text, const char *line); /* +OK */
void resp_put_error(struct resp_text *text, const char *line);  /* -ERR ... */
void resp_put_number(struct resp_text *text, int64_t number);
void resp_put_bulk(struct resp_text *text, struct span bytes);
void resp_put_null(struct resp_text *text, unsigned proto);
void resp_put_array(struct resp_text *text, size_t count);
void resp_put_map(struct resp_text *text, size_t pairs, unsigned proto);

#endif
