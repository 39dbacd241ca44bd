/*
 * What happened in a scenario, a line a step. The same scenario against two
 * devices must give the same text.
 */
#ifndef TORC_TESTS_QTEST_TRANSCRIPT_H
#define TORC_TESTS_QTEST_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transcript {
    char *text; /* NULL: empty */
    size_t len;
};

/* Add a line. */
void transcript_add(struct transcript *transcript, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void transcript_free(struct transcript *transcript);

/*
 * The first line in which two transcripts differ; false when none does. What is
 * missing in one is an empty line there. The lines are cut to `size`.
 */
bool transcript_differ(const struct transcript *a, const struct transcript *b,
                       char *line_a, char *line_b, size_t size);

/* Write it to a file, for diff. */
void transcript_save(const struct transcript *transcript, const char *path);

/* A number that stands for these bytes (after FNV-1a, but 8 at a time). */
uint64_t transcript_sum(const void *data, size_t size);

#endif
