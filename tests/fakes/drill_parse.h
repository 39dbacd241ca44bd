/* Scripts of packetdrill, event by event. For drill.c. */
#ifndef TORC_TESTS_FAKES_DRILL_PARSE_H
#define TORC_TESTS_FAKES_DRILL_PARSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DRILL_OPTIONS_MAX = 12,
    DRILL_VALUES_MAX = 8,
    DRILL_ARGS_MAX = 8,
    DRILL_ARG_MAX = 200,
    DRILL_ASSERTS_MAX = 16,
    DRILL_EINPROGRESS = 115, /* our calls do not have it */
};

struct drill_time {
    uint64_t ns;
    bool is_relative; /* to the event before; or to the begin */
};

enum drill_option_kind {
    DRILL_NOP,
    DRILL_EOL,
    DRILL_MSS,
    DRILL_SCALE,
    DRILL_SACK_OK,
    DRILL_SACK,
    DRILL_STAMP
};

struct drill_option {
    enum drill_option_kind kind;
    unsigned count;
    uint32_t value[DRILL_VALUES_MAX];
};

struct drill_segment {
    uint8_t flags;
    uint8_t ecn;  /* of the IP header: RFC 3168, 5 */
    bool has_ecn; /* the script says which */
    uint32_t seq, len, ack, window, urgent;
    bool has_window, has_options;
    unsigned option_count;
    struct drill_option option[DRILL_OPTIONS_MAX];
};

struct drill_call {
    char name[40];
    unsigned count;
    char arg[DRILL_ARGS_MAX][DRILL_ARG_MAX];
    int64_t result; /* -errno, when it is -1 */
};

struct drill_assert {
    char name[40];
    long value;
};

enum drill_kind { DRILL_IN, DRILL_OUT, DRILL_CALL, DRILL_ASSERT };

struct drill_event {
    enum drill_kind kind;
    struct drill_time from, end;
    bool has_end;
    bool is_any_time;
    struct drill_segment segment;
    struct drill_call call;
    unsigned assert_count;
    struct drill_assert asserts[DRILL_ASSERTS_MAX];
};

/* Begin with the script in a file. Returns false when it cannot be read. */
bool drill_open(const char *path);
void drill_close(void);

/* Returns false at the script's end. Calls drill_unsupported() for what is not
 * understood. */
bool drill_next(struct drill_event *event);

/* Of the event that drill_next() returned. */
unsigned drill_line(void);

/* How much earlier or later a segment may be sent. */
uint64_t drill_tolerance_ns(void);

/* Whether a command of the script so far lets connections ask for ECN. */
bool drill_asks_ecn(void);

/* In drill.c. */
_Noreturn void drill_unsupported(const char *what);

#endif
