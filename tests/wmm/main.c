/*
 * The command line:
 *
 *   wmm list                 the names of the scenarios
 *   wmm litmus               all litmus tests
 *   wmm run NAME [OPTION]    one scenario or litmus test
 *   wmm caught [OPTION]      the scenarios until one fails; says which
 *
 *   bound=N                  preemptions, instead of the test's own bound
 *   mutant=SITE:WITHOUT      weaken one operation of the kernel
 *   only=NAME,NAME,...       scenarios
 *   seed=N count=N           random executions instead of all
 *   trace=CHOICES            one execution, told step by step
 *   sites=FILE               write which sites were used, and their mutants
 *   memory=off               go on from every state, seen or not
 *   points=all               a choice in front of every operation
 */
#include "explore.h"
#include "model.h"
#include "mutant.h"
#include "race.h"
#include "threads.h"
#include "trail.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OUTCOMES_MAX = 10000 };

struct options {
    const char *bound;
    const char *mutant;
    const char *only;
    const char *seed;
    const char *count;
    const char *trace;
    const char *sites;
};

struct result {
    bool failed;
    unsigned long executions; /* to the end */
    unsigned long pruned;
    double seconds;
};

static bool outcomes[OUTCOMES_MAX];

void wmm_outcome(unsigned digits)
{
    if (digits >= OUTCOMES_MAX)
        wmm_fail("an outcome has at most four digits");
    outcomes[digits] = true;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- Running a test ------------------------------------------------------ */

static void begin(const struct options *options)
{
    enum explore_mode mode = EXPLORE_ALL;
    uint64_t seed = 0;

    if (options->seed != NULL) {
        mode = EXPLORE_RANDOM;
        seed = strtoull(options->seed, NULL, 0);
    }
    if (options->trace != NULL) {
        mode = EXPLORE_REPLAY;
        threads_verbose = true;
    }
    explore_begin(mode, seed, options->trace);
}

static struct result run(const struct wmm_test *test,
                         const struct options *options)
{
    unsigned bound = options->bound != NULL
                         ? (unsigned)strtoul(options->bound, NULL, 0)
                         : test->bound;
    unsigned long count =
        options->count != NULL ? strtoul(options->count, NULL, 0) : 100000;
    struct result result = {.seconds = -now()};

    memset(outcomes, 0, sizeof(outcomes));
    begin(options);
    threads_forget();
    model_forget();
    if (test->setup != NULL)
        test->setup();
    if (test->outcomes != NULL)
        wmm_litmus_setup(test);
    do {
        enum run_end end;

        end = threads_run(test, bound);
        if (end == RUN_PRUNED) {
            result.pruned++;
            continue;
        }
        result.executions++;
        if (end == RUN_DONE && test->finish != NULL)
            test->finish();
        if (end == RUN_FAILED) {
            result.failed = true;
            break;
        }
        if (options->seed != NULL && result.executions == count)
            break;
    } while (explore_next());
    threads_forget();
    result.seconds += now();
    return result;
}

/* ---- Litmus tests -------------------------------------------------------- */

/* Whether the outcomes are those of the test's list, each seen and no other. */
static bool as_listed(const struct wmm_test *test, const struct result *result)
{
    const char *at = test->outcomes;
    static bool listed[OUTCOMES_MAX];

    if (*at > '9')
        return result->failed && strstr(threads_failure(), at) != NULL;
    if (result->failed)
        return false;
    memset(listed, 0, sizeof(listed));
    while (*at != '\0') {
        char *end;

        listed[strtoul(at, &end, 10)] = true;
        at = end;
    }
    return memcmp(listed, outcomes, sizeof(listed)) == 0;
}

static void print_outcomes(const struct wmm_test *test)
{
    int width = (int)strcspn(test->outcomes, " ");

    printf("     wanted %s, got", test->outcomes);
    for (unsigned i = 0; i < OUTCOMES_MAX; i++) {
        if (outcomes[i])
            printf(" %0*u", width, i);
    }
    printf("\n");
}

/*
 * Three times: as scenarios are run, without the memory of states, and then
 * with a choice in front of every operation. All must come to the same.
 */
static bool litmus(const struct wmm_test *test, unsigned long *executions,
                   double *seconds)
{
    const struct options options = {0};
    unsigned long count[3];
    bool good = true;

    for (int i = 0; i < 3 && good; i++) {
        struct result result;

        explore_set_memory(i == 0);
        threads_all_points = i == 2;
        result = run(test, &options);
        count[i] = result.executions;
        *executions += result.executions;
        *seconds += result.seconds;
        good = as_listed(test, &result);
        if (!good && result.failed)
            printf("     %s\n", threads_failure());
    }
    threads_all_points = false;
    if (good)
        printf("ok   litmus %-26s %5lu executions (of %lu, of %lu)\n",
               test->name, count[0], count[1], count[2]);
    else
        printf("FAIL litmus %s\n", test->name);
    if (!good)
        print_outcomes(test);
    return good;
}

static int all_litmus(void)
{
    unsigned failed = 0;
    unsigned long executions = 0;
    double seconds = 0;

    for (size_t i = 0; i < wmm_litmus_count; i++) {
        if (!litmus(&wmm_litmus[i], &executions, &seconds))
            failed++;
    }
    printf("litmus: %zu passed, %u failed, %.0f executions/s\n",
           wmm_litmus_count - failed, failed, (double)executions / seconds);
    return failed != 0;
}

/* ---- Scenarios ----------------------------------------------------------- */

static void report(const struct wmm_test *test, const struct options *options,
                   const struct result *result)
{
    const char *bound = options->bound;
    char text[16];

    if (bound == NULL) {
        snprintf(text, sizeof(text), "%u", test->bound);
        bound = test->bound >= WMM_UNBOUNDED ? "any" : text;
    }
    printf("%s %-28s %u CPUs, %s preemptions: %lu executions, %lu pruned, "
           "%lu choices, %.1f s\n",
           result->failed ? "FAIL" : "ok  ", test->name, test->threads, bound,
           result->executions, result->pruned, explore_choice_count(),
           result->seconds);
    if (!result->failed)
        return;
    printf("     %s\n     tools/wmm.sh replay %s%s%s%s%s trace=%s\n",
           threads_failure(), test->name,
           options->bound != NULL ? " bound=" : "",
           options->bound != NULL ? options->bound : "",
           options->mutant != NULL ? " mutant=" : "",
           options->mutant != NULL ? options->mutant : "", explore_trace());
}

static const struct wmm_test *find(const char *name)
{
    for (size_t i = 0; i < wmm_scenario_count; i++) {
        if (strcmp(wmm_scenarios[i].name, name) == 0)
            return &wmm_scenarios[i];
    }
    for (size_t i = 0; i < wmm_litmus_count; i++) {
        if (strcmp(wmm_litmus[i].name, name) == 0)
            return &wmm_litmus[i];
    }
    fprintf(stderr, "wmm: there is no test %s\n", name);
    exit(2);
}

static int one(const struct wmm_test *test, const struct options *options)
{
    struct result result = run(test, options);

    report(test, options, &result);
    if (options->sites != NULL) {
        FILE *file = fopen(options->sites, "w");

        if (file == NULL) {
            perror(options->sites);
            return 2;
        }
        mutant_list(file);
        fclose(file);
    }
    return result.failed;
}

/* Whether `name` is in a list with commas; no list has all. */
static bool listed(const char *name, const char *list)
{
    size_t length = strlen(name);

    while (list != NULL) {
        if (strncmp(list, name, length) == 0 &&
            (list[length] == ',' || list[length] == '\0'))
            return true;
        list = strchr(list, ',');
        if (list == NULL)
            return false;
        list++;
    }
    return true;
}

/* The line for a mutant: SITE:WITHOUT caught NAME EXECUTIONS WHY */
static int until_caught(const struct options *options)
{
    for (size_t i = 0; i < wmm_scenario_count; i++) {
        struct result result;

        if (!listed(wmm_scenarios[i].name, options->only))
            continue;
        result = run(&wmm_scenarios[i], options);
        if (result.failed) {
            printf("%s caught %s %lu %s\n", options->mutant,
                   wmm_scenarios[i].name, result.executions + result.pruned,
                   threads_failure());
            return 0;
        }
    }
    printf("%s SURVIVED\n", options->mutant);
    return 1;
}

/* ---- Command line -------------------------------------------------------- */

static void usage(void)
{
    fprintf(stderr, "usage: wmm list | litmus | run NAME [OPTION=VALUE]... | "
                    "caught mutant=SITE:WITHOUT [only=NAME,...]\n");
    exit(2);
}

static void set_mutant(const char *text)
{
    char *end;
    uintptr_t site = strtoull(text, &end, 0);

    if (*end != ':')
        usage();
    mutant_set(site, (unsigned)strtoul(end + 1, NULL, 0));
}

static void parse(struct options *options, char **args)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = {
        {"bound=", &options->bound}, {"mutant=", &options->mutant},
        {"only=", &options->only},   {"seed=", &options->seed},
        {"count=", &options->count}, {"trace=", &options->trace},
        {"sites=", &options->sites},
    };

    for (; *args != NULL; args++) {
        size_t i = 0;

        if (strcmp(*args, "memory=off") == 0) {
            explore_set_memory(false);
            continue;
        }
        if (strcmp(*args, "points=all") == 0) {
            threads_all_points = true;
            continue;
        }
        while (i < COUNT_OF(known) &&
               strncmp(*args, known[i].name, strlen(known[i].name)) != 0)
            i++;
        if (i == COUNT_OF(known))
            usage();
        *known[i].value = *args + strlen(known[i].name);
    }
    if (options->mutant != NULL)
        set_mutant(options->mutant);
}

int main(int argc, char **argv)
{
    struct options options = {0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    trail_init();
    threads_init();
    race_init();
    model_init();
    mutant_init();
    if (argc == 2 && strcmp(argv[1], "litmus") == 0)
        return all_litmus();
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < wmm_scenario_count; i++)
            printf("%s\n", wmm_scenarios[i].name);
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "run") == 0) {
        parse(&options, argv + 3);
        return one(find(argv[2]), &options);
    }
    if (argc >= 3 && strcmp(argv[1], "caught") == 0) {
        parse(&options, argv + 2);
        return until_caught(&options);
    }
    usage();
}
