/* Turning the trace on at boot. */
#include "hal/hal.h"
#include "hal/trace.h"
#include "kernel/trace/trace_internal.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>

#define BIT(kind) (UINT32_C(1) << (kind))

/* The words of trace=. */
static const struct {
    const char *name;
    uint32_t kinds;
} words[] = {
    {"switch", BIT(TRACE_SWITCH)},
    {"slot", BIT(TRACE_SLOT_SEND) | BIT(TRACE_SLOT_TAKE) | BIT(TRACE_SLOT_RAN)},
    {"irq", BIT(TRACE_INTERRUPT)},
    {"io", BIT(TRACE_IO_BEGIN) | BIT(TRACE_IO_END)},
    {"packet", BIT(TRACE_PACKET_IN) | BIT(TRACE_PACKET_OUT)},
    {"alloc", BIT(TRACE_ALLOC) | BIT(TRACE_FREE)},
    {"mark", BIT(TRACE_MARK) | BIT(TRACE_BEGIN) | BIT(TRACE_END)},
    {"all", BIT(TRACE_KIND_COUNT) - 1},
};

const char *const trace_options[] = {
    "trace=KIND[,KIND...] events that are kept: switch, slot, irq, io, packet, "
    "alloc, mark; all (none)",
    "trace_events=64..1048576 how many a CPU keeps, rounded up to a power of "
    "two; of interrupts a quarter (4096)",
    "trace_dump=0..1 1: they are printed when the machine ends (0)",
    NULL,
};

/* The bits of the word that ends at a comma or at the end; 0: no such word. */
static uint32_t word_kinds(const char *word, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_len(words[i].name, len + 1) == len &&
            memcmp(words[i].name, word, len) == 0)
            return words[i].kinds;
    }
    return 0;
}

/* Returns 0 when a word is none. */
static uint32_t kinds_parse(const char *text)
{
    uint32_t kinds = 0;

    for (;;) {
        size_t len = 0;
        uint32_t more;

        while (text[len] != '\0' && text[len] != ',')
            len++;
        more = word_kinds(text, len);
        if (more == 0)
            return 0;
        kinds |= more;
        if (text[len] == '\0')
            return kinds;
        text += len + 1;
    }
}

/* Their values are checked: trace_options. */
static uint64_t number(const char *key, uint64_t otherwise)
{
    const char *text = machine_option(key);
    uint64_t value;

    return text != NULL && str_to_u64(text, &value) == 0 ? value : otherwise;
}

bool trace_is_printed(void)
{
    return number("trace_dump", 0) != 0;
}

static int options(uint32_t *kinds, uint64_t *events)
{
    const char *text = machine_option("trace");
    uint64_t wanted = number("trace_events", TRACE_EVENTS_DEFAULT);

    *events = TRACE_EVENTS_MIN;
    while (*events < wanted)
        *events *= 2;
    *kinds = text != NULL ? kinds_parse(text) : 0;
    if (text == NULL || *kinds != 0)
        return 0;
    log_error("trace=%s: use switch, slot, irq, io, packet, alloc, mark, with "
              "commas between them, or all",
              text);
    return -EINVAL;
}

int trace_boot(void)
{
    uint32_t kinds = 0;
    uint64_t events = 0;
    int status = options(&kinds, &events);

    trace_settings.on = false; /* tests boot a machine more than once */
    for (unsigned i = 0; status == 0 && kinds != 0 && i < cpu_count(); i++)
        status = trace_create(cpu_of(i), kinds, events);
    if (status == -ENOMEM)
        log_error("trace_events=%lu: too little memory for the rings",
                  (unsigned long)events);
    if (status != 0 || kinds == 0)
        return status;
    trace_settings.on = true;
    trace_settings.first_cycles = hal_cycles();
    trace_settings.first_ns = hal_time_ns();
    hal_trace_sites_on();
    return 0;
}
