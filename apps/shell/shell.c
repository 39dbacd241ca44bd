/* Sessions: see shell.h. */
#include "apps/shell/shell.h"
#include "apps/shell/words.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { STOP = 3, FILE_PIECE = 256 };

/* ---- Output -------------------------------------------------------------- */

static void terminal_write(struct shell *shell, const char *text, size_t len)
{
    shell->terminal.write(shell->terminal.ctx, text, len);
}

void shell_write(struct shell *shell, const char *text, size_t len)
{
    int64_t done;

    if (shell->target == NULL) {
        terminal_write(shell, text, len);
        return;
    }
    done = file_write(shell->target, text, len);
    if (done != (int64_t)len && shell->target_error == 0)
        shell->target_error = done < 0 ? (int)done : -ENOSPC;
}

void shell_print(struct shell *shell, const char *format, ...)
{
    char text[SHELL_PRINT_MAX];
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(text, sizeof(text), format, args);
    va_end(args);
    shell_write(shell, text, len < sizeof(text) ? len : sizeof(text) - 1);
}

int shell_say(struct shell *shell, const char *format, ...)
{
    char text[SHELL_PRINT_MAX];
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(text, sizeof(text), format, args);
    va_end(args);
    terminal_write(shell, text, len < sizeof(text) ? len : sizeof(text) - 1);
    return SHELL_SAID;
}

int shell_fail(struct shell *shell, const char *what, int error)
{
    return shell_say(shell, "%.*s: %s\n", SHELL_PRINT_MAX / 2, what,
                     error_text(error));
}

/* ---- Input --------------------------------------------------------------- */

/* Read what has come until then, as far as there is room. Returns 0, -EAGAIN
 * (nothing has), another error: the input has ended. */
static int typed_read(struct shell *shell, uint64_t deadline_ns)
{
    uint8_t bytes[SHELL_TYPED];
    size_t room = SHELL_TYPED - shell->typed_count;
    int64_t got;

    assert(room > 0);
    if (shell->has_ended)
        return -EPIPE;
    got = shell->terminal.read(shell->terminal.ctx, bytes, room, deadline_ns);
    if (got == -EAGAIN)
        return -EAGAIN;
    if (got <= 0) {
        shell->has_ended = true;
        return -EPIPE;
    }
    for (int64_t i = 0; i < got; i++)
        shell
            ->typed[(shell->typed_first + shell->typed_count++) % SHELL_TYPED] =
            bytes[i];
    return 0;
}

/* Whether Ctrl-C is among what was typed: it and all before it go. */
static bool typed_stops(struct shell *shell)
{
    for (size_t i = shell->typed_count; i > 0; i--) {
        size_t at = (shell->typed_first + i - 1) % SHELL_TYPED;

        if (shell->typed[at] == STOP) {
            shell->typed_first = (at + 1) % SHELL_TYPED;
            shell->typed_count -= i;
            return true;
        }
    }
    return false;
}

bool shell_wait(struct shell *shell, uint64_t deadline_ns)
{
    int status = 0;

    while (status == 0) {
        if (typed_stops(shell))
            return true;
        if (shell->typed_count == SHELL_TYPED)
            break; /* nothing is lost, but Ctrl-C waits */
        status = typed_read(shell, deadline_ns);
    }
    if (status != -EAGAIN)
        thread_sleep_until(deadline_ns);
    return false;
}

bool shell_stopped(struct shell *shell)
{
    thread_yield();
    return shell_wait(shell, 0);
}

/* The next byte, or -EPIPE. */
static int next_byte(struct shell *shell)
{
    int byte;

    if (shell->typed_count == 0 && typed_read(shell, TIME_NEVER) != 0)
        return -EPIPE;
    byte = shell->typed[shell->typed_first];
    shell->typed_first = (shell->typed_first + 1) % SHELL_TYPED;
    shell->typed_count--;
    return byte;
}

/* ---- Commands ------------------------------------------------------------ */

static const struct command *command_find(const char *name)
{
    for (unsigned i = 0; shell_commands[i] != NULL; i++) {
        for (const struct command *command = shell_commands[i];
             command->name != NULL; command++) {
            if (str_equal(command->name, name))
                return command;
        }
    }
    return NULL;
}

static int command_run(struct shell *shell, const struct words *words)
{
    const struct command *command = command_find(words->word[0]);
    int status;

    if (command == NULL)
        return shell_say(shell, "%.100s: no such command; help lists them\n",
                         words->word[0]);
    if (words->count - 1 < command->min || words->count - 1 > command->max)
        return shell_say(shell, "usage: %s %s\n", command->name,
                         command->arguments);
    status = command->run(shell, words->count, (char **)words->word);
    if (status < 0)
        status = shell_fail(shell, command->name, status);
    return status;
}

/* With its output in a file; those of files that it runs, too. */
static int command_to_file(struct shell *shell, const struct words *words)
{
    struct file *outer = shell->target;
    int outer_error = shell->target_error;
    int status = file_open(words->target,
                           FILE_WRITE | FILE_CREATE |
                               (words->appends ? FILE_APPEND : FILE_TRUNCATE),
                           0644, &shell->target);

    if (status != 0)
        return shell_fail(shell, words->target, status);
    shell->target_error = 0;
    status = words->count == 0 ? 0 : command_run(shell, words);
    file_close(shell->target);
    if (shell->target_error != 0)
        status = shell_fail(shell, words->target, shell->target_error);
    shell->target = outer;
    shell->target_error = outer_error;
    return status;
}

int shell_line(struct shell *shell, char *line)
{
    do {
        struct words words;
        int status = words_cut(&line, &words);

        if (status != 0)
            shell->status = shell_fail(
                shell, status == -E2BIG ? "the command" : "the line", status);
        else if (words.target != NULL)
            shell->status = command_to_file(shell, &words);
        else if (words.count > 0)
            shell->status = command_run(shell, &words);
        if (status != 0)
            break;
    } while (line != NULL && !shell->leaves);
    return shell->status;
}

/* ---- Files of lines ------------------------------------------------------ */

struct lines {
    struct file *file;
    char piece[FILE_PIECE];
    size_t at, count;
    char line[LINE_SIZE];
};

/* The next line, without its end. Returns 1, 0 (there is none), -EMSGSIZE (it
 * is too long), or as file_read(). */
static int lines_next(struct lines *lines)
{
    size_t len = 0;

    for (;;) {
        char c;

        if (lines->at == lines->count) {
            int64_t got =
                file_read(lines->file, lines->piece, sizeof(lines->piece));

            lines->at = lines->count = 0;
            if (got < 0)
                return (int)got;
            lines->count = (size_t)got;
            if (got == 0) {
                lines->line[len] = '\0';
                return len > 0;
            }
        }
        c = lines->piece[lines->at++];
        if (c == '\n') {
            lines->line[len] = '\0';
            return 1;
        }
        if (c == '\0')
            return -EINVAL; /* no text */
        if (len == LINE_SIZE - 1)
            return -EMSGSIZE;
        if (c != '\r')
            lines->line[len++] = c;
    }
}

static int lines_run(struct shell *shell, struct lines *lines)
{
    int status;

    shell->depth++;
    do {
        shell->status = 0; /* an empty line is none that fails */
        status = lines_next(lines);
        if (status == 1)
            (void)shell_line(shell, lines->line);
    } while (status == 1 && shell->status == 0 && !shell->leaves &&
             !shell_stopped(shell));
    shell->depth--;
    return status < 0 ? status : shell->status;
}

int shell_file(struct shell *shell, const char *path)
{
    struct lines *lines;
    int status;

    if (shell->depth == SHELL_DEPTH_MAX)
        return -ELOOP;
    lines = mem_alloc_zeroed(sizeof(*lines));
    if (lines == NULL)
        return -ENOMEM;
    status = file_open(path, FILE_READ, 0, &lines->file);
    if (status == 0) {
        status = lines_run(shell, lines);
        file_close(lines->file);
    }
    mem_free(lines);
    return status;
}

/* ---- Sessions ------------------------------------------------------------ */

static void line_write(void *ctx, const char *text, size_t len)
{
    terminal_write(ctx, text, len);
}

static const struct line_ops ops = {
    .write = line_write, .complete = shell_complete, .list = shell_candidates};

void shell_init(struct shell *shell, const struct terminal *terminal)
{
    memset(shell, 0, sizeof(*shell));
    shell->terminal = *terminal;
    line_init(&shell->line, &ops, shell);
}

/* The working directory; of a long one the end, from a character's begin on. */
static void prompt(char out[LINE_PROMPT])
{
    char path[FILE_PATH_MAX / 8];
    int64_t len = file_getcwd(path, sizeof(path));
    int64_t from;

    if (len < 0) {
        (void)str_copy(out, LINE_PROMPT, "?> ");
        return;
    }
    from = len > LINE_PROMPT - 3 ? len - (LINE_PROMPT - 3) : 0;
    while (((uint8_t)path[from] & 0xc0) == 0x80)
        from++;
    fmt_print(out, LINE_PROMPT, "%s> ", path + from);
}

static enum line_event line_read(struct shell *shell)
{
    enum line_event event = LINE_MORE;
    char text[LINE_PROMPT];

    prompt(text);
    line_begin(&shell->line, text);
    while (event == LINE_MORE) {
        int byte = next_byte(shell);

        event = byte < 0 ? LINE_END : line_byte(&shell->line, (uint8_t)byte);
    }
    return event;
}

void shell_session(struct shell *shell)
{
    while (!shell->leaves) {
        enum line_event event = line_read(shell);

        if (event == LINE_END)
            return;
        if (event == LINE_DROPPED)
            continue;
        memcpy(shell->command, shell->line.text, shell->line.len + 1);
        (void)shell_line(shell, shell->command);
    }
}
