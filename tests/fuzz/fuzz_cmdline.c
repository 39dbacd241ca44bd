/*
 * Fuzz the command line, and files of settings. The first byte of the input
 * chooses what application it is for, the rest is the line or the file.
 */
#include "drivers/env.h"
#include "kernel/base/cmdline.h"
#include "kernel/base/options.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/assert.h>
#include <torc/env.h>

enum { HAS_ARGUMENTS = 1, HAS_OPTIONS = 2, IS_SETTINGS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same words again, each quoted, behind "--": the same arguments. */
static void check_again(const struct torc_app *app)
{
    static char line[2 * CMDLINE_MAX];
    static char kept[CMDLINE_ARGS_MAX][CMDLINE_MAX];
    int count = cmdline_argc();
    size_t total = 3;

    for (int i = 1; i < count; i++) {
        total += strlen(cmdline_argv()[i]) + 3;
        if (total >= CMDLINE_MAX)
            return;
        strcpy(kept[i], cmdline_argv()[i]);
    }
    strcpy(line, "--");
    for (int i = 1; i < count; i++) {
        strcat(line, " \"");
        strcat(line, kept[i]);
        strcat(line, "\"");
    }
    assert(cmdline_parse(line, app) == 0);
    assert(cmdline_argc() == count);
    for (int i = 1; i < count; i++)
        assert(strcmp(cmdline_argv()[i], kept[i]) == 0);
}

/* The bytes as a file of settings: what is kept of it can be asked for. */
static void settings(const char *text, size_t size)
{
    static bool attached;
    const char *name;
    const char *value;

    if (!attached)
        machine_attach(8 << 20);
    attached = true;
    assert(cmdline_parse("", &torc_app) == 0);
    if (env_add_lines("fuzz", ENV_MODULE, text, size) != 0)
        abort();
    env_check();
    for (unsigned i = 0; env_at(i, &name, &value); i++)
        assert(strlen(name) <= ENV_NAME_MAX && strlen(value) <= ENV_VALUE_MAX);
    env_forget();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const options[] = {"port=1..65535 a", "root", "x=a|b",
                                          NULL};
    struct torc_app app = {.name = "fuzz"};
    char unknown[64];
    const char *value;
    uint64_t number = 5;
    char *line;

    if (size < 1)
        return 0;
    if ((data[0] & IS_SETTINGS) != 0) {
        settings((const char *)data + 1, size - 1);
        return 0;
    }
    app.has_arguments = (data[0] & HAS_ARGUMENTS) != 0;
    app.options = (data[0] & HAS_OPTIONS) != 0 ? options : NULL;
    line = malloc(size);
    memcpy(line, data + 1, size - 1);
    line[size - 1] = '\0';
    if (cmdline_parse(line, &app) == 0) {
        assert(cmdline_argc() >= 1 && cmdline_argc() <= CMDLINE_ARGS_MAX);
        assert(cmdline_argv()[cmdline_argc()] == NULL);
        value = machine_option("port");
        assert(value == NULL || strlen(value) < CMDLINE_MAX);
        if (option_number("threads", &number) == 0)
            assert(number >= 2 && number <= 1048576);
        assert(options_check(kernel_options) <= 0);
        assert(options_check(app.options) <= 0);
        for (unsigned i = 0; cmdline_value("virtio_mmio.device", i); i++)
            assert(i < CMDLINE_ARGS_MAX);
        assert(cmdline_unknown(unknown, sizeof(unknown)) <= CMDLINE_ARGS_MAX);
        assert(strlen(unknown) < sizeof(unknown));
        check_again(&app);
    }
    free(line);
    return 0;
}
