#include "tests/qtest/program.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <torc/assert.h>
#include <unistd.h>

static const char *program; /* its path */
static bool no_model;       /* nothing is compared */
static bool show;
static bool is_filtered; /* not all tests run */

/* Both transcripts are kept in files when they differ. */
static void compare(const struct transcript *model,
                    const struct transcript *qemu)
{
    char line_model[120], line_qemu[120];
    char path_model[200], path_qemu[200];

    if (!transcript_differ(model, qemu, line_model, line_qemu,
                           sizeof(line_model)))
        return;
    snprintf(path_model, sizeof(path_model), "%s.model.txt", program);
    snprintf(path_qemu, sizeof(path_qemu), "%s.qemu.txt", program);
    transcript_save(model, path_model);
    transcript_save(qemu, path_qemu);
    fail_msg("they differ:\n    the model: %s\n    QEMU:      %s\n"
             "    diff %s %s",
             line_model, line_qemu, path_model, path_qemu);
}

static void run(const struct program_test *test)
{
    struct transcript model = {.text = NULL};
    struct transcript qemu = {.text = NULL};

    if (!no_model)
        test->model(test->arg, &model);
    test->qemu(test->arg, &qemu);
    if (show && qemu.text != NULL)
        fputs(qemu.text, stdout);
    if (!no_model)
        compare(&model, &qemu);
    transcript_free(&model);
    transcript_free(&qemu);
}

/* ---- Processes ----------------------------------------------------------- */

/*
 * Each test runs in a process of its own: what fails leaves a machine and a
 * QEMU behind, and fails on any stack. The process ends then
 * (CMOCKA_TEST_ABORT), and QEMU with it. A test waits for QEMU most of the
 * time, so AHEAD of them are started before it is their turn.
 */
enum { AHEAD = 3 };

static const struct program_test *tests;
static size_t test_count;
static size_t started;
static struct {
    pid_t process;
    FILE *output;
} children[PROGRAM_TESTS_MAX];

static void start(size_t i)
{
    fflush(NULL);
    children[i].output = tmpfile();
    assert_non_null(children[i].output);
    children[i].process = fork();
    if (children[i].process != 0)
        return;
    dup2(fileno(children[i].output), STDOUT_FILENO);
    dup2(fileno(children[i].output), STDERR_FILENO);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    run(&tests[i]);
    exit(0);
}

static void output_show(FILE *output)
{
    char line[512];

    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        fputs(line, stdout);
    fclose(output);
}

static void test_run(void **state)
{
    size_t i = (size_t)((const struct program_test *)*state - tests);
    size_t end = is_filtered || i + AHEAD > test_count ? i + 1 : i + AHEAD;
    int status;

    for (started = started > i ? started : i; started < end; started++)
        start(started);
    assert_int_equal(waitpid(children[i].process, &status, 0),
                     children[i].process);
    output_show(children[i].output);
    assert_int_equal(status, 0);
}

int program_main(int argc, char **argv, const struct program_test *all_tests,
                 size_t count)
{
    struct CMUnitTest all[PROGRAM_TESTS_MAX];

    assert(count <= PROGRAM_TESTS_MAX);
    program = argv[0];
    tests = all_tests;
    test_count = count;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-model") == 0)
            no_model = true;
        else if (strcmp(argv[i], "--show") == 0)
            show = true;
        else
            cmocka_set_test_filter(argv[i]);
        is_filtered = is_filtered || argv[i][0] != '-';
    }
    for (size_t i = 0; i < count; i++)
        all[i] = (struct CMUnitTest){.name = tests[i].name,
                                     .test_func = test_run,
                                     .initial_state = (void *)&tests[i]};
    return _cmocka_run_group_tests(argv[0], all, count, NULL, NULL);
}
