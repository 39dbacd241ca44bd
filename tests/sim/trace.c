#include "tests/sim/trace.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCENARIO_MAX = 32 };

static FILE *file_open(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);

    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return file;
}

void trace_write(const char *path, const char *scenario,
                 const struct trace_head *head, const struct sim_state *state)
{
    FILE *file;

    if (state->choice_count > SIM_TRACE_MAX) {
        fprintf(stderr, "%s: the run has more choices than a trace can hold\n",
                path);
        exit(EXIT_FAILURE);
    }
    file = file_open(path, "w");
    fprintf(file,
            "trace of %s, seed %" PRIu64 ", %u CPUs, %" PRIu64 " ns a point\n",
            scenario, head->seed, head->cpus, head->step_ns);
    for (size_t i = 0; i < state->choice_count; i++)
        fprintf(file, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
                state->choices[i].tag, state->choices[i].n,
                state->choices[i].taken);
    if (fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static bool head_read(FILE *file, const char *scenario, struct trace_head *head)
{
    char name[SCENARIO_MAX];

    return fscanf(file,
                  "trace of %31[^,], seed %" SCNu64 ", %u CPUs, %" SCNu64
                  " ns a point\n",
                  name, &head->seed, &head->cpus, &head->step_ns) == 4 &&
           strcmp(name, scenario) == 0;
}

size_t trace_read(const char *path, const char *scenario,
                  struct trace_head *head, struct sim_choice *trace)
{
    FILE *file = file_open(path, "r");
    size_t count = 0;

    if (!head_read(file, scenario, head)) {
        fprintf(stderr, "%s: not a trace of %s\n", path, scenario);
        exit(EXIT_FAILURE);
    }
    while (count < SIM_TRACE_MAX &&
           fscanf(file, "%" SCNu32 " %" SCNu32 " %" SCNu32, &trace[count].tag,
                  &trace[count].n, &trace[count].taken) == 3)
        count++;
    if (!feof(file)) {
        fprintf(stderr, "%s: choice %zu cannot be read\n", path, count + 1);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return count;
}
