/* Settings from outside: QEMU's fw_cfg against a model, boot modules, lines. */
#include "drivers/env.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/kernel/simbus.h"
#include "kernel/base/cmdline.h"
#include "kernel/device/device.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/models/breach.h"
#include "tests/models/fw_cfg_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/drivers.h>
#include <torc/env.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/trace.h>
#include <unistd.h>

enum { MODULES_MAX = 3 };

static const char *const options[] = {"port=1..65535 a port", "mode=on|off a",
                                      NULL};
static const struct driver *const drivers[] = {&virtio_rng_driver, &ide_driver,
                                               &env_driver, NULL};
static const struct torc_app app = {
    .name = "app", .options = options, .drivers = drivers};
static struct fw_cfg_model model;
static char paths[MODULES_MAX][64];

static void fresh(void)
{
    sim_reset();
    memset(&model, 0, sizeof(model));
    console_forget();
}

/* A machine with a command line and boot modules of these texts. */
static void start(const char *cmdline, const char *const texts[],
                  unsigned count)
{
    const char *names[MODULES_MAX];
    struct host_config config = {
        .cpus = 1,
        .mem_bytes = 16 << 20,
        .cmdline = cmdline,
        .quiet = true,
        .fill = true,
        .modules = names,
        .module_count = count,
    };

    for (unsigned i = 0; i < count; i++) {
        FILE *file;

        snprintf(paths[i], sizeof(paths[i]), "/tmp/torc_env.%d.%u",
                 (int)getpid(), i);
        file = fopen(paths[i], "w");
        assert_non_null(file);
        assert_int_equal(fwrite(texts[i], strlen(texts[i]), 1, file), 1);
        assert_int_equal(fclose(file), 0);
        names[i] = paths[i];
    }
    machine_attach_config(&config);
    for (unsigned i = 0; i < count; i++)
        unlink(paths[i]);
    assert_int_equal(cmdline_parse(cmdline, &app), 0);
}

static void finish(void)
{
    env_check();
    env_forget();
    machine_detach();
}

static void expect(const char *name, const char *value)
{
    const char *got = env_get(name);

    if (value == NULL ? got != NULL : got == NULL || strcmp(got, value) != 0)
        fail_msg("%s is %s and not %s", name, got == NULL ? "nothing" : got,
                 value == NULL ? "nothing" : value);
}

static unsigned count_settings(void)
{
    const char *name;
    const char *value;
    unsigned count = 0;

    while (env_at(count, &name, &value))
        count++;
    return count;
}

/* ---- Files of QEMU ------------------------------------------------------- */

static void test_fw_cfg(void **state)
{
    (void)state;
    for (unsigned dma = 0; dma < 2; dma++) {
        fresh();
        model.has_dma = dma != 0;
        fw_cfg_model_add(&model, "etc/e820", "not ours");
        fw_cfg_model_add(&model, "opt/torc/port", "8080");
        fw_cfg_model_add(&model, "opt/torc/motd", "good morning\n");
        fw_cfg_model_add(&model, "opt/torc/empty", "");
        fw_cfg_model_add(&model, "opt/torc/", "no name");
        fw_cfg_model_add(&model, "opt/torcx", "not ours");
        fw_cfg_model_plug(&model);
        start("", NULL, 0);
        assert_int_equal(env_load(&app), 0);
        expect("port", "8080");
        expect("motd", "good morning");
        expect("empty", "");
        expect("nothing", NULL);
        assert_string_equal(machine_option("port"), "8080");
        assert_int_equal(count_settings(), 3);
        assert_true(console_has("fw_cfg: no NAME=VALUE, or too long"));
        if (dma != 0)
            assert_int_equal(model.byte_count, 12); /* what it is, how many */
        assert_int_equal(model.dma_count, dma != 0 ? 4 : 0);
        finish();
    }
}

/* No device, another one, one that breaks. */
static void test_fw_cfg_faults(void **state)
{
    static const struct {
        const char *name;
        bool plugged, other, fails;
        unsigned hangs;
        uint32_t extra;
        const char *says;
    } rows[] = {
        {"none", false, false, false, 0, 0, NULL},
        {"another", true, true, false, 0, 0, NULL},
        {"an error", true, false, true, 0, 0, "does not answer"},
        {"no end", true, false, false, 1, 0, "does not answer"},
        {"files without end", true, false, false, 0, UINT32_MAX - 1,
         "does not answer"},
        {"1025 files", true, false, false, 0, 1024, "does not answer"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fresh();
        model.has_dma = true;
        model.is_other = rows[i].other;
        model.dma_fails = rows[i].fails;
        model.dma_hangs = rows[i].hangs;
        model.extra = rows[i].extra;
        fw_cfg_model_add(&model, "opt/torc/port", "8080");
        if (rows[i].plugged)
            fw_cfg_model_plug(&model);
        start("", NULL, 0);
        ROW(rows[i].name, env_load(&app) == 0);
        ROW(rows[i].name, count_settings() == 0);
        ROW(rows[i].name, console_has("fw_cfg: ") == (rows[i].says != NULL));
        if (rows[i].says != NULL)
            ROW(rows[i].name, console_has(rows[i].says));
        if (rows[i].hangs != 0)
            fw_cfg_model_late(&model);
        finish();
    }
}

/* A file that does not come: those before it are kept, and its memory is the
 * device's for ever. */
static void test_fw_cfg_late(void **state)
{
    (void)state;
    fresh();
    model.has_dma = true;
    model.dma_hangs = 3; /* after the directory and the first file */
    fw_cfg_model_add(&model, "opt/torc/port", "8080");
    fw_cfg_model_add(&model, "opt/torc/x", "1");
    fw_cfg_model_add(&model, "opt/torc/y", "2");
    fw_cfg_model_plug(&model);
    start("", NULL, 0);
    assert_int_equal(env_load(&app), 0);
    assert_true(console_has("does not answer: no more settings from it"));
    expect("port", "8080");
    assert_int_equal(count_settings(), 1);
    fw_cfg_model_late(&model);
    finish();
}

/* Sizes and names around their limits; entries behind the last are zero. */
static void test_fw_cfg_hostile_files(void **state)
{
    static char text[ENV_FILE_MAX + 2];
    char name[FW_CFG_MODEL_NAME + 1];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    fresh();
    model.extra = 1000;
    fw_cfg_model_add(&model, "opt/torc/large", text);
    text[ENV_FILE_MAX] = '\0';
    fw_cfg_model_add(&model, "opt/torc/long", text);
    memset(name, 'n', sizeof(name));
    memcpy(name, "opt/torc/", 9);
    name[FW_CFG_MODEL_NAME] = '\0';
    fw_cfg_model_add(&model, name, "no NUL");
    name[FW_CFG_MODEL_NAME - 1] = '\0';
    fw_cfg_model_add(&model, name, "the longest");
    fw_cfg_model_add(&model, "opt/torc/a b", "a blank");
    fw_cfg_model_add(&model, "opt/torc/nul", "x");
    model.file[model.count - 1].data = "a\0b";
    model.file[model.count - 1].size = 3;
    fw_cfg_model_plug(&model);
    start("", NULL, 0);
    assert_int_equal(env_load(&app), 0);
    assert_int_equal(count_settings(), 1);
    expect(name + 9, "the longest");
    assert_true(console_has("fw_cfg: large is longer than 65536 bytes"));
    finish();
}

/* ---- Boot modules -------------------------------------------------------- */

static void test_modules(void **state)
{
    static const char *const texts[] = {
        "#torc settings\n"
        "one=1\r\n"
        "\n"
        "# a comment=x\n"
        "two=a=b \"c\"\n"
        "one=again\n"
        "no sign\n"
        "=no name\n"
        "bell=\a\n"
        "three=3",
        "#torc settingsx\none=2\n",
        "#torc settings\r\none=3\nfour=4\n",
    };

    (void)state;
    fresh();
    start("", texts, 3);
    assert_int_equal(env_load(&app), 0);
    expect("one", "again");
    expect("two", "a=b \"c\"");
    expect("three", "3");
    expect("four", "4");
    assert_int_equal(count_settings(), 4);
    assert_true(console_has("boot module 0, line 7: no NAME=VALUE"));
    assert_true(console_has("boot module 0, line 8: no NAME=VALUE"));
    assert_true(console_has("boot module 0, line 9: no NAME=VALUE"));
    /* They are no disks. */
    assert_int_equal(ramdisk_driver.probe(), 0);
    assert_null(device_by_name("rda"));
    assert_true(console_has("boot module 1 is smaller than a sector"));
    assert_false(console_has("boot module 2 is smaller"));
    finish();
}

/* ---- Who wins ------------------------------------------------------------ */

static void test_precedence(void **state)
{
    static const char *const texts[] = {
        "#torc settings\nport=4\nmode=off\nx=4\ny=4\nz=4\n",
        "#torc settings\nz=5\nw=5\n"};

    (void)state;
    fresh();
    fw_cfg_model_add(&model, "opt/torc/env", "port=3\nx=3\ny=3\nx=33\n");
    fw_cfg_model_add(&model, "opt/torc/port", "2");
    fw_cfg_model_add(&model, "opt/torc/x", "2");
    fw_cfg_model_plug(&model);
    start("port=1", texts, 2);
    assert_int_equal(env_load(&app), 0);
    expect("port", "1");
    expect("x", "2");
    expect("y", "3");
    expect("z", "4");
    expect("w", "5");
    expect("mode", "off");
    finish();
    /* Without a line. */
    start("", NULL, 0);
    assert_int_equal(env_load(&app), 0);
    expect("port", "2");
    finish();
    expect("x", NULL);
}

/* What the application declares is checked; what others do is left out. */
static void test_checks(void **state)
{
    struct trace_header header;

    (void)state;
    fresh();
    fw_cfg_model_add(&model, "opt/torc/log", "debug");
    fw_cfg_model_add(&model, "opt/torc/ide", "foo");
    fw_cfg_model_add(&model, "opt/torc/trace_dump", "foo");
    fw_cfg_model_add(&model, "opt/torc/port", "70000");
    fw_cfg_model_plug(&model);
    start("", NULL, 0);
    assert_int_equal(trace_header_get(&header), -ENODATA); /* it is linked */
    assert_int_equal(env_load(&app), -EINVAL);
    assert_true(console_has("fw_cfg: log= is ignored: it is read from the "
                            "command line only"));
    assert_true(console_has("fw_cfg: ide= is ignored: it is read from the "
                            "command line only"));
    assert_true(console_has("fw_cfg: trace_dump= is ignored"));
    expect("log", NULL);
    expect("ide", NULL);
    assert_int_equal(count_settings(), 0);
    assert_true(
        console_has("error: port=70000: give a number from 1 to 65535"));
    assert_true(console_has("error: fw_cfg: port= has a wrong value"));
    finish();
}

static int unreachable(void *arg)
{
    (void)arg;
    return 7;
}

/* A setting that may not be ends the machine as a word of the line does; and
 * the driver finds no device. */
static void test_driver(void **state)
{
    char output[4096];

    (void)state;
    fresh();
    machine_drivers[0] = &env_driver;
    assert_int_equal(machine_run_output(1, 8 << 20, "log=debug", unreachable,
                                        NULL, output, sizeof(output)),
                     7);
    assert_null(strstr(output, "settings"));
    fw_cfg_model_add(&model, "opt/torc/x", "1");
    fw_cfg_model_plug(&model);
    assert_int_equal(machine_run_output(1, 8 << 20, "log=debug", unreachable,
                                        NULL, output, sizeof(output)),
                     7);
    assert_non_null(strstr(output, "1 settings from outside"));
    machine_drivers[0] = NULL;
}

/* ---- Limits -------------------------------------------------------------- */

static int add(const char *name, size_t value_len)
{
    static char value[ENV_VALUE_MAX + 1];

    memset(value, 'v', sizeof(value));
    return env_add("test", ENV_MODULE, name, strlen(name), value, value_len);
}

static void test_limits(void **state)
{
    char name[ENV_NAME_MAX + 2];

    (void)state;
    fresh();
    start("", NULL, 0);
    memset(name, 'n', sizeof(name));
    name[ENV_NAME_MAX + 1] = '\0';
    assert_int_equal(add(name, 1), 0);
    assert_int_equal(count_settings(), 0);
    assert_int_equal(add(name + 1, ENV_VALUE_MAX + 1), 0);
    assert_int_equal(count_settings(), 0);
    assert_int_equal(add(name + 1, ENV_VALUE_MAX), 0);
    assert_int_equal(count_settings(), 1);
    assert_int_equal(add("AZaz09_.-", 0), 0);
    for (unsigned i = 2; i < ENV_COUNT_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(add(name, 3), 0);
    }
    assert_int_equal(count_settings(), ENV_COUNT_MAX);
    assert_false(console_has("more than 128 settings"));
    assert_int_equal(add("more", 3), 0);
    assert_true(console_has("test: more than 128 settings: more is left out"));
    assert_int_equal(add("n2", 4), 0); /* one that is there */
    assert_int_equal(count_settings(), ENV_COUNT_MAX);
    assert_int_equal(env_add_lines("test", ENV_MODULE, "", ENV_FILE_MAX + 1),
                     0);
    assert_true(console_has("test: longer than 65536 bytes: left out"));
    finish();
}

/* Each allocation fails once; nothing is lost or left. */
static void test_out_of_memory(void **state)
{
    static const char *const texts[] = {"#torc settings\na=1\nb=2\n"};
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        int status;

        assert_true(n < 30);
        fresh();
        model.has_dma = true;
        fw_cfg_model_add(&model, "opt/torc/x", "1");
        fw_cfg_model_plug(&model);
        start("", texts, 1);
        heap_fail(n);
        status = env_load(&app);
        failed = heap_failed();
        heap_fail(0);
        assert_int_equal(status, failed ? -ENOMEM : 0);
        finish();
    }
}

/* Random lines: what is kept is a setting. */
static void test_random_lines(void **state)
{
    static const char letters[] = "ab=\n\r# \t\"\0\x7f\xff";
    char text[200];

    (void)state;
    fresh();
    start("", NULL, 0);
    for (unsigned seed = 0; seed < 3000; seed++) {
        size_t size;

        srand(seed);
        size = (size_t)rand() % sizeof(text);
        for (size_t i = 0; i < size; i++)
            text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        assert_int_equal(env_add_lines("random", ENV_MODULE, text, size), 0);
        env_check();
        env_forget();
    }
    finish();
}

/* ---- The model ----------------------------------------------------------- */

static void read_two_bytes(void *arg)
{
    struct hal_io io;

    (void)arg;
    assert_int_equal(hal_io_map(HAL_IO_PORT, 0x510, 12, &io), 0);
    (void)hal_io_read16(io, 1);
}

static void select_nothing(void *arg)
{
    struct hal_io io;

    (void)arg;
    assert_int_equal(hal_io_map(HAL_IO_PORT, 0x510, 12, &io), 0);
    hal_io_write16(io, 0, 0x77);
    (void)hal_io_read8(io, 1);
}

static void command_nowhere(void *arg)
{
    struct hal_io io;

    (void)arg;
    assert_int_equal(hal_io_map(HAL_IO_PORT, 0x510, 12, &io), 0);
    hal_io_write32(io, 8, 0x10);
}

static void test_model_is_strict(void **state)
{
    (void)state;
    fresh();
    model.has_dma = true;
    fw_cfg_model_plug(&model);
    start("", NULL, 0);
    assert_true(model_breaches(read_two_bytes, NULL, "a read of 2 bytes"));
    assert_true(model_breaches(select_nothing, NULL, "not there"));
    assert_true(model_breaches(command_nowhere, NULL, "not in memory"));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fw_cfg),
        cmocka_unit_test(test_fw_cfg_faults),
        cmocka_unit_test(test_fw_cfg_late),
        cmocka_unit_test(test_fw_cfg_hostile_files),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_driver),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_random_lines),
        cmocka_unit_test(test_model_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
