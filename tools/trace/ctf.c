/*
 * Common Trace Format 1.8 (diamon.org/ctf): the file `metadata` describes in
 * TSDL what the streams have, one a CPU, each of one packet.
 */
#include "tools/trace/output.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define PACKET_MAGIC UINT32_C(0xc1fc1fc1)

static const char description[] =
    "/* CTF 1.8 */\n"
    "typealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n"
    "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
    "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
    "trace {\n"
    "    major = 1; minor = 8; byte_order = le;\n"
    "    packet.header := struct { uint32_t magic; uint32_t stream_id; };\n"
    "};\n"
    "env { domain = \"kernel\"; tracer_name = \"torc\"; };\n"
    "clock { name = monotonic; freq = 1000000000; offset = %" PRIu64 "; };\n"
    "typealias integer {\n"
    "    size = 64; align = 8; signed = false;\n"
    "    map = clock.monotonic.value;\n"
    "} := moment_t;\n"
    "stream {\n"
    "    id = 0;\n"
    "    packet.context := struct {\n"
    "        moment_t timestamp_begin;\n"
    "        moment_t timestamp_end;\n"
    "        uint64_t content_size;\n"
    "        uint64_t packet_size;\n"
    "        uint64_t events_discarded;\n"
    "        uint32_t cpu_id;\n"
    "    };\n"
    "    event.header := struct { uint16_t id; moment_t timestamp; };\n"
    "};\n";

static const char named_fields[] = "uint64_t value; string name;";
static const char other_fields[] =
    "uint16_t detail; uint32_t count; uint64_t value; uint64_t more;";

static void number_write(FILE *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        fputc((int)(value >> 8 * i & 0xff), out);
}

static void metadata_write(FILE *out, const struct decoded *trace)
{
    fprintf(out, description, trace->first_ns);
    for (unsigned kind = 0; kind < TRACE_KIND_COUNT; kind++)
        fprintf(out,
                "event { name = \"%s\"; id = %u; stream_id = 0; "
                "fields := struct { %s }; };\n",
                kind_name(kind), kind,
                kind_has_name(kind) ? named_fields : other_fields);
}

static void event_write(FILE *out, const struct event *event)
{
    number_write(out, event->kind, 2);
    number_write(out, event->ns, 8);
    if (kind_has_name(event->kind)) {
        number_write(out, event->value, 8);
        fwrite(event->name, 1, strlen(event->name) + 1, out);
        return;
    }
    number_write(out, event->detail, 2);
    number_write(out, event->count, 4);
    number_write(out, event->value, 8);
    number_write(out, event->more, 8);
}

/* The head of a stream's packet, which has `bytes` bytes with the head. */
static void packet_head(FILE *out, const struct decoded *trace, unsigned cpu,
                        uint64_t bytes)
{
    number_write(out, PACKET_MAGIC, 4);
    number_write(out, 0, 4);
    number_write(out, 0, 8);
    number_write(out, trace->end_ns, 8);
    number_write(out, bytes * 8, 8);
    number_write(out, bytes * 8, 8);
    number_write(out, trace->lost[cpu], 8);
    number_write(out, cpu, 4);
}

static void stream_write(FILE *out, const struct decoded *trace, unsigned cpu)
{
    long bytes;

    packet_head(out, trace, cpu, 0);
    for (size_t i = 0; i < trace->event_count; i++) {
        if (trace->events[i].cpu == cpu)
            event_write(out, &trace->events[i]);
    }
    bytes = ftell(out);
    rewind(out);
    packet_head(out, trace, cpu, (uint64_t)bytes);
}

/* Open a file of the directory; NULL and errno. */
static FILE *file_open(const char *directory, const char *name)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >=
        sizeof(path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(path, "wb");
}

/* Returns 0, or -1 and errno. */
static int file_close(FILE *file)
{
    int failed = ferror(file);

    return fclose(file) != 0 || failed != 0 ? -1 : 0;
}

int ctf_write(const char *directory, const struct decoded *trace)
{
    FILE *file;

    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return -1;
    file = file_open(directory, "metadata");
    if (file == NULL)
        return -1;
    metadata_write(file, trace);
    if (file_close(file) != 0)
        return -1;
    for (unsigned cpu = 0; cpu < trace->cpu_count; cpu++) {
        char name[32];

        snprintf(name, sizeof(name), "cpu_%u", cpu);
        file = file_open(directory, name);
        if (file == NULL)
            return -1;
        stream_write(file, trace, cpu);
        if (file_close(file) != 0)
            return -1;
    }
    return 0;
}
