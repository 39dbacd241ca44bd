/* Commands of the shell itself. */
#include "apps/shell/shell.h"
#include <torc/compiler.h>
#include <torc/string.h>

const struct command *const shell_commands[] = {
    builtin_commands, file_commands, disk_commands,
    system_commands,  net_commands,  NULL,
};

static void help_one(struct shell *shell, const struct command *command)
{
    shell_print(shell, "  %-8s %-26s %s\n", command->name, command->arguments,
                command->help);
}

static int help(struct shell *shell, int argc, char **argv)
{
    bool is_found = argc == 1;

    for (unsigned i = 0; shell_commands[i] != NULL; i++) {
        for (const struct command *command = shell_commands[i];
             command->name != NULL; command++) {
            if (argc > 1 && !str_equal(command->name, argv[1]))
                continue;
            is_found = true;
            help_one(shell, command);
        }
    }
    return is_found ? 0 : -ENOENT;
}

static int echo(struct shell *shell, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (i > 1)
            shell_write(shell, " ", 1);
        shell_write(shell, argv[i], strlen(argv[i]));
    }
    shell_write(shell, "\n", 1);
    return 0;
}

static int run(struct shell *shell, int argc, char **argv)
{
    int status = shell_file(shell, argv[1]);

    (void)argc;
    return status < 0 ? shell_fail(shell, argv[1], status) : status;
}

static int history(struct shell *shell, int argc, char **argv)
{
    const struct line *line = &shell->line;
    unsigned i = line->history_count < LINE_HISTORY
                     ? 0
                     : line->history_count - LINE_HISTORY;

    (void)argc;
    (void)argv;
    for (; i < line->history_count; i++) {
        const char *text = line->history[i % LINE_HISTORY];

        shell_print(shell, "%5u  ", i + 1);
        shell_write(shell, text, strlen(text));
        shell_write(shell, "\n", 1);
    }
    return 0;
}

static int leave(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    shell->leaves = true;
    return 0;
}

const struct command builtin_commands[] = {
    {"help", "[COMMAND]", "what commands there are", 0, 1, help},
    {"echo", "[WORD...]", "say words", 0, 31, echo},
    {"run", "FILE", "execute the lines of a file until one fails", 1, 1, run},
    {"history", "", "the lines before", 0, 0, history},
    {"exit", "", "end this session", 0, 0, leave},
    {NULL, NULL, NULL, 0, 0, NULL},
};
