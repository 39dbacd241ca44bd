/*
 * torc-symbols IMAGE [--lines]: print the tables of a linked image's functions,
 * and of its lines, as assembly. kernel/base/symbols.c tells what they look
 * like.
 */
#include "tools/symbols/symbols.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "torc-symbols: %s\n", what);
    exit(1);
}

static void *grown(void *ptr, size_t size)
{
    ptr = realloc(ptr, size);
    if (ptr == NULL)
        fail("no memory");
    return ptr;
}

unsigned image_file(struct image *image, const char *path)
{
    for (size_t i = 0; i < image->file_count; i++) {
        if (strcmp(image->files[i], path) == 0)
            return (unsigned)i;
    }
    image->files =
        grown(image->files, (image->file_count + 1) * sizeof(*image->files));
    image->files[image->file_count] = strdup(path);
    return (unsigned)image->file_count++;
}

void image_row(struct image *image, uint64_t address, unsigned file,
               unsigned line, bool is_statement)
{
    if (image->row_count == image->row_room) {
        image->row_room = image->row_room * 2 + 1024;
        image->rows =
            grown(image->rows, image->row_room * sizeof(*image->rows));
    }
    image->rows[image->row_count] = (struct row){
        address, file, line, (unsigned)image->row_count, is_statement};
    image->row_count++;
}

/* ---- The ELF file -------------------------------------------------------- */

static struct section file_read(const char *path)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data;
    long size;

    if (in == NULL || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < 0)
        fail("the image cannot be read");
    rewind(in);
    data = grown(NULL, (size_t)size + 1);
    if (fread(data, 1, (size_t)size, in) != (size_t)size)
        fail("the image cannot be read");
    fclose(in);
    return (struct section){data, (size_t)size};
}

static int by_address(const void *left, const void *right)
{
    const struct function *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_row(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if ((a->file == NO_FILE) != (b->file == NO_FILE))
        return a->file == NO_FILE ? -1 : 1; /* where one function ends */
    if (a->is_statement != b->is_statement)
        return a->is_statement ? 1 : -1; /* as gdb has it */
    return a->order < b->order ? -1 : 1;
}

static void functions_read(struct image *image, const struct section *file,
                           const Elf64_Shdr *headers, unsigned count,
                           const Elf64_Shdr *table)
{
    const Elf64_Sym *symbols =
        (const Elf64_Sym *)(const void *)(file->data + table->sh_offset);
    const char *names =
        (const char *)file->data + headers[table->sh_link].sh_offset;
    size_t symbol_count = table->sh_size / sizeof(*symbols);

    image->functions =
        grown(NULL, (symbol_count + 1) * sizeof(*image->functions));
    for (size_t i = 0; i < symbol_count; i++) {
        const Elf64_Shdr *section;
        const char *name = names + symbols[i].st_name;
        unsigned type = ELF64_ST_TYPE(symbols[i].st_info);
        uint64_t end;

        if (symbols[i].st_shndx == 0 || symbols[i].st_shndx >= count ||
            name[0] == 0 || name[0] == '.' ||
            (type != STT_FUNC && type != STT_NOTYPE))
            continue;
        section = &headers[symbols[i].st_shndx];
        if (!(section->sh_flags & SHF_EXECINSTR))
            continue;
        end = section->sh_addr + section->sh_size;
        if (end > image->text_end)
            image->text_end = end;
        image->functions[image->function_count++] =
            (struct function){symbols[i].st_value, name};
    }
    qsort(image->functions, image->function_count, sizeof(*image->functions),
          by_address);
}

static void image_read(struct image *image, const char *path)
{
    struct section file = file_read(path);
    const Elf64_Ehdr *elf = (const Elf64_Ehdr *)(const void *)file.data;
    const Elf64_Shdr *headers;
    const char *names;

    if (file.size < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
        elf->e_shoff + elf->e_shnum * sizeof(*headers) > file.size)
        fail("the image is no ELF file");
    headers = (const Elf64_Shdr *)(const void *)(file.data + elf->e_shoff);
    names = (const char *)file.data + headers[elf->e_shstrndx].sh_offset;
    for (unsigned i = 0; i < elf->e_shnum; i++) {
        const char *name = names + headers[i].sh_name;
        struct section section = {file.data + headers[i].sh_offset,
                                  headers[i].sh_size};

        if (strcmp(name, ".debug_line") == 0)
            image->line = section;
        else if (strcmp(name, ".debug_line_str") == 0)
            image->line_str = section;
        else if (strcmp(name, ".debug_str") == 0)
            image->str = section;
        else if (headers[i].sh_type == SHT_SYMTAB)
            functions_read(image, &file, headers, elf->e_shnum, &headers[i]);
    }
    if (image->function_count == 0)
        fail("the image has no functions");
    lines_read(image);
    qsort(image->rows, image->row_count, sizeof(*image->rows), by_row);
}

/* The row that an address belongs to, or NULL. */
static const struct row *row_of(const struct image *image, uint64_t address)
{
    size_t low = 0, high = image->row_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (image->rows[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || image->rows[low - 1].file == NO_FILE)
        return NULL;
    return &image->rows[low - 1];
}

/* ---- Tables -------------------------------------------------------------- */

static void byte(unsigned value)
{
    static unsigned column;

    printf("%s%u", column++ % 16 == 0 ? "\n.byte " : ",", value & 0xff);
}

static void label(const char *name)
{
    printf("\n.globl %s\n%s:\n.byte ", name, name);
}

/* After a label a first byte is needed, since the line has begun. */
static unsigned pending = 1;

static void put(unsigned value)
{
    if (pending) {
        printf("%u", value & 0xff);
        pending = 0;
    } else {
        byte(value);
    }
}

static void begin(const char *name)
{
    label(name);
    pending = 1;
}

static void put_uleb(uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put((unsigned)(value & 0x7f) | 0x80);
    put((unsigned)value);
}

static void put_text(const char *text)
{
    do
        put((unsigned char)*text);
    while (*text++ != 0);
}

/* Code that an exception may leave: the application's, and what only copies
 * and compares. */
static bool may_be_left(const struct image *image, uint64_t address)
{
    static const char *const parts[] = {"apps/", "tests/", "kernel/lib/",
                                        "hal/baremetal/base/string.c"};
    const struct row *row = row_of(image, address);

    for (size_t i = 0; row != NULL && i < sizeof(parts) / sizeof(parts[0]);
         i++) {
        if (strncmp(image->files[row->file], parts[i], strlen(parts[i])) == 0)
            return true;
    }
    return false;
}

/* Without what compilers add (".part.0"), and of characters that are no code
 * of a pair. */
static char *plain(const char *name)
{
    char *copy = strndup(name, strcspn(name, "."));

    for (char *at = copy; *at != 0; at++) {
        if (*at < '.' || *at > '~')
            *at = '_';
    }
    return copy;
}

static void put_functions(const struct image *image, char **names)
{
    uint64_t last = image->functions[0].address;
    bool left = false;

    begin("symbol_table");
    for (size_t i = 0; i < image->function_count; i++) {
        uint64_t at = image->functions[i].address;

        put_uleb(at - last);
        if (may_be_left(image, at) != left) {
            left = !left;
            put(TURN);
        }
        put_text(names[i]);
        last = at;
    }
    put_uleb(image->text_end - last);
    put(0);
}

enum {
    OP_END,
    OP_ADDRESS,
    OP_FILE,
    OP_LINE,
    OP_SWAP,
    OP_SPECIAL,
    LINE_FIRST = -4,
    LINE_RANGE = 14,
    ADDRESS_RANGE = (256 - OP_SPECIAL) / LINE_RANGE,
};

/* Where the table is, and the file and line before the last change of files:
 * code of inline functions goes to and fro. */
struct place {
    uint64_t address;
    unsigned file, line;
    unsigned other_file, other_line;
};

static void put_file(struct place *last, unsigned file)
{
    unsigned other = last->other_file, line = last->other_line;

    if (file == last->file)
        return;
    last->other_file = last->file;
    last->other_line = last->line;
    last->file = file;
    if (file == other) {
        last->line = line;
        put(OP_SWAP);
        return;
    }
    put(OP_FILE);
    put_uleb(file);
}

static void put_row(struct place *last, const struct row *row)
{
    int64_t lines;
    uint64_t distance = row->address - last->address;

    put_file(last, row->file + 1); /* 0: none */
    lines = (int64_t)row->line - last->line;
    if (lines < LINE_FIRST || lines >= LINE_FIRST + LINE_RANGE) {
        put(OP_LINE);
        put_uleb(lines < 0 ? (uint64_t)-lines << 1 | 1 : (uint64_t)lines << 1);
        lines = 0;
    }
    if (distance >= ADDRESS_RANGE) {
        put(OP_ADDRESS);
        put_uleb(distance);
        distance = 0;
    }
    put(OP_SPECIAL + (unsigned)distance * LINE_RANGE +
        (unsigned)(lines - LINE_FIRST));
    last->line = row->line;
    last->address = row->address;
}

static void put_lines(const struct image *image, char **files)
{
    uint64_t base = image->functions[0].address;
    struct place last = {.address = base};

    begin("symbol_files");
    for (size_t i = 0; i < image->file_count; i++)
        put_text(files[i]);
    begin("symbol_lines");
    for (size_t i = 0; i < image->row_count; i++) {
        const struct row *row = &image->rows[i];

        if (row->address < base || row->address > image->text_end)
            continue; /* of what the linker has dropped */
        if (i + 1 < image->row_count && row[1].address == row->address)
            continue;
        if (row->file + 1 == last.file && row->line == last.line)
            continue;
        put_row(&last, row);
    }
    put(OP_END);
}

int main(int argc, char **argv)
{
    bool lines = argc == 3 && strcmp(argv[2], "--lines") == 0;
    uint8_t pairs[PAIR_COUNT][2];
    struct image image = {0};
    struct texts texts;
    unsigned count;

    if (argc != 2 && !lines)
        fail("usage: torc-symbols IMAGE [--lines]");
    image_read(&image, argv[1]);
    texts.count = image.function_count + (lines ? image.file_count : 0);
    texts.text = grown(NULL, texts.count * sizeof(*texts.text));
    for (size_t i = 0; i < image.function_count; i++)
        texts.text[i] = plain(image.functions[i].name);
    for (size_t i = image.function_count; i < texts.count; i++)
        texts.text[i] = strdup(image.files[i - image.function_count]);
    count = pairs_make(&texts, pairs);
    printf(".section .rodata\n.globl symbol_base\n.set symbol_base, %#llx\n",
           (unsigned long long)image.functions[0].address);
    begin("symbol_pairs");
    for (unsigned i = 0; i < count; i++) {
        put(pairs[i][0]);
        put(pairs[i][1]);
    }
    put(0);
    put_functions(&image, texts.text);
    if (lines)
        put_lines(&image, texts.text + image.function_count);
    printf("\n.section .note.GNU-stack,\"\",@progbits\n");
    return 0;
}
