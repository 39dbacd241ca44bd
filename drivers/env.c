/* Settings from outside: the table, files of lines, boot modules. */
#include "drivers/env.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/cmdline.h"
#include "kernel/base/options.h"
#include "kernel/device/driver.h"
#include "kernel/trace/trace.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/env.h>
#include <torc/errno.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { EXIT_BAD_SETTING = 2, LEFT_OUT = 1 };

/* CPU 0's while drivers look for devices; then constant. */
static struct {
    char *name; /* a block of the heap */
    char *value;
    unsigned rank;
} settings[ENV_COUNT_MAX];
static unsigned setting_count;
static const struct torc_app *application;

/* ---- The table ----------------------------------------------------------- */

static int find(const char *name)
{
    for (unsigned i = 0; i < setting_count; i++) {
        if (str_equal(settings[i].name, name))
            return (int)i;
    }
    return -1;
}

static const char *value_of(const char *name)
{
    int at = find(name);

    return at < 0 ? NULL : settings[at].value;
}

const char *env_get(const char *name)
{
    return machine_option(name);
}

bool env_at(unsigned index, const char **name, const char **value)
{
    if (index >= setting_count)
        return false;
    *name = settings[index].name;
    *value = settings[index].value;
    return true;
}

static bool name_is_good(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
            (c < '0' || c > '9') && c != '_' && c != '.' && c != '-')
            return false;
    }
    return len >= 1 && len <= ENV_NAME_MAX;
}

static bool value_is_good(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)value[i] < ' ' && value[i] != '\t')
            return false;
    }
    return len <= ENV_VALUE_MAX;
}

/* The options of the kernel, the trace and the drivers come from the command
 * line only: most are read before there are settings. */
static bool is_of_line(const char *name)
{
    const struct driver *const *driver =
        application == NULL ? NULL : application->drivers;

    if (option_row(kernel_options, name) != NULL ||
        option_row(trace_options, name) != NULL)
        return true;
    for (; driver != NULL && *driver != NULL; driver++) {
        if (option_row((*driver)->options, name) != NULL)
            return true;
    }
    return false;
}

/* What is declared of it. Returns 0, LEFT_OUT, -EINVAL. */
static int check(const char *source, const char *name, const char *value)
{
    const char *row =
        application == NULL ? NULL : option_row(application->options, name);

    if (row == NULL) {
        if (!is_of_line(name))
            return 0;
        log_warn("%s: %s= is ignored: it is read from the command line only",
                 source, name);
        return LEFT_OUT;
    }
    if (option_check(row, value) == 0)
        return 0;
    log_error("%s: %s= has a wrong value", source, name);
    return -EINVAL;
}

/* Name and value, each with a NUL, in one block. */
static char *copy(const char *name, size_t name_len, const char *value,
                  size_t value_len)
{
    char *block = mem_alloc(name_len + value_len + 2);

    if (block == NULL)
        return NULL;
    memcpy(block, name, name_len);
    block[name_len] = '\0';
    memcpy(block + name_len + 1, value, value_len);
    block[name_len + 1 + value_len] = '\0';
    return block;
}

int env_add(const char *source, unsigned rank, const char *name,
            size_t name_len, const char *value, size_t value_len)
{
    char *block;
    int status;
    int at;

    if (!name_is_good(name, name_len) || !value_is_good(value, value_len)) {
        log_warn("%s: no NAME=VALUE, or too long: left out", source);
        return 0;
    }
    block = copy(name, name_len, value, value_len);
    if (block == NULL)
        return -ENOMEM;
    status = check(source, block, block + name_len + 1);
    at = find(block);
    if (at < 0 && setting_count == ENV_COUNT_MAX)
        log_warn("%s: more than %u settings: %s is left out", source,
                 (unsigned)ENV_COUNT_MAX, block);
    if (status != 0 || (at < 0 && setting_count == ENV_COUNT_MAX) ||
        (at >= 0 && settings[at].rank < rank)) {
        mem_free(block);
        return status == LEFT_OUT ? 0 : status;
    }
    if (at < 0)
        at = (int)setting_count++;
    else
        mem_free(settings[at].name);
    settings[at].name = block;
    settings[at].value = block + name_len + 1;
    settings[at].rank = rank;
    return 0;
}

void env_forget(void)
{
    for (unsigned i = 0; i < setting_count; i++)
        mem_free(settings[i].name);
    setting_count = 0;
    application = NULL;
    machine_option_else(NULL);
}

void env_check(void)
{
    assert(setting_count <= ENV_COUNT_MAX);
    for (unsigned i = 0; i < setting_count; i++) {
        size_t len = str_len(settings[i].name, ENV_NAME_MAX + 1);

        assert(name_is_good(settings[i].name, len));
        assert(settings[i].value == settings[i].name + len + 1);
        assert(str_len(settings[i].value, ENV_VALUE_MAX + 1) <= ENV_VALUE_MAX);
        assert(find(settings[i].name) == (int)i);
    }
}

/* ---- Lines --------------------------------------------------------------- */

static int line_add(const char *source, unsigned rank, const char *line,
                    size_t len)
{
    size_t name_len = 0;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0 || line[0] == '#')
        return 0;
    while (name_len < len && line[name_len] != '=')
        name_len++;
    if (name_len == len)
        name_len = 0; /* no '=': no name */
    return env_add(source, rank, line, name_len, line + name_len + 1,
                   name_len == 0 ? 0 : len - name_len - 1);
}

int env_add_lines(const char *source, unsigned rank, const char *text,
                  size_t size)
{
    char place[48];
    unsigned number = 1;
    int status = 0;

    if (size > ENV_FILE_MAX) {
        log_warn("%s: longer than %u bytes: left out", source,
                 (unsigned)ENV_FILE_MAX);
        return 0;
    }
    for (size_t at = 0; at < size && status == 0; number++) {
        size_t len = 0;

        while (at + len < size && text[at + len] != '\n')
            len++;
        (void)fmt_print(place, sizeof(place), "%s, line %u", source, number);
        status = line_add(place, rank, text + at, len);
        at += len + 1;
    }
    return status;
}

/* ---- Sources ------------------------------------------------------------- */

static int modules_load(void)
{
    const struct hal_boot_info *info = boot_info();
    int status = 0;

    for (unsigned i = 0; i < info->module_count && status == 0; i++) {
        char source[24];

        if (!boot_module_has_settings(&info->module[i]))
            continue;
        (void)fmt_print(source, sizeof(source), "boot module %u", i);
        status = env_add_lines(source, ENV_MODULE + i,
                               (const char *)info->module[i].base,
                               info->module[i].size);
    }
    return status;
}

int env_load(const struct torc_app *app)
{
    int status;

    application = app;
    status = fw_cfg_load();
    if (status == 0)
        status = modules_load();
    machine_option_else(value_of);
    return status;
}

static int env_probe(void)
{
    int status = env_load(&torc_app);

    if (status == -EINVAL)
        machine_exit(EXIT_BAD_SETTING);
    if (setting_count > 0)
        log_debug("%u settings from outside", setting_count);
    return status;
}

const struct driver env_driver = {.name = "env", .probe = env_probe};
