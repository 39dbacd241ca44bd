/* Options of --net link:NAME: what the wire does to frames. */
#include "hal/posix/host/args.h"
#include "hal/posix/host/args_internal.h"
#include "hal/posix/host/line.h"
#include <errno.h>
#include <string.h>

enum {
    PPM = 10000,  /* of one percent */
    DECIMALS = 4, /* of a percentage */
    MTU_MIN = 68, /* RFC 791 */
    MTU_MAX = 65500,
};

/* ---- Values: each returns 0 or -EINVAL ----------------------------------- */

/* Such as 1% or 0.25%, at most 100%, in millionths. */
static int percent_parse(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    unsigned decimals = 0;
    bool point = false, digit = false;

    for (; *text != '%'; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || decimals == DECIMALS ||
            value > 100 * PPM)
            return -EINVAL;
        value = value * 10 + (uint64_t)(*text - '0');
        decimals += point;
        digit = true;
    }
    for (; decimals < DECIMALS; decimals++)
        value *= 10;
    if (text[1] != '\0' || !digit || value > 100 * PPM)
        return -EINVAL;
    *out = value;
    return 0;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* A number with one of the units, whose table "" ends. */
static int scaled_parse(const char *text, const struct unit *units,
                        uint64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    char number[20];

    for (; strcmp(text + digits, units->suffix) != 0; units++) {
        if (*units->suffix == '\0')
            return -EINVAL;
    }
    if (digits >= sizeof(number))
        return -EINVAL;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (host_number_parse(number, UINT64_MAX / 4 / units->factor, out) != 0)
        return -EINVAL;
    *out *= units->factor;
    return 0;
}

static int time_parse(const char *text, uint64_t *out)
{
    static const struct unit units[] = {
        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"", 1}};

    /* A time without a unit is none. */
    return text[strspn(text, "0123456789")] == '\0'
               ? -EINVAL
               : scaled_parse(text, units, out);
}

static int rate_parse(const char *text, uint64_t *out)
{
    static const struct unit units[] = {
        {"k", 1000}, {"m", 1000000}, {"g", 1000000000}, {"", 1}};
    int err = scaled_parse(text, units, out);

    return err == 0 && *out == 0 ? -EINVAL : err;
}

static int queue_parse(const char *text, uint64_t *out)
{
    int err = host_number_parse(text, LINE_FRAMES, out);

    return err == 0 && *out == 0 ? -EINVAL : err;
}

static int mtu_parse(const char *text, uint64_t *out)
{
    int err = host_number_parse(text, MTU_MAX, out);

    return err == 0 && *out < MTU_MIN ? -EINVAL : err;
}

static int seed_parse(const char *text, uint64_t *out)
{
    return host_number_parse(text, UINT64_MAX, out);
}

/* ---- Options ------------------------------------------------------------- */

enum option {
    LOSS,
    REPEAT,
    REORDER,
    CORRUPT,
    DELAY,
    JITTER,
    RATE,
    QUEUE,
    MTU,
    SEED,
};

static const struct {
    const char *name; /* with its equals sign */
    int (*parse)(const char *text, uint64_t *out);
    const char *example;
} options[] = {
    [LOSS] = {"loss=", percent_parse, "1%"},
    [REPEAT] = {"dup=", percent_parse, "0.1%"},
    [REORDER] = {"reorder=", percent_parse, "2%"},
    [CORRUPT] = {"corrupt=", percent_parse, "0.01%"},
    [DELAY] = {"delay=", time_parse, "20ms"},
    [JITTER] = {"jitter=", time_parse, "500us"},
    [RATE] = {"rate=", rate_parse, "100m (bits a second)"},
    [QUEUE] = {"queue=", queue_parse, "100 (frames, at most 1024)"},
    [MTU] = {"mtu=", mtu_parse, "1500 (68 to 65500)"},
    [SEED] = {"seed=", seed_parse, "7"},
};

static void option_set(struct host_net_config *net, enum option option,
                       uint64_t value)
{
    switch (option) {
    case LOSS:
        net->line.loss_ppm = (uint32_t)value;
        break;
    case REPEAT:
        net->line.repeat_ppm = (uint32_t)value;
        break;
    case REORDER:
        net->line.reorder_ppm = (uint32_t)value;
        break;
    case CORRUPT:
        net->line.corrupt_ppm = (uint32_t)value;
        break;
    case DELAY:
        net->line.delay_ns = value;
        break;
    case JITTER:
        net->line.jitter_ns = value;
        break;
    case RATE:
        net->line.rate_bps = value;
        break;
    case QUEUE:
        net->line.queue = (unsigned)value;
        break;
    case MTU:
        net->mtu = (uint16_t)value;
        break;
    case SEED:
        net->line.seed = value;
        break;
    }
}

int host_link_option_parse(struct host_args *args, struct host_net_config *net,
                           const char *word)
{
    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t len = strlen(options[i].name);
        uint64_t value;

        if (strncmp(word, options[i].name, len) != 0)
            continue;
        if (options[i].parse(word + len, &value) != 0)
            return host_args_fail(args, "--net link,%s: give it as %s%s", word,
                                  options[i].name, options[i].example);
        option_set(net, (enum option)i, value);
        return 0;
    }
    return host_args_fail(args, "--net: unknown option '%s', see --help", word);
}
