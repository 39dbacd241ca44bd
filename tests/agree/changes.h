/*
 * Random changes of a tree: a seed and the names that are there decide them, so
 * that both sides do the same to the same tree. Each is told in a line, with
 * what came of it.
 */
#ifndef TORC_TESTS_AGREE_CHANGES_H
#define TORC_TESTS_AGREE_CHANGES_H

#include "tests/agree/side.h"
#include <stdio.h>

struct changes {
    uint64_t seed;
    unsigned count;
    uint64_t bytes_max; /* that are written, with what it needs around them */
    unsigned paths_max; /* that there are at a time, about */
    bool with_xattrs;
    bool with_large_files; /* of 2 GiB and more */
    bool with_acls;        /* as only Linux offers them */
};

/* Returns 0, or the error of a call that must not fail. */
int changes_make(const struct side *side, const struct changes *what, FILE *to);

#endif
